package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/sandbox"
)

// withReleases is a configuration whose notes have releases, each with an argv of
// its own: release v2 runs "v2".
func withReleases(names ...string) *conf.Config {
	c := defaults()
	c.Services["notes"].Releases = map[string]*conf.Service{}
	for _, name := range names {
		r := notes()
		r.Argv = []string{name}
		c.Services["notes"].Releases[name] = r
	}
	return c
}

// rolloutTo is a rollout with the defaults of the verb.
func rolloutTo(release string, batch int) RolloutOrder {
	return RolloutOrder{Service: "notes", To: release, Batch: batch, Patience: 30 * time.Second}
}

// begun starts a rollout that is expected to begin.
func begun(t *testing.T, h *Host, o RolloutOrder) {
	t.Helper()
	if _, err := h.Rollout(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// concluded follows a rollout to its end.
func concluded(t *testing.T, h *Host) RolloutInfo {
	t.Helper()
	var last RolloutInfo
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for info := range h.FollowRollout(ctx, "notes") {
		last = info
	}
	if last.Active() {
		t.Fatalf("the rollout does not end: %+v", last)
	}
	return last
}

// crew registers tenants and wakes the first of them.
func crew(t *testing.T, h *Host, total, awake int) []conf.Instance {
	t.Helper()
	names := make([]conf.Instance, total)
	for i := range names {
		names[i] = id(fmt.Sprintf("t%03d", i))
	}
	register(t, h, names...)
	for _, name := range names[:awake] {
		if err := visit(t, h, name); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// runs is the argv of a tenant's process, "" without one.
func (s *stage) runs(name conf.Instance) string {
	if p := s.process(name.String()); p != nil {
		return p.spec.Argv[0]
	}
	return ""
}

func wantRelease(t *testing.T, h *Host, names []conf.Instance, want string) {
	t.Helper()
	synctest.Wait()
	for _, name := range names {
		if info, err := h.Info(name); err != nil || info.Release != want || info.Awaits != "" {
			t.Errorf("%s is at release %q (then %q), want %q: %v", name, info.Release, info.Awaits, want, err)
		}
	}
}

// visitors make requests to tenants until stop, which reports how many were
// made and how many failed.
func visitors(t *testing.T, h *Host, names []conf.Instance) (stop func() (made, failed int64)) {
	var made, failed atomic.Int64
	over := make(chan struct{})
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			for {
				d := h.Door(name.Service, name.ID)
				made.Add(1)
				if d.Enter() == nil {
					if _, err := h.Wake(t.Context(), d); err != nil {
						failed.Add(1)
						t.Logf("%s: %v", name, err)
						continue
					}
				}
				time.Sleep(20 * time.Millisecond) // the answer
				d.Leave()
				select {
				case <-over:
					return
				case <-time.After(30 * time.Millisecond):
				}
			}
		})
	}
	return func() (int64, int64) {
		close(over)
		all.Wait()
		return made.Load(), failed.Load()
	}
}

func TestRollout_MovesTheAwakeInBatchesAndSleepersAtTheirNextWake(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 200 * time.Millisecond})
		names := crew(t, h, 40, 12)
		stop := visitors(t, h, names[:12])
		before := s.starts(names[30].String())
		begun(t, h, rolloutTo("v2", 5))
		if info := concluded(t, h); info.State != ledger.RolloutDone || info.Tenants != 40 || info.Moved != 40 || info.Left != 0 {
			t.Errorf("%+v", info)
		}
		if made, failed := stop(); failed > 0 || made < 20 {
			t.Errorf("%d of %d requests failed", failed, made)
		}
		wantRelease(t, h, names, "v2")
		for _, name := range names[:12] {
			if got := s.runs(name); got != "v2" {
				t.Errorf("%s runs %q", name, got)
			}
		}
		if n := s.starts(names[30].String()); n != before {
			t.Error("a sleeper was woken")
		}
		if err := visit(t, h, names[30]); err != nil || s.runs(names[30]) != "v2" {
			t.Errorf("a sleeper woke with %v at %q", err, s.runs(names[30]))
		}
		wantNoLeak(t, h, s)
	})
}

func TestRollout_ABrokenReleaseStopsAfterItsFirstBatchAndGoesBack(t *testing.T) {
	for name, broken := range map[string]behaviour{
		"dies early":         {diesEarly: 50 * time.Millisecond, status: sandbox.Status{Code: 3}},
		"exits 0 at once":    {readyAfter: time.Second, diesEarly: time.Millisecond},
		"never ready":        {neverReady: true},
		"cannot be executed": {startErr: fmt.Errorf("no such file: %w", sandbox.ErrCannotExecute)},
		"dies when ready":    {diesAfter: time.Millisecond, status: sandbox.Status{Code: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
				names := crew(t, h, 20, 12)
				s.actAt("v2", broken)
				// Those of the first batch too: they wait until they are moved back.
				stop := visitors(t, h, names[:12])
				starts := map[conf.Instance]int{}
				for _, n := range names {
					starts[n] = s.starts(n.String())
				}
				begun(t, h, rolloutTo("v2", 3))
				info := concluded(t, h)
				if info.State != ledger.RolloutUndone || info.Reason == "" || info.Moved != 0 || info.Left != 0 {
					t.Errorf("%+v", info)
				}
				made, failed := stop()
				if name != "dies when ready" && failed > 0 || made < 20 {
					t.Errorf("%d of %d requests failed", failed, made)
				}
				wantRelease(t, h, names, "")
				for _, n := range names[3:] {
					if s.starts(n.String()) != starts[n] {
						t.Errorf("%s of another batch was started anew", n)
					}
				}
				for _, n := range names[:12] {
					if got := s.runs(n); got != "app" {
						t.Errorf("%s runs %q", n, got)
					}
				}
				wantNoLeak(t, h, s)
			})
		})
	}
}

