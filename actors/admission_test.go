package actors

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
)

// queueOf asks for every name and then grants one after the other.
func queueOf(t *testing.T, slots int, names ...string) []string {
	t.Helper()
	a := newAdmission(slots, 0)
	for _, n := range names {
		name, err := conf.ParseInstance(n)
		if err != nil {
			t.Fatal(err)
		}
		if r := a.ask(&ask{cell: &Cell{Door: Door{name: name}}, gen: 1}); r != nil {
			t.Fatal(r)
		}
	}
	var order []string
	for {
		grant, _, _ := a.next()
		if grant == nil {
			return order
		}
		order = append(order, grant.cell.name.String())
		a.release(&release{cell: grant.cell, gen: grant.gen})
	}
}

func TestAdmission_ServicesTakeTurnsAndKeepTheirOrder(t *testing.T) {
	got := queueOf(t, 1, "a:1", "a:2", "a:3", "b:1", "c:1", "b:2")
	if want := "a:1 b:1 c:1 a:2 b:2 a:3"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestAdmission_OneThatLeavesTheQueueTakesNothingWithIt(t *testing.T) {
	a := newAdmission(1, 0)
	cells := map[string]*Cell{}
	for _, n := range []string{"a:1", "a:2", "b:1"} {
		name, _ := conf.ParseInstance(n)
		cells[n] = &Cell{Door: Door{name: name}}
		a.ask(&ask{cell: cells[n], gen: 1})
	}
	for _, n := range []string{"a:1", "a:2"} {
		a.release(&release{cell: cells[n], gen: 1, out: true})
	}
	a.release(&release{cell: cells["b:1"], gen: 7, out: true}) // another generation's
	if a.queued != 1 {
		t.Errorf("%d queued", a.queued)
	}
	a.ask(&ask{cell: cells["a:1"], gen: 2})
	for _, want := range []string{"b:1", "a:1"} {
		grant, _, _ := a.next()
		if grant == nil || grant.cell.name.String() != want {
			t.Fatalf("granted %v, want %s", grant, want)
		}
		a.release(&release{cell: grant.cell, gen: grant.gen, out: true})
	}
	if len(a.awake)+len(a.starting)+len(a.queues)+len(a.turns) != 0 {
		t.Errorf("left behind: %+v", a)
	}
}

func TestAdmission_AFullQueueTurnsAway(t *testing.T) {
	a := newAdmission(1, 0)
	for i := range maxQueue {
		name := conf.Instance{Service: "a", ID: fmt.Sprint(i)}
		if r := a.ask(&ask{cell: &Cell{Door: Door{name: name}}}); r != nil {
			t.Fatal(r)
		}
	}
	r := a.ask(&ask{cell: &Cell{}})
	if r == nil || r.Cause != CauseQueueFull || r.RetryAfter < time.Second || r.RetryAfter > 5*time.Second {
		t.Errorf("%+v", r)
	}
}

func TestHost_NoMoreThanMaxConcurrentStartsAtOnce(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 100 * time.Millisecond})
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 40 {
			register(t, h, id(fmt.Sprintf("t%d", i)))
			wg.Go(func() {
				if err := visit(t, h, id(fmt.Sprintf("t%d", i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s.mostStarting() != 4 {
			t.Errorf("%d started at once, want 4", s.mostStarting())
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("40 starts of 100 ms by 4 took %s, want 1s", d)
		}
	})
}

func TestHost_AHungStartGivesItsSlotBack(t *testing.T) {
	c := defaults()
	c.Settings.MaxConcurrentStarts = 2
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:hung1", behaviour{neverReady: true})
		s.act("notes:hung2", behaviour{neverReady: true})
		register(t, h, id("hung1"), id("hung2"), alice())
		go func() { _ = visit(t, h, id("hung1")) }()
		go func() { _ = visit(t, h, id("hung2")) }()
		synctest.Wait()
		began := time.Now()
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > slotTime {
			t.Errorf("two hung starts delayed another by %s", d)
		}
		time.Sleep(30 * time.Second)
	})
}

func TestHost_WhoWaitsTooLongForASlotIsToldSo(t *testing.T) {
	c := defaults()
	c.Settings.MaxConcurrentStarts, c.Settings.QueueTimeout = 1, time.Second
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 1900 * time.Millisecond})
		register(t, h, id("slow"), alice())
		go func() { _ = visit(t, h, id("slow")) }()
		synctest.Wait()
		began := time.Now()
		r := wantCause(t, visit(t, h, alice()), CauseQueueTimeout)
		if d := time.Since(began); d != time.Second || r.RetryAfter == 0 {
			t.Errorf("after %s with Retry-After %s", d, r.RetryAfter)
		}
		time.Sleep(5 * time.Second)
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("not woken later: %v", err)
		}
	})
}

