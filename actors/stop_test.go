package actors

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/sandbox"
)

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

func TestTenant_AStopDoesNotLiftAHold(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.Hold(t.Context(), alice()); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second) // draining
		wg.Go(func() {
			if err := h.Stop(t.Context(), alice()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		d.Leave()
		wg.Wait()
		wantCause(t, visit(t, h, alice()), CauseHeld)
	})
}

func TestTenant_ATreeThatNeverEndsIsTriedAtASteadyPace(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{releaseErrs: 60})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		p := s.process("notes:alice")
		go func() { _ = h.Stop(t.Context(), alice()) }()
		time.Sleep(30 * time.Second)
		if n := p.releases(); n > 32 {
			t.Errorf("%d tries in 30 s", n)
		}
		time.Sleep(time.Minute)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s", got)
		}
	})
}

func TestTenant_AStartThatIsStoppedGivesItsSlotBackInTime(t *testing.T) {
	c := defaults()
	c.Settings.MaxConcurrentStarts = 1
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:alice", behaviour{neverReady: true, ignoresTERM: true})
		register(t, h, alice(), id("bob"))
		go func() { _ = visit(t, h, alice()) }()
		synctest.Wait()
		began := time.Now()
		go func() { _ = h.Stop(t.Context(), alice()) }()
		synctest.Wait()
		if err := visit(t, h, id("bob")); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > slotTime {
			t.Errorf("delayed another's start by %s", d)
		}
		time.Sleep(10 * time.Second)
		wantNoLeak(t, h, s)
	})
}

// A worker that outlives its main process may answer who is inside with it; a
// worker that does not is not waited for longer than that.
func TestTenant_WorkersOfADeadProcessFinishWhatTheyHave(t *testing.T) {
	for name, c := range map[string]struct{ inside, gone time.Duration }{
		"an answer": {30 * time.Millisecond, 50 * time.Millisecond},
		"none":      {time.Hour, lastWords + lastWords/10},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
				s.act("", behaviour{straggles: time.Hour})
				register(t, h, alice())
				if err := visit(t, h, alice()); err != nil {
					t.Fatal(err)
				}
				door, died := h.Door("notes", "alice"), time.Now()
				door.Enter()
				time.AfterFunc(c.inside, door.Leave)
				p := s.process("notes:alice")
				p.end(sandbox.Status{Code: -1, Signal: 9})
				synctest.Wait()
				if p.releases() != 0 {
					t.Error("its tree was taken away at once")
				}
				for p.releases() == 0 {
					time.Sleep(time.Millisecond)
				}
				if took := time.Since(died); took > c.gone || took < min(c.inside, lastWords) {
					t.Errorf("its tree was taken away after %v", took)
				}
				time.Sleep(c.inside)
			})
		})
	}
}
