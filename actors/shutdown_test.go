package actors

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// end runs a host and leaves its shutdown to f.
func end(t *testing.T, f func(t *testing.T, h *Host, s *stage)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		h := open(t, dir, defaults(), s)
		f(t, h, s)
		synctest.Wait() // and no goroutine is left, or synctest says so
	})
}

func TestShutdown_EndsWhoeverIsInWhateverState(t *testing.T) {
	for want, situation := range situations {
		t.Run(want, func(t *testing.T) {
			end(t, func(t *testing.T, h *Host, s *stage) {
				s.act(alice().String(), situation.does)
				s.act("", behaviour{readyAfter: 1900 * time.Millisecond})
				register(t, h, alice())
				if want == "queued" {
					for _, n := range []string{"a", "b", "c", "d"} {
						register(t, h, id(n))
						go func() { _ = visit(t, h, id(n)) }()
					}
					synctest.Wait()
				}
				visited := make(chan error, 1)
				go func() { visited <- visit(t, h, alice()) }()
				time.Sleep(max(0, situation.wait))
				d := h.Door("notes", "alice")
				if situation.stop {
					d.Enter()
					go func() { _ = h.Stop(t.Context(), alice()) }()
					time.Sleep(situation.wait)
				}
				if got := state(t, h, alice()); got != want {
					t.Fatalf("%s, want %s", got, want)
				}
				if err := h.Shutdown(t.Context()); err != nil || s.alive() != 0 {
					t.Errorf("%v, %d alive", err, s.alive())
				}
				if situation.stop {
					d.Leave()
				}
				synctest.Wait()
				select {
				case <-visited:
				default:
					t.Error("a visitor still waits")
				}
			})
		})
	}
}

func TestShutdown_WithItsTimeOverAlreadyKills(t *testing.T) {
	end(t, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		for _, n := range []string{"a", "b", "c"} {
			if _, err := h.Spawn(t.Context(), id(n)); err != nil {
				t.Fatal(err)
			}
			h.Door("notes", n).Enter()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if err := h.Shutdown(ctx); err != nil || s.alive() != 0 || time.Since(began) > time.Second {
			t.Errorf("after %s: %v, %d alive", time.Since(began), err, s.alive())
		}
	})
}

func TestShutdown_TwiceWaitsForTheFirstAndGivesItsAnswer(t *testing.T) {
	end(t, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		h.finish() // the tree has given up meanwhile: that is not the end
		go func() { _ = h.Shutdown(t.Context()) }()
		synctest.Wait()
		if err := h.Shutdown(t.Context()); err != nil || s.alive() != 0 {
			t.Errorf("%v, %d alive", err, s.alive())
		}
	})
}

func TestShutdown_AfterTheTreeHasGivenUpLeavesNoProcess(t *testing.T) {
	for part, boom := range map[string]func(h *Host){
		"services": func(h *Host) { h.toServices((*ask)(nil)) },
		"ledger":   func(h *Host) { h.root().Send(h.keeperPID, &commit{}) },
		"sweeper":  func(h *Host) { h.root().Send(h.sweeperPID, &arm{at: -1 << 62}) },
		"service":  func(h *Host) { h.root().Send(h.service("notes").pid.Load(), bombEdit()) },
	} {
		t.Run(part, func(t *testing.T) {
			end(t, func(t *testing.T, h *Host, s *stage) {
				s.act("", behaviour{ignoresTERM: true})
				if _, err := h.Spawn(t.Context(), alice()); err != nil {
					t.Fatal(err)
				}
				for range 4 {
					boom(h)
					time.Sleep(5 * time.Second)
				}
				<-h.Done()
				if err := h.Shutdown(context.Background()); err != nil || s.alive() != 0 {
					t.Errorf("%v, %d alive", err, s.alive())
				}
			})
		})
	}
}

func TestShutdown_WhoComesDuringItIsTold(t *testing.T) {
	end(t, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		register(t, h, id("bob"))
		d := h.Door("notes", "bob")
		over := make(chan error, 1)
		go func() { over <- h.Shutdown(t.Context()) }()
		synctest.Wait()
		for range 2 { // during, then after
			_, wake := h.Wake(t.Context(), d)
			wantCause(t, wake, CauseStopping)
			_, spawn := h.Spawn(t.Context(), id("eve"))
			_, reg := h.Register(t.Context(), []conf.Instance{id("eve")})
			if !errors.Is(spawn, ErrStopping) || !errors.Is(reg, ErrStopping) {
				t.Errorf("spawn: %v, register: %v", spawn, reg)
			}
			if err := <-over; err != nil {
				t.Fatal(err)
			}
			over <- nil
		}
		if _, _, err := h.IssueToken(t.Context(), ledger.Token{Scope: ledger.ScopeTenant, ID: "alice"}); err == nil {
			t.Error("a token that nobody stored")
		}
		_ = h.Stop(t.Context(), alice()) // whatever it says, it returns
	})
}

func TestShutdown_FinishesWhatWasAcceptedBefore(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, defaults(), newStage(t))
		issued := make(chan error, 1)
		go func() {
			_, _, err := h.IssueToken(t.Context(), ledger.Token{Scope: ledger.ScopeTenant, ID: "alice"})
			issued <- err
		}()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-issued // stored or refused, but answered
		synctest.Wait()
	})
}

func TestHost_ShutdownWithTwoHundredAwakeIsQuickAndComplete(t *testing.T) {
	c := defaults()
	c.Settings.MaxConcurrentStarts = 16
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		for i := range 200 {
			if _, err := h.Spawn(t.Context(), id(fmt.Sprintf("t%d", i))); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 2*time.Second || s.alive() != 0 {
			t.Errorf("took %s, %d left", d, s.alive())
		}
		if _, err := h.Wake(t.Context(), h.Door("notes", "t1")); err == nil {
			t.Error("woken after shutdown")
		}
		select {
		case <-h.Done():
		default:
			t.Error("not done after shutdown")
		}
	})
}

func TestHost_AShutdownInAHurryKills(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.act("", behaviour{ignoresTERM: true})
		h := open(t, dir, defaults(), s)
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		d := h.Door("notes", "alice")
		if d.Enter() == nil {
			t.Fatal("not awake")
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil || s.alive() != 0 || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %v, %d alive", time.Since(began), err, s.alive())
		}
		synctest.Wait()
	})
}

func TestHost_AShutdownThatCannotEndAProcessSaysSo(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.act("", behaviour{releaseErrs: 1000})
		h := open(t, dir, defaults(), s)
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		synctest.Wait()
	})
}
