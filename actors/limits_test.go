package actors

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

func TestLimits_AreThoseOfTheService(t *testing.T) {
	t.Parallel()
	config := &conf.Service{MemoryLimitMB: 2, PidsLimit: 50, CPULimit: 0.5, CPUShares: 7, IOWeight: 8, OpenFiles: 99}
	want := sandbox.Limits{MemoryBytes: 2 << 20, Pids: 50, CPUs: 0.5, CPUWeight: 7, IOWeight: 8, OpenFiles: 99}
	if got := limitsOf(config); got != want {
		t.Errorf("%+v", got)
	}
	if got := askedLimits(config); got != want {
		t.Errorf("asked: %+v", got)
	}
	config.PidsLimit = conf.DefaultPidsLimit
	want.Pids = 0
	if got := askedLimits(config); got != want {
		t.Errorf("nobody asked for the default: %+v", got)
	}
}

func TestLimits_AServiceWhoseLimitsCannotBeKeptIsRefused(t *testing.T) {
	config := defaults()
	config.Services["notes"].MemoryLimitMB = 64
	free := *notes()
	free.Name = "free"
	config.Services["free"] = &free
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.unlimited = errors.New("the limit of memory cannot be kept here: no cgroups")
		h := open(t, dir, config, s)
		register(t, h, alice())
		info, err := h.Info(alice())
		if want := "service notes is refused: the limit of memory cannot be kept here: no cgroups"; err != nil || info.State != "failed" || info.Reason != want {
			t.Errorf("%v, %s: %s", err, info.State, info.Reason)
		}
		other := conf.Instance{Service: "free", ID: "one"}
		register(t, h, other)
		if err := visit(t, h, other); err != nil {
			t.Errorf("the other service: %v", err)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLimits_OneThatIsHitIsToldWhereverItsStateIs(t *testing.T) {
	config := defaults()
	config.Services["notes"].PidsLimit = 64
	config.Services["notes"].Restart = conf.RestartNever
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		var seen []string
		h.o.Observe = func(_ conf.Instance, _, _ State, reason string) { seen = append(seen, reason) }
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		hitting := s.process(alice().String())
		hitting.events.Hit(sandbox.LimitPids)
		hitting.events.Hit(sandbox.LimitPids)
		synctest.Wait()
		why, err := h.Why(alice())
		if err != nil || why.State != "running" || why.Limit != "pids" || !strings.Contains(strings.Join(why.Holds, "\n"), "a fork was refused (pids): pids_limit is 64") {
			t.Errorf("%v, %+v", err, why)
		}
		told := 0
		for _, reason := range seen {
			if strings.HasPrefix(reason, "pids: ") {
				told++
			}
		}
		for _, o := range h.Events() {
			if o.Event == EventLimit && o.From == Running && o.To == Running && o.Limit == "pids" && strings.HasPrefix(o.Reason, "pids: ") {
				told += 10
			}
		}
		if told != 11 { // once to who observes, once among the events
			t.Errorf("told %d times: %q", told, seen)
		}
		hitting.end(sandbox.Status{Code: 1, Hit: sandbox.LimitPids})
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Limit != "pids" || !strings.Contains(info.Reason, "pids_limit is 64") || info.Hits != (LimitHits{Pids: 1}) {
			t.Errorf("after its end: %q, %q, %+v", info.Limit, info.Reason, info.Hits)
		}
	})
}

func TestLimits_AnOOMIsNamedUntilTheNextProcessAndInItsWhy(t *testing.T) {
	config := defaults()
	config.Services["notes"].MemoryLimitMB = 64
	config.Services["notes"].Restart = conf.RestartNever
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		oom := sandbox.Status{Code: -1, Signal: 9, Hit: sandbox.LimitMemory}
		s.act(alice().String(), behaviour{readyAfter: time.Minute, diesEarly: time.Second, status: oom})
		_ = visit(t, h, alice())
		synctest.Wait()
		s.act(alice().String(), behaviour{})
		const reason = "its process ended before it was ready: killed by SIGKILL, out of memory (oom): memory_limit_mb is 64"
		if info, _ := h.Info(alice()); info.Limit != "oom" || info.Reason != reason {
			t.Errorf("%q, %q", info.Limit, info.Reason)
		}
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		why, err := h.Why(alice())
		if err != nil || why.State != "running" || why.Limit != "" {
			t.Errorf("%v, %s, %q", err, why.State, why.Limit)
		}
		if text := strings.Join(why.Holds, "\n"); !strings.Contains(text, "ended by itself") || !strings.Contains(text, "out of memory (oom): memory_limit_mb is 64") {
			t.Errorf("why does not tell of the process before: %s", text)
		}
	})
}

func TestLimits_AStaleHitMeansNothing(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		old := s.process(alice().String())
		if _, err := h.Restart(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		old.events.Hit(sandbox.LimitPids)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Limit != "" {
			t.Errorf("%q of a process that is gone", info.Limit)
		}
	})
}
