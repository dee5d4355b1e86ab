package actors

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"
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

func TestTenant_WhatCannotBeExecutedFailsAtOnceForEverybody(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{startErr: fmt.Errorf("cannot start notes:alice: %w", sandbox.ErrCannotExecute)})
		register(t, h, alice())
		began := time.Now()
		for range 100 {
			r := wantCause(t, visit(t, h, alice()), CauseFailed)
			if r.RetryAfter < time.Second || r.RetryAfter > time.Minute {
				t.Fatalf("Retry-After %s", r.RetryAfter)
			}
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("100 refusals took %s", d)
		}
		if n := s.starts("notes:alice"); n != 1 {
			t.Errorf("tried %d times with the circuit open", n)
		}
		time.Sleep(time.Minute)
		wantCause(t, visit(t, h, alice()), CauseFailed)
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts after the cooldown, want the one try", n)
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

func TestTenant_ACrashLoopFollowsThePolicyAndFails(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{diesAfter: time.Millisecond, status: sandbox.Status{Code: 3}})
		register(t, h, alice())
		began := time.Now()
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := state(t, h, alice()); got != "failed" {
			t.Fatalf("%s after a minute of crashes", got)
		}
		// Delays 0, [0.5,1], [1,2] and then no more: 4 processes.
		if n := s.starts("notes:alice"); n != 4 {
			t.Errorf("%d starts, want 4", n)
		}
		info, _ := h.Info(alice())
		if since := info.Since.Sub(began); since < 1500*time.Millisecond || since > 3100*time.Millisecond {
			t.Errorf("failed after %s, the policy says 1.5 to 3 s", since)
		}
		r := wantCause(t, visit(t, h, alice()), CauseFailed)
		if r.RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
	})
}

func TestTenant_TheHalfOpenTryIsOneStart(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{neverReady: true, diesEarly: time.Millisecond, status: sandbox.Status{Code: 3}})
		register(t, h, alice())
		if err := visit(t, h, alice()); err == nil {
			t.Fatal("let in")
		}
		time.Sleep(2 * time.Minute)
		before := s.starts("notes:alice")
		s.act("", behaviour{readyAfter: time.Second})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := visit(t, h, alice()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.starts("notes:alice") - before; n != 1 {
			t.Errorf("%d starts for the half-open try", n)
		}
	})
}

func TestTenant_AVisitorWaitsThroughABackoffThatFits(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{neverReady: true, diesEarly: time.Millisecond, status: sandbox.Status{Code: 1}})
		register(t, h, alice())
		time.AfterFunc(100*time.Millisecond, func() { s.act("", behaviour{}) })
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("refused though the delay fits: %v", err)
		}
	})
}

func TestTenant_AVisitorIsToldAtOnceOfABackoffThatDoesNotFit(t *testing.T) {
	c := defaults()
	c.Settings.BackoffBase, c.Settings.BackoffMax = time.Hour, time.Hour
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{diesAfter: time.Millisecond, status: sandbox.Status{Code: 1}})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		began := time.Now()
		r := wantCause(t, visit(t, h, alice()), CauseBackoff)
		if time.Since(began) != 0 || r.RetryAfter < 28*time.Minute {
			t.Errorf("after %s with Retry-After %s", time.Since(began), r.RetryAfter)
		}
	})
}

func TestTenant_TheRestartPolicyIsHonoured(t *testing.T) {
	for _, c := range []struct {
		restart conf.Restart
		status  sandbox.Status
		want    string
	}{
		{conf.RestartAlways, sandbox.Status{}, "running"},
		{conf.RestartAlways, sandbox.Status{Code: 1}, "running"},
		{conf.RestartOnFailure, sandbox.Status{}, "asleep"},
		{conf.RestartOnFailure, sandbox.Status{Code: 1}, "running"},
		{conf.RestartNever, sandbox.Status{Code: 1}, "asleep"},
	} {
		t.Run(fmt.Sprintf("%s after %s", c.restart, c.status), func(t *testing.T) {
			config := defaults()
			config.Services["notes"].Restart = c.restart
			play(t, config, func(t *testing.T, h *Host, s *stage) {
				register(t, h, alice())
				if err := visit(t, h, alice()); err != nil {
					t.Fatal(err)
				}
				s.process("notes:alice").end(c.status)
				if got := state(t, h, alice()); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestTenant_StopIsSleepNow(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if s.alive() != 0 || state(t, h, alice()) != "asleep" {
			t.Errorf("%d processes, %s", s.alive(), state(t, h, alice()))
		}
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("not woken after a stop: %v", err)
		}
	})
}

func TestTenant_StopWaitsForTheRequestsInsideThenForNobody(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		register(t, h, alice())
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != drainTime+graceTime {
			t.Errorf("stop took %s, want 5 s of draining and 5 s of grace", took)
		}
		d.Leave()
	})
}

func TestTenant_StopReturnsWhenTheLastRequestLeaves(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(2*time.Second, d.Leave)
		began := time.Now()
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2100*time.Millisecond {
			t.Errorf("stop took %s, the request 2s", took)
		}
	})
}