func TestRollout_AReleaseThatFailsItsChecksGoesBack(t *testing.T) {
	config := withReleases("v2")
	config.Services["notes"].Releases["v2"].Health = "/up"
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		names := crew(t, h, 4, 4)
		s.ail("t000.notes.example.com", errors.New("500"))
		begun(t, h, rolloutTo("v2", 2))
		info := concluded(t, h)
		if info.State != ledger.RolloutUndone || !strings.Contains(info.Reason, "t000: ") {
			t.Errorf("%+v", info)
		}
		wantRelease(t, h, names, "")
	})
}

func TestRollout_WithoutAnybodyAwakeOneSleeperProvesTheRelease(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		names := crew(t, h, 5, 0)
		if err := h.Hold(t.Context(), names[0]); err != nil {
			t.Fatal(err)
		}
		begun(t, h, rolloutTo("v2", 2))
		if info := concluded(t, h); info.State != ledger.RolloutDone {
			t.Errorf("%+v", info)
		}
		if s.starts(names[0].String()) != 0 || s.starts(names[1].String()) != 1 || s.alive() != 1 {
			t.Errorf("%d processes, the held one was started %d times", s.alive(), s.starts(names[0].String()))
		}
		wantRelease(t, h, names, "v2")
		begun(t, h, rolloutTo("v2", 2))
		if info := concluded(t, h); info.State != ledger.RolloutDone || s.alive() != 1 {
			t.Errorf("again: %+v, %d processes", info, s.alive())
		}
	})
}

func TestRollout_ASleeperThatFailsAtTheReleaseStopsIt(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: time.Second})
		names := crew(t, h, 12, 10)
		s.act("notes:t011", behaviour{readyAfter: time.Second, diesEarly: time.Millisecond, status: sandbox.Status{Code: 7}})
		begun(t, h, rolloutTo("v2", 1))
		time.Sleep(3 * time.Second)
		_ = visit(t, h, names[11])
		info := concluded(t, h)
		if info.State != ledger.RolloutUndone || !strings.Contains(info.Reason, "t011: ") || !strings.Contains(info.Reason, "7") {
			t.Errorf("%+v", info)
		}
		wantRelease(t, h, names[:11], "")
	})
}

func TestRollout_WhoFailedIsCountedUntilItIsBack(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: 200 * time.Millisecond})
		crew(t, h, 20, 12)
		s.actAt("v2", behaviour{diesEarly: 50 * time.Millisecond, status: sandbox.Status{Code: 3}})
		begun(t, h, rolloutTo("v2", 3))
		most, last := 0, RolloutInfo{}
		for last = range h.FollowRollout(t.Context(), "notes") {
			if last.State == ledger.RolloutBack {
				most = max(most, last.Failed)
			}
		}
		if most < 1 || most > 3 || last.State != ledger.RolloutUndone || last.Failed != 0 {
			t.Errorf("%d of a batch of 3 failed; in the end %+v", most, last)
		}
	})
}

func TestRollout_ACanaryIsWatchedBeforeTheOthersFollow(t *testing.T) {
	for _, falls := range []bool{false, true} {
		t.Run(fmt.Sprint("falls ", falls), func(t *testing.T) {
			play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
				names := crew(t, h, 40, 40)
				o := rolloutTo("v2", 40)
				o.Canary = 5
				if falls {
					s.actAt("v2", behaviour{diesAfter: 12 * time.Second, status: sandbox.Status{Code: 1}})
				}
				begun(t, h, o)
				time.Sleep(10 * time.Second)
				info, err := h.RolloutOf("notes")
				if err != nil || info.Moved != 2 || info.Proved {
					t.Errorf("after 10 s: %+v, %v", info, err)
				}
				want := map[bool]ledger.RolloutState{false: ledger.RolloutDone, true: ledger.RolloutUndone}[falls]
				if info = concluded(t, h); info.State != want {
					t.Errorf("%+v, want %s", info, want)
				}
				wantRelease(t, h, names, map[bool]string{false: "v2", true: ""}[falls])
				time.Sleep(13 * time.Second) // until no fake process is left that is yet to die
			})
		})
	}
}

