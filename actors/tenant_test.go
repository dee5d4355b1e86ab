package actors

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTenant_AVisitorWakesItAndIdlenessEndsIt(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 40 * time.Millisecond})
		register(t, h, alice())
		began := time.Now()
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 40*time.Millisecond {
			t.Errorf("the visitor waited %s, the app took 40ms", d)
		}
		time.Sleep(59 * time.Second)
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s a second before idle_timeout", got)
		}
		time.Sleep(2 * time.Second)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s a second after idle_timeout", got)
		}
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("not woken again: %v", err)
		}
	})
}

func TestTenant_AUseMovesTheEndOfIdleness(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		d := h.Door("notes", "alice")
		if d.Enter() == nil {
			t.Fatal("asleep before its time")
		}
		time.Sleep(5 * time.Minute)
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s while a request is inside", got)
		}
		d.Leave()
		time.Sleep(59 * time.Second)
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s 59 s after the last use", got)
		}
		time.Sleep(62 * time.Second)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s two minutes after the last use", got)
		}
	})
}

func TestTenant_FiveHundredFirstVisitorsGetOneProcess(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: time.Second})
		register(t, h, alice())
		var wg sync.WaitGroup
		errs := make(chan error, 500)
		for range 500 {
			wg.Go(func() { errs <- visit(t, h, alice()) })
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := s.starts("notes:alice"); n != 1 {
			t.Errorf("%d processes", n)
		}
	})
}

func TestTenant_NeverReadyIsATimeoutAndLeavesNothing(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{neverReady: true})
		register(t, h, alice())
		began := time.Now()
		r := wantCause(t, visit(t, h, alice()), CauseStartTimeout)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("answered after %s, startup_timeout is 10s", d)
		}
		if !r.Timeout() {
			t.Error("not a 504")
		}
		if got := state(t, h, alice()); got != "asleep" || s.alive() != 0 {
			t.Errorf("%s, %d processes", got, s.alive())
		}
		for range 3 {
			wantCause(t, visit(t, h, alice()), CauseStartTimeout)
		}
		wantCause(t, visit(t, h, alice()), CauseFailed)
	})
}

func TestTenant_ALeavingVisitorIsForgotten(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 5 * time.Second})
		register(t, h, alice())
		var wg sync.WaitGroup
		for range 1000 {
			ctx, cancel := contextWithTimeout(t, time.Second)
			defer cancel()
			wg.Go(func() {
				if _, err := h.Wake(ctx, h.Door("notes", "alice")); err == nil {
					t.Error("let in after it left")
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		why, err := h.Why(alice())
		if err != nil || len(why.Holds) != 0 {
			t.Errorf("visitors who left still wait: %q, %v", why.Holds, err)
		}
		time.Sleep(10 * time.Second)
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s: the wake was not completed", got)
		}
	})
}

func TestTenant_TooManyWaitersAreTurnedAway(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: time.Second})
		register(t, h, alice())
		var wg sync.WaitGroup
		var mu sync.Mutex
		full := 0
		for range maxWaiters + 10 {
			wg.Go(func() {
				var r *Refusal
				if err := visit(t, h, alice()); errors.As(err, &r) && r.Cause == CauseQueueFull && r.RetryAfter > 0 {
					mu.Lock()
					full++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if full != 10 {
			t.Errorf("%d turned away, want 10", full)
		}
	})
}

func TestTenant_IdlenessRunsFromTheEndOfALongUse(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		d.Leave()
		time.Sleep(59 * time.Second)
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s 59 s after its last use", got)
		}
		time.Sleep(time.Second + 100*time.Millisecond)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s 100 ms after idle_timeout", got)
		}
	})
}

func TestTenant_AFailedStartGivesBackItsOwnPortAndNoOther(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		s.portErr = errNoMemory
		_ = visit(t, h, alice())
		synctest.Wait()
		for port, n := range s.freed {
			if port != 0 && n > 1 {
				t.Errorf("port %d given back %d times: it was somebody else's by then", port, n)
			}
		}
	})
}
