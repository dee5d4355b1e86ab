package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// wantNoLeak compares admission's books with the processes there are.
func wantNoLeak(t *testing.T, h *Host, s *stage) {
	t.Helper()
	synctest.Wait()
	a := h.front.admission
	if len(a.starting) != 0 || a.queued != 0 || len(a.awake) != s.alive() || len(a.leaving) != 0 {
		t.Errorf("%d slots, %d queued, %d awake of %d processes, %d leaving",
			len(a.starting), a.queued, len(a.awake), s.alive(), len(a.leaving))
	}
}

// faults are the ways in which a tenant loses its actor.
func faults(h *Host, name conf.Instance) map[string]func() {
	return map[string]func(){
		"its actor":    func() { bomb(h, h.cell(name)) },
		"its service":  func() { h.root().Send(h.service(name.Service).pid.Load(), bombEdit()) },
		"all services": func() { h.toServices((*ask)(nil)) },
	}
}

// situations bring a tenant into each state that has something to lose.
var situations = map[string]struct {
	does behaviour
	wait time.Duration
	stop bool // by an operator, who then waits
}{
	"queued":   {wait: -1},
	"starting": {does: behaviour{readyAfter: 5 * time.Second}, wait: time.Second},
	"running":  {wait: time.Second},
	"draining": {wait: time.Second, stop: true},
	"stopping": {does: behaviour{ignoresTERM: true}, wait: 7 * time.Second, stop: true},
	"backoff":  {does: behaviour{diesAfter: time.Millisecond, status: sandbox.Status{Code: 1}}, wait: 100 * time.Millisecond},
	"failed":   {does: behaviour{startErr: sandbox.ErrCannotExecute}, wait: time.Second},
}

func TestResume_NoFaultOfOursLosesATenantInAnyState(t *testing.T) {
	for want, situation := range situations {
		for _, fault := range []string{"its actor", "its service", "all services"} {
			t.Run(want+" and "+fault+" panics", func(t *testing.T) {
				c := defaults()
				c.Settings.MaxConcurrentStarts = 1
				play(t, c, func(t *testing.T, h *Host, s *stage) {
					s.act(alice().String(), situation.does)
					s.act("notes:hog", behaviour{readyAfter: 1900 * time.Millisecond})
					register(t, h, alice(), id("hog"))
					if want == "queued" {
						go func() { _ = visit(t, h, id("hog")) }()
						synctest.Wait()
					}
					d, visited := h.Door("notes", "alice"), make(chan error, 1)
					go func() { visited <- visit(t, h, alice()) }()
					time.Sleep(max(0, situation.wait))
					stopped := make(chan error, 1)
					if situation.stop {
						d.Enter()
						go func() { stopped <- h.Stop(t.Context(), alice()) }()
						time.Sleep(situation.wait)
					}
					if got := state(t, h, alice()); got != want {
						t.Fatalf("%s, want %s", got, want)
					}
					faults(h, alice())[fault]()
					synctest.Wait()
					if situation.stop {
						d.Leave()
					}
					time.Sleep(20 * time.Second)
					answered(t, "visitor", visited, want == "failed")
					if situation.stop {
						answered(t, "operator", stopped, false)
					}
					s.act(alice().String(), behaviour{})
					if _, err := h.Restart(t.Context(), alice()); err != nil {
						t.Errorf("does not come up again: %v", err)
					}
					wantNoLeak(t, h, s)
				})
			})
		}
	}
}

// answered wants an answer to be there, and no error that nobody can do
// anything about.
func answered(t *testing.T, who string, answer chan error, refused bool) {
	t.Helper()
	select {
	case err := <-answer:
		var r *Refusal
		if (err != nil) != refused && (!errors.As(err, &r) || r.Cause != CauseStopping) {
			t.Errorf("%s: %v", who, err)
		}
	default:
		t.Errorf("%s: no answer", who)
	}
}

func TestResume_ASecondClearingDoesNotOvertakeTheFirst(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{straggles: 4 * time.Second})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		p := s.process("notes:alice")
		go func() { _ = h.Stop(t.Context(), alice()) }()
		time.Sleep(time.Second)
		bomb(h, h.cell(alice()))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := p.releases(); n != 1 {
			t.Errorf("cleared away %d times", n)
		}
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s", got)
		}
	})
}