func TestTenant_AVisitorDuringAStopWaitsForTheNextGeneration(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		way, err := h.Wake(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = h.Stop(t.Context(), alice()) }()
		synctest.Wait()
		time.AfterFunc(time.Second, d.Leave)
		next, err := h.Wake(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		d.Leave()
		if next.Generation <= way.Generation {
			t.Errorf("generation %d after %d", next.Generation, way.Generation)
		}
	})
}

func TestTenant_HoldKeepsItAsleepUntilUnhold(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if err := h.Hold(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		r := wantCause(t, visit(t, h, alice()), CauseHeld)
		if r.RetryAfter != 0 || s.alive() != 0 {
			t.Errorf("Retry-After %s, %d processes", r.RetryAfter, s.alive())
		}
		if err := h.Unhold(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if err := visit(t, h, alice()); err != nil {
			t.Errorf("refused after unhold: %v", err)
		}
	})
}

func TestTenant_SpawnAndRestartLiftAHold(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		for name, lift := range map[string]func() error{
			"spawn":   func() error { _, err := h.Spawn(t.Context(), alice()); return err },
			"restart": func() error { _, err := h.Restart(t.Context(), alice()); return err },
		} {
			if err := h.Hold(t.Context(), alice()); err != nil {
				t.Fatal(err)
			}
			if err := lift(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := state(t, h, alice()); got != "running" {
				t.Errorf("%s after %s", got, name)
			}
		}
	})
}

func TestTenant_RestartGivesANewProcess(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		before, err := h.Spawn(t.Context(), alice())
		if err != nil {
			t.Fatal(err)
		}
		after, err := h.Restart(t.Context(), alice())
		if err != nil {
			t.Fatal(err)
		}
		if after.Generation <= before.Generation || s.starts("notes:alice") != 2 {
			t.Errorf("generation %d after %d, %d starts", after.Generation, before.Generation, s.starts("notes:alice"))
		}
	})
}

func TestTenant_ThreeMissedChecksReplaceIt(t *testing.T) {
	c := defaults()
	c.Services["notes"].Health = "/health"
	c.Services["notes"].IdleTimeout = 0
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if info, _ := h.Info(alice()); info.Health != "unknown" {
			t.Errorf("%s before the first check", info.Health)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Health != "healthy" {
			t.Errorf("%s after a good check", info.Health)
		}
		s.ail("alice.notes.example.com", errors.New("answered 500"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Health != "degraded" {
			t.Errorf("%s after a failed check", info.Health)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts after three failed checks", n)
		}
	})
}

func TestTenant_NoCheckIsMadeWhileARequestMoves(t *testing.T) {
	c := defaults()
	c.Services["notes"].Health = "/health"
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		s.ail("alice.notes.example.com", errors.New("busy"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := s.checksOf("alice.notes.example.com"); n != 0 {
			t.Errorf("%d checks during a request", n)
		}
		d.Leave()
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

func TestTenant_AProcessTreeThatDoesNotEndIsTriedAgain(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{releaseErrs: 3})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if s.alive() != 0 {
			t.Error("stop returned with a process left")
		}
	})
}

func TestTenant_ARefusedConnectionToOneThatNoLongerListensReplacesIt(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		way, err := h.Wake(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		d.Leave()
		h.ConnFailed(d, way.Generation+7) // stale: means nothing
		s.process("notes:alice").does.neverReady = true
		h.ConnFailed(d, way.Generation)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts, want a replacement", n)
		}
	})
}

func TestTenant_StorageThatIsNotToPersistGoesBeforeStopReturns(t *testing.T) {
	c := defaults()
	c.Services["notes"].StoragePersist = false
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		dir := h.instanceDir(alice())
		mustExist(t, dir, true)
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		mustExist(t, dir, false)
	})
}
