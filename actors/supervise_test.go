package actors

import (
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
)

func exitStatusOf(signal int) sandbox.Status { return sandbox.Status{Code: -1, Signal: signal} }

// bomb sends a message whose handling panics, before it has touched anything.
func bomb(h *Host, c *Cell) { h.tell(c, (*left)(nil)) }

// bombEdit makes a service's actor panic.
func bombEdit() message {
	return &edit{plan: func(*records) ([]ledger.Change, error) { panic("boom") }, applied: func(error) {}}
}

func TestSupervisor_ATenantsActorIsRestartedAndItsProcessServesOn(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		c := h.cell(alice())
		before := c.way.Load()
		bomb(h, c)
		synctest.Wait()
		if c.way.Load() == nil || c.way.Load().Generation != before.Generation {
			t.Error("the door shut because of a fault in the actor")
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatalf("the restarted actor does not obey: %v", err)
		}
		if n := s.starts("notes:alice"); n != 1 {
			t.Errorf("%d starts", n)
		}
	})
}

func TestSupervisor_AnActorThatPanicsForEverIsParkedAndComesBack(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		c := h.cell(alice())
		for range 4 {
			bomb(h, c)
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		if c.pid.Load() != nil {
			t.Fatal("not given up after more panics than the policy forgives")
		}
		if c.way.Load() == nil {
			t.Error("its process was taken down with it")
		}
		if err := h.Stop(t.Context(), id("alice")); err != nil {
			t.Errorf("stop of a parked tenant: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := h.Restart(t.Context(), alice()); err != nil {
			t.Errorf("after the cooldown: %v", err)
		}
	})
}

func TestSupervisor_AServiceThatPanicsGetsItsTenantsBack(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		h.root().Send(h.service("notes").pid.Load(), bombEdit())
		synctest.Wait()
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("the awake tenant: %v", err)
		}
		if err := visit(t, h, id("bob")); err != nil {
			t.Errorf("the sleeping tenant: %v", err)
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func TestSupervisor_ADeathDuringTheRestartIsNotMissed(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		h.root().Send(h.service("notes").pid.Load(), bombEdit())
		s.process("notes:alice").end(exitStatusOf(9))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := state(t, h, alice()); got != "running" || s.starts("notes:alice") != 2 {
			t.Errorf("%s after %d starts, want a new process", got, s.starts("notes:alice"))
		}
	})
}

func TestSupervisor_TheSweeperKeepsItsDeadlinesThroughARestart(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		h.root().Send(h.sweeperPID, &arm{at: -1 << 62}) // nobody to tell: panics
		time.Sleep(2 * time.Minute)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s: its idle deadline was lost", got)
		}
	})
}

func TestSupervisor_OneThatGivesUpOnTheTreeEndsTheHost(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		for range 4 {
			h.root().Send(h.keeperPID, &commit{done: nil})
			time.Sleep(5 * time.Second)
		}
		select {
		case <-h.Done():
		case <-time.After(time.Minute):
			t.Error("the host goes on without its ledger")
		}
	})
}

// turn is one message's context.
type turn struct {
	actor.Context
	message any
}

func (c turn) Message() any { return c.message }

// reader counts what gets through to an actor.
type reader struct{ messages int }

func (r *reader) Receive(ctx actor.Context) {
	if _, ours := ctx.Message().(message); ours {
		r.messages++
	}
}

func TestGuard_WhoIsLeavingTakesNoMessageAndSaysSo(t *testing.T) {
	r := &reader{}
	g := &guard{Actor: r, after: &afterlife{}, supervisor: newSupervisor(nil, nil, nil)}
	g.Receive(turn{message: &actor.Restarting{}})
	w := newWaiter(0)
	g.Receive(turn{message: &forward{m: &wake{w: w}}}) // a child made of this would never be told to stop
	if r.messages != 0 || !g.supervisor.leaving {
		t.Errorf("%d messages read by an actor that leaves", r.messages)
	}
	select {
	case refusal := <-w.answer:
		if refusal == nil {
			t.Error("told that the door is open")
		}
	default:
		t.Error("a visitor is not told")
	}
	g.Receive(turn{message: &actor.Started{}})
	g.Receive(turn{message: &emptied{}})
	if r.messages != 1 || g.supervisor.leaving {
		t.Error("the next incarnation does not listen")
	}
}
