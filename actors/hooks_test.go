package actors

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/journal"
	"tenement/conf"
	"tenement/sandbox"
)

// withHooks is a configuration whose notes run "before" and "after" around their
// process.
func withHooks() *conf.Config {
	c := defaults()
	s := c.Services["notes"]
	s.BeforeStart, s.AfterStop, s.HookTimeout = []string{"before", "{id}"}, []string{"after"}, time.Minute
	return c
}

// notedOf are our own lines in a tenant's log.
func notedOf(t *testing.T, h *Host, name conf.Instance) string {
	t.Helper()
	entries, err := h.Journal().Query(t.Context(), journal.Query{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Message)
	}
	return strings.Join(all, "\n")
}

func TestHooks_RunInTheProcessesPlaceBeforeAndAfterIt(t *testing.T) {
	play(t, withHooks(), func(t *testing.T, h *Host, s *stage) {
		s.actAt("before", behaviour{diesEarly: 2 * time.Second})
		s.actAt("after", behaviour{diesEarly: 3 * time.Second})
		register(t, h, alice())
		visited := make(chan error, 1)
		go func() { visited <- visit(t, h, alice()) }() // ends with its answer
		time.Sleep(time.Second)
		if got := state(t, h, alice()); got != "starting" || s.runs(alice()) != "before" {
			t.Errorf("after 1 s it is %s and runs %q", got, s.runs(alice()))
		}
		if err := <-visited; err != nil || s.runs(alice()) != "app" {
			t.Errorf("%v, runs %q", err, s.runs(alice()))
		}
		began := time.Now()
		if err := h.Stop(t.Context(), alice()); err != nil || time.Since(began) < 3*time.Second {
			t.Errorf("stopped after %s: %v", time.Since(began), err)
		}
		if got := strings.Join(s.argvs(alice()), " "); got != "before app after" || s.alive() != 0 {
			t.Errorf("ran %q, %d are alive", got, s.alive())
		}
		if got := notedOf(t, h, alice()); !strings.Contains(got, "runs before_start") || !strings.Contains(got, "runs after_stop") {
			t.Errorf("the log says %q", got)
		}
		wantNoLeak(t, h, s)
	})
}

func TestHooks_AFailingBeforeStartFailsTheStartByName(t *testing.T) {
	for name, c := range map[string]struct {
		does behaviour
		says string
	}{
		"exits 3":            {behaviour{diesEarly: time.Second, status: sandbox.Status{Code: 3}}, "before_start failed: exit status 3"},
		"takes too long":     {behaviour{}, "before_start failed: it took longer than 1m0s (hook_timeout)"},
		"cannot be executed": {behaviour{startErr: fmt.Errorf("no file: %w", sandbox.ErrCannotExecute)}, "before_start: no file"},
	} {
		t.Run(name, func(t *testing.T) {
			config := withHooks()
			config.Services["notes"].Restart = conf.RestartNever
			play(t, config, func(t *testing.T, h *Host, s *stage) {
				s.actAt("before", c.does)
				register(t, h, alice())
				err := visit(t, h, alice())
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %q", err, c.says)
				}
				if slices.Contains(s.argvs(alice()), "app") || slices.Contains(s.argvs(alice()), "after") || s.alive() != 0 {
					t.Errorf("ran %q", s.argvs(alice()))
				}
				wantNoLeak(t, h, s)
			})
		})
	}
}

func TestHooks_AFailingAfterStopChangesNothing(t *testing.T) {
	for name, does := range map[string]behaviour{
		"exits 1":            {diesEarly: time.Millisecond, status: sandbox.Status{Code: 1}},
		"takes too long":     {},
		"cannot be executed": {startErr: sandbox.ErrCannotExecute},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, withHooks(), func(t *testing.T, h *Host, s *stage) {
				s.actAt("before", behaviour{diesEarly: time.Millisecond})
				s.actAt("after", does)
				register(t, h, alice())
				for range 2 {
					if err := visit(t, h, alice()); err != nil {
						t.Fatal(err)
					}
					if err := h.Stop(t.Context(), alice()); err != nil {
						t.Error(err)
					}
				}
				if got := state(t, h, alice()); got != "asleep" {
					t.Errorf("it is %s", got)
				}
				if got := notedOf(t, h, alice()); !strings.Contains(got, "after_stop") {
					t.Errorf("the log says %q", got)
				}
				wantNoLeak(t, h, s)
			})
		})
	}
}

func TestHooks_AStopEndsAHookAndNothingFollowsIt(t *testing.T) {
	play(t, withHooks(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		visited := make(chan error, 1)
		go func() { visited <- visit(t, h, alice()) }() // ends with its answer
		time.Sleep(time.Second)
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Error(err)
		}
		if err := <-visited; err == nil {
			t.Error("somebody was let in")
		}
		synctest.Wait()
		if got := strings.Join(s.argvs(alice()), " "); got != "before" || s.alive() != 0 {
			t.Errorf("ran %q", got)
		}
		wantNoLeak(t, h, s)
	})
}

func TestHooks_AnAppThatCannotBeStartedAfterItsHookIsAFailedStart(t *testing.T) {
	config := withHooks()
	config.Services["notes"].Restart = conf.RestartNever
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		s.actAt("before", behaviour{diesEarly: time.Second, releaseErrs: 2})
		s.actAt("app", behaviour{startErr: errNoMemory})
		register(t, h, alice())
		if err := visit(t, h, alice()); err == nil || !strings.Contains(err.Error(), errNoMemory.Error()) {
			t.Error(err)
		}
		wantNoLeak(t, h, s)
	})
}

func TestHooks_ARestartOfTheActorLosesNone(t *testing.T) {
	play(t, withHooks(), func(t *testing.T, h *Host, s *stage) {
		s.actAt("before", behaviour{diesEarly: 2 * time.Second})
		s.actAt("after", behaviour{diesEarly: time.Second})
		register(t, h, alice())
		visited := make(chan error, 1)
		go func() { visited <- visit(t, h, alice()) }() // ends with its answer
		time.Sleep(time.Second)
		bomb(h, h.cell(alice()))
		if err := <-visited; err != nil || s.runs(alice()) != "app" {
			t.Errorf("%v, runs %q", err, s.runs(alice()))
		}
		wantNoLeak(t, h, s)
	})
}

// A rollout waits for hooks, and one that fails is a release that fails.
func TestHooks_ARolloutRunsThemAndARollbackDoesNotUndoThem(t *testing.T) {
	config := withReleases("v2", "v3")
	for name, r := range config.Services["notes"].Releases {
		r.BeforeStart, r.HookTimeout = []string{"migrate " + name}, time.Minute
	}
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		s.actAt("migrate v2", behaviour{diesEarly: 20 * time.Second})
		s.actAt("migrate v3", behaviour{diesEarly: time.Second, status: sandbox.Status{Code: 1}})
		names := crew(t, h, 4, 2)
		o := rolloutTo("v2", 2)
		o.Patience = 5 * time.Second // the hook's own time comes on top
		stop := visitors(t, h, names[:2])
		begun(t, h, o)
		if info := concluded(t, h); info.State != "done" {
			t.Errorf("%+v", info)
		}
		begun(t, h, rolloutTo("v3", 2))
		if info := concluded(t, h); info.State != "rolled back" || !strings.Contains(info.Reason, "before_start failed: exit status 1") {
			t.Errorf("%+v", info)
		}
		if made, failed := stop(); failed > 0 {
			t.Errorf("%d of %d requests failed", failed, made)
		}
		wantRelease(t, h, names, "v2")
	})
}