func TestResume_TheResultOfAClearingIsFoundWithoutItsMessage(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{straggles: 4 * time.Second})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		go func() { _ = h.Stop(t.Context(), alice()) }()
		time.Sleep(time.Second)
		synctest.Wait()
		result := make(chan error, 1)
		result <- nil
		h.cell(alice()).life.clearing = result // its message was in a mailbox that nobody read
		bomb(h, h.cell(alice()))
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s", got)
		}
		time.Sleep(5 * time.Second)
		wantNoLeak(t, h, s)
	})
}

func TestResume_AFaultDoesNotDoubleTheChecks(t *testing.T) {
	c := defaults()
	c.Services["notes"].Health = "/health"
	c.Services["notes"].IdleTimeout = 0
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		bomb(h, h.cell(alice()))
		time.Sleep(2 * time.Minute)
		bomb(h, h.cell(alice()))
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		if n := s.checksOf("alice.notes.example.com"); n < 58 || n > 62 {
			t.Errorf("%d checks in ten minutes, one is due every 10 s", n)
		}
	})
}

func TestResume_AnEvictionThatWasLostIsNotWaitedFor(t *testing.T) {
	c := defaults()
	c.Settings.MaxAwake, c.Settings.MaxConcurrentStarts = 1, 1
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.front.admission.leaving[h.cell(alice())] = true // told to leave by a message that nobody read
		bomb(h, h.cell(alice()))
		synctest.Wait()
		if err := visit(t, h, id("bob")); err != nil {
			t.Error(err)
		}
		wantNoLeak(t, h, s)
	})
}

func TestSupervisor_AGivenUpTenantIsStoppedByAnOrderAllTheSame(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, h *Host) error{
		"stop":     func(t *testing.T, h *Host) error { return h.Stop(t.Context(), alice()) },
		"hold":     func(t *testing.T, h *Host) error { return h.Hold(t.Context(), alice()) },
		"forget":   func(t *testing.T, h *Host) error { return h.Forget(t.Context(), alice(), true) },
		"shutdown": func(t *testing.T, h *Host) error { return h.Shutdown(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
				giveUpOn(t, h, alice())
				if err := end(t, h); err != nil {
					t.Error(err)
				}
				if s.alive() != 0 {
					t.Error("its process goes on")
				}
			})
		})
	}
}

// giveUpOn wakes a tenant and panics its actor more often than is forgiven.
func giveUpOn(t *testing.T, h *Host, name conf.Instance) {
	t.Helper()
	register(t, h, name)
	if err := visit(t, h, name); err != nil {
		t.Fatal(err)
	}
	c := h.cell(name)
	for range 4 {
		bomb(h, c)
		time.Sleep(5 * time.Second)
	}
	synctest.Wait()
	if c.pid.Load() != nil {
		t.Fatal("not given up")
	}
}

func TestSupervisor_AGivenUpTenantIsLookedAfterAgainByItself(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		giveUpOn(t, h, alice())
		time.Sleep(3 * time.Minute)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s: nobody noticed that it is idle", got)
		}
		wantNoLeak(t, h, s)
	})
}

func TestSupervisor_WhoWaitsForAnActorThatIsGivenUpIsTold(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		c := h.cell(alice())
		for range 3 {
			bomb(h, c)
			time.Sleep(5 * time.Second)
		}
		bomb(h, c) // the last one; its mailbox is suspended, with this behind it:
		done := make(chan error, 1)
		h.tell(c, &order{event: EventStop, done: done})
		synctest.Wait()
		select {
		case err := <-done:
			if err == nil && s.alive() != 0 {
				t.Error("told that it is done")
			}
		default:
			t.Error("no answer")
		}
	})
}

func TestSupervisor_AChildThatFailsWhileItIsStoppedIsNotBroughtBack(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		svc := h.service("notes")
		pid := h.cell(alice()).pid.Load()
		parent := &countingParent{}
		svc.supervisor.of(pid).stopped = true
		svc.supervisor.HandleFailure(nil, parent, pid, nil, "boom", nil)
		svc.supervisor.of(pid).stopped = false
		svc.supervisor.leaving = true
		svc.supervisor.HandleFailure(nil, parent, pid, nil, "boom", nil)
		svc.supervisor.leaving = false
		if parent.restarts != 0 {
			t.Error("a Restart behind a Stop makes a zombie")
		}
		svc.supervisor.HandleFailure(nil, parent, pid, nil, "boom", nil)
		if parent.restarts != 1 {
			t.Error("a child that nobody stops is not restarted")
		}
	})
}