// A daemon that starts goes on where the one before it was, whatever that was.
func TestRollout_ADaemonThatStartsAnewGoesOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  time.Duration // since the rollout began
		broken bool          // the release, from the second daemon on
		want   ledger.RolloutState
	}{
		{"in the first batch", 500 * time.Millisecond, false, ledger.RolloutDone},
		{"in the third batch", 5 * time.Second, false, ledger.RolloutDone},
		{"in the first batch of a broken one", 500 * time.Millisecond, true, ledger.RolloutUndone},
	} {
		t.Run(c.name, func(t *testing.T) {
			reopen(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
				s.act("", behaviour{readyAfter: time.Second})
				crew(t, h, 12, 8)
				begun(t, h, rolloutTo("v2", 2))
				time.Sleep(c.after)
				if info, err := h.RolloutOf("notes"); err != nil || info.State != ledger.RolloutForward || info.Moved == 0 {
					t.Fatalf("nothing to go on with: %+v, %v", info, err)
				}
			}, func(t *testing.T, h *Host, s *stage) {
				if c.broken {
					s.actAt("v2", behaviour{readyAfter: time.Second, diesEarly: time.Millisecond, status: sandbox.Status{Code: 1}})
				}
				info := concluded(t, h)
				if info.State != c.want || info.Left != 0 || info.Tenants != 12 {
					t.Errorf("%+v", info)
				}
				var names []conf.Instance
				for _, i := range h.List() {
					names = append(names, i.Name)
				}
				wantRelease(t, h, names, map[bool]string{false: "v2", true: ""}[c.broken])
				wantNoLeak(t, h, s)
			})
		})
	}
}

func TestRollout_AnAbortMovesEverybodyBack(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{readyAfter: time.Second})
		names := crew(t, h, 20, 10)
		stop := visitors(t, h, names[:10])
		begun(t, h, rolloutTo("v2", 2))
		time.Sleep(3 * time.Second)
		_, err := h.Rollout(t.Context(), rolloutTo("v2", 1))
		if !errors.Is(err, ErrRolloutUnderWay) || !strings.Contains(err.Error(), "of notes to v2") {
			t.Errorf("a second one: %v", err)
		}
		for range 2 {
			if _, err := h.AbortRollout("notes"); err != nil {
				t.Error(err)
			}
		}
		info := concluded(t, h)
		if info.State != ledger.RolloutUndone || info.Reason != "aborted by hand" {
			t.Errorf("%+v", info)
		}
		if made, failed := stop(); failed > 0 || made < 20 {
			t.Errorf("%d of %d requests failed", failed, made)
		}
		wantRelease(t, h, names, "")
		if _, err := h.AbortRollout("notes"); !errors.Is(err, ErrNoRollout) {
			t.Errorf("abort of what has ended: %v", err)
		}
	})
}

func TestRollout_WhatCannotBeIsRefusedAndChangesNothing(t *testing.T) {
	config := withReleases("v2", "big")
	config.Services["notes"].Releases["big"].MemoryLimitMB = 5
	config.Services["vm"] = &conf.Service{Name: "vm", Refused: "not here"}
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		s.unlimited = errors.New("no controller for memory")
		for says, o := range map[string]RolloutOrder{
			"unknown service":          {Service: "nowhere"},
			"service vm is refused":    {Service: "vm", To: "v2"},
			"notes has base, big, v2":  rolloutTo("v9", 1),
			"batch 0":                  rolloutTo("v2", 0),
			"canary 101":               {Service: "notes", To: "v2", Batch: 1, Canary: 101, Patience: 1},
			"timeout 0s":               {Service: "notes", To: "v2", Batch: 1},
			"no controller for memory": rolloutTo("big", 1),
		} {
			if _, err := h.Rollout(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want %q", err, says)
			}
		}
		if _, err := h.RolloutOf("notes"); !errors.Is(err, ErrNoRollout) || len(h.Rollouts()) != 0 {
			t.Errorf("there is one: %v", err)
		}
		if _, err := h.RolloutOf("nowhere"); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
		if _, err := h.AbortRollout("nowhere"); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
		if _, err := h.AbortRollout("notes"); !errors.Is(err, ErrNoRollout) {
			t.Error(err)
		}
	})
}

func TestRollout_NewTenantsHaveTheReleaseOfTheNewestRollout(t *testing.T) {
	play(t, withReleases("v2", "v3"), func(t *testing.T, h *Host, s *stage) {
		crew(t, h, 2, 1)
		begun(t, h, rolloutTo("v2", 1))
		concluded(t, h)
		register(t, h, id("late"))
		wantRelease(t, h, []conf.Instance{id("late")}, "v2")

		s.actAt("v3", behaviour{readyAfter: time.Second, diesEarly: time.Millisecond, status: sandbox.Status{Code: 1}})
		begun(t, h, rolloutTo("v3", 1))
		register(t, h, id("during"))
		concluded(t, h)
		register(t, h, id("after"))
		wantRelease(t, h, []conf.Instance{id("late"), id("during"), id("after")}, "v2")
		begun(t, h, rolloutTo(conf.BaseRelease, 1))
		concluded(t, h)
		wantRelease(t, h, []conf.Instance{id("late"), id("t000")}, "")
	})
}
