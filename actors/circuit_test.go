package actors

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// crashing dies before it is ready.
var crashing = behaviour{neverReady: true, diesEarly: time.Millisecond, status: sandbox.Status{Code: 1}}

func TestCircuit_TheTryIsOneStartHoweverLongAgoTheFailuresWere(t *testing.T) {
	c := defaults()
	c.Settings.CircuitCooldown, c.Settings.RestartWindow = 10*time.Minute, time.Minute
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", crashing)
		register(t, h, alice())
		wantCause(t, visit(t, h, alice()), CauseFailed)
		for range 3 {
			time.Sleep(11 * time.Minute)
			before := s.starts("notes:alice")
			wantCause(t, visit(t, h, alice()), CauseFailed)
			time.Sleep(5 * time.Minute)
			if n := s.starts("notes:alice") - before; n != 1 {
				t.Fatalf("%d starts for one try", n)
			}
		}
	})
}

func TestCircuit_WhatCouldNotBeExecutedGetsOneTryToo(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{startErr: sandbox.ErrCannotExecute})
		register(t, h, alice())
		wantCause(t, visit(t, h, alice()), CauseFailed)
		time.Sleep(2 * time.Minute)
		s.act("", crashing)
		wantCause(t, visit(t, h, alice()), CauseFailed)
		time.Sleep(time.Minute)
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts, want the first and the try", n)
		}
	})
}

func TestCircuit_ATryThatIsDeniedASlotIsStillATry(t *testing.T) {
	c := defaults()
	c.Settings.CircuitCooldown, c.Settings.RestartWindow = 10*time.Minute, time.Minute
	c.Settings.MaxAwake = 1
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:alice", crashing)
		register(t, h, alice(), id("bob"))
		wantCause(t, visit(t, h, alice()), CauseFailed)
		time.Sleep(11 * time.Minute)
		d := h.Door("notes", "bob")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		wantCause(t, visit(t, h, alice()), CauseNoRoom)
		d.Leave()
		before := s.starts("notes:alice")
		wantCause(t, visit(t, h, alice()), CauseFailed)
		if n := s.starts("notes:alice") - before; n != 1 {
			t.Errorf("%d starts for one try", n)
		}
	})
}

func TestCircuit_ATryThatSleepsInPeaceClosesIt(t *testing.T) {
	c := defaults()
	c.Settings.RestartWindow = time.Minute
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", crashing)
		register(t, h, alice())
		wantCause(t, visit(t, h, alice()), CauseFailed)
		time.Sleep(2 * time.Minute)
		s.act("", behaviour{})
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // idle
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		s.process("notes:alice").end(sandbox.Status{Code: 1})
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s after one crash of a tenant that has been well", got)
		}
	})
}

func TestCircuit_AWindowOfHealthClearsTheCount(t *testing.T) {
	c := defaults()
	c.Services["notes"].IdleTimeout = 0
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", crashing)
		register(t, h, alice())
		wantCause(t, visit(t, h, alice()), CauseFailed)
		time.Sleep(2 * time.Minute)
		s.act("", behaviour{})
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		s.process("notes:alice").end(sandbox.Status{Code: 1})
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("%s after one crash in six healthy minutes", got)
		}
	})
}

func TestCircuit_AStopKeepsTheReasonOfAFailure(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{startErr: sandbox.ErrCannotExecute})
		register(t, h, alice())
		before := wantCause(t, visit(t, h, alice()), CauseFailed)
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if after := wantCause(t, visit(t, h, alice()), CauseFailed); after.Reason != before.Reason {
			t.Errorf("reason %q, was %q", after.Reason, before.Reason)
		}
	})
}

func TestTenant_RestartNeverHoldsForAStartThatFailsToo(t *testing.T) {
	c := defaults()
	c.Services["notes"].Restart = conf.RestartNever
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{startErr: errNoMemory})
		register(t, h, alice())
		wantCause(t, visit(t, h, alice()), CauseStartFailed)
		time.Sleep(time.Minute)
		if n := s.starts("notes:alice"); n != 1 {
			t.Errorf("%d starts", n)
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