func TestHost_MaxAwakePutsTheLongestUnusedToSleep(t *testing.T) {
	c := defaults()
	c.Settings.MaxAwake = 3
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		for _, n := range []string{"a", "b", "c", "d"} {
			register(t, h, id(n))
		}
		for _, n := range []string{"b", "a", "c"} {
			if err := visit(t, h, id(n)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if err := visit(t, h, id("b")); err != nil { // now a is the longest unused
			t.Fatal(err)
		}
		if err := visit(t, h, id("d")); err != nil {
			t.Fatal(err)
		}
		for n, want := range map[string]string{"a": "asleep", "b": "running", "c": "running", "d": "running"} {
			if got := state(t, h, id(n)); got != want {
				t.Errorf("%s is %s, want %s", n, got, want)
			}
		}
		if s.mostAwake() > 3 {
			t.Errorf("%d processes at once", s.mostAwake())
		}
	})
}

func TestHost_MaxAwakeWithEverybodyInUseTurnsAway(t *testing.T) {
	c := defaults()
	c.Settings.MaxAwake = 1
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if r := wantCause(t, visit(t, h, id("bob")), CauseNoRoom); r.RetryAfter == 0 {
			t.Error("no Retry-After")
		}
		d.Leave()
		if err := visit(t, h, id("bob")); err != nil {
			t.Errorf("no room made of an idle tenant: %v", err)
		}
	})
}

func TestHost_QueueTimeoutIsEachVisitorsOwn(t *testing.T) {
	c := defaults()
	c.Settings.MaxConcurrentStarts, c.Settings.QueueTimeout = 1, time.Second
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:slow", behaviour{readyAfter: 1900 * time.Millisecond})
		register(t, h, id("slow"), alice())
		go func() { _ = visit(t, h, id("slow")) }()
		synctest.Wait()
		first := make(chan error, 1)
		go func() { first <- visit(t, h, alice()) }()
		time.Sleep(950 * time.Millisecond)
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("refused because of somebody else's time: %v", err)
		}
		wantCause(t, <-first, CauseQueueTimeout)
		wantNoLeak(t, h, s)
	})
}

func TestHost_ListedTenantsAndRestartsWaitForNobodysRequest(t *testing.T) {
	c := defaults()
	c.Settings.MaxConcurrentStarts, c.Settings.QueueTimeout = 1, time.Second
	for i := range 10 {
		c.Instances = append(c.Instances, id(fmt.Sprint("t", i)))
	}
	c.Services["notes"].IdleTimeout = 0
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 1900 * time.Millisecond})
		if err := h.StartListed(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := s.alive(); n != 10 {
			t.Errorf("%d of 10 started at boot", n)
		}
		for i := range 10 {
			s.process(fmt.Sprint("notes:t", i)).end(exitStatusOf(9))
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := s.alive(); n != 10 {
			t.Errorf("%d of 10 came back", n)
		}
		wantNoLeak(t, h, s)
	})
}

func TestHost_AFloodBeyondMaxAwakeIsServedInTurn(t *testing.T) {
	c := defaults()
	c.Settings.MaxAwake = 10
	c.Services["notes"].IdleTimeout = 10 * time.Millisecond
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 5 * time.Millisecond})
		for i := range 50 {
			register(t, h, id(fmt.Sprint("t", i)))
		}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := visit(t, h, id(fmt.Sprint("t", i))); err != nil {
					t.Errorf("t%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := s.mostAwake(); n > 10 {
			t.Errorf("%d processes at once", n)
		}
		time.Sleep(time.Second)
		wantNoLeak(t, h, s)
		if s.alive() != 0 {
			t.Errorf("%d awake long after idle_timeout", s.alive())
		}
	})
}

func TestHost_OneWhoGoesToSleepAnywayIsWaitedFor(t *testing.T) {
	c := defaults()
	c.Settings.MaxAwake = 1
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:alice", behaviour{ignoresTERM: true})
		register(t, h, alice(), id("bob"))
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		go func() { _ = h.Stop(t.Context(), alice()) }()
		time.Sleep(time.Second)
		if err := visit(t, h, id("bob")); err != nil {
			t.Errorf("turned away, with room on its way: %v", err)
		}
		wantNoLeak(t, h, s)
	})
}

func TestHost_HundredsOfOneServiceDelayAnotherByOneSlot(t *testing.T) {
	c := defaults()
	other := notes()
	other.Name = "other"
	c.Services["other"] = other
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 100 * time.Millisecond})
		names := make([]conf.Instance, 250) // a thousand crash the race detector, see after
		for i := range names {
			names[i] = id(fmt.Sprint("t", i))
		}
		register(t, h, names...)
		eve := conf.Instance{Service: "other", ID: "eve"}
		register(t, h, eve)
		var wg sync.WaitGroup
		for _, n := range names {
			wg.Go(func() { _ = visit(t, h, n) })
		}
		synctest.Wait()
		began := time.Now()
		if err := visit(t, h, eve); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 200*time.Millisecond {
			t.Errorf("waited %s behind hundreds of another service, a start takes 100ms", d)
		}
		wg.Wait()
		wantNoLeak(t, h, s)
	})
}
