package sandbox

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNamespace_EndsWholeAndTellsHow(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		for script, want := range map[string]Status{
			"exit 7":             {Code: 7},
			"kill -9 $$":         {Code: -1, Signal: 9},
			"kill -TERM $$":      {Code: -1, Signal: 15},
			"kill -9 1; exit 3":  {Code: 3},
			"(sleep 1000 &) ; :": {},
		} {
			if got := start(t, e, scripted(t, script)).wait(); got != want {
				t.Errorf("%s: %v", script, got)
			}
		}
		n := start(t, e, scripted(t, `trap "" TERM; setsid sh -c 'trap "" TERM; echo away; sleep 1000' & echo here; wait`))
		n.says("away")
		init := n.init.pid
		if err := n.Terminate(); err != nil {
			t.Error(err)
		}
		n.Settle(time.Millisecond)
		if members, err := n.tree.members(); err != nil || len(members) < 2 {
			t.Errorf("ended already, or unknown: %v, %v", members, err)
		}
		n.finish()
		if alive(init) || alive(n.Pid()) {
			t.Error("somebody is left")
		}
		polite := start(t, e, scripted(t, `trap "echo goodbye; exit 4" TERM; echo ready; while :; do sleep 0.01; done`))
		polite.says("ready")
		if err := polite.Terminate(); err != nil {
			t.Error(err)
		}
		if got := polite.wait(); got.Code != 4 || !strings.Contains(polite.output(Stdout), "goodbye") {
			t.Errorf("%v, %q", got, polite.output(Stdout))
		}
	})
}

func TestNamespace_OrphansAreReapedByPID1(t *testing.T) {
	t.Parallel()
	want(t, newEngine(t, Options{}), `for i in 1 2 3 4 5 6 7 8 9; do (sh -c "exit 0" &); done; while ls /proc/*/stat | grep -qv -e /proc/1/ -e /proc/2/ -e self && grep -qs ") Z" /proc/[0-9]*/stat; do :; done 2>/dev/null; echo none`, "none\n")
}

func TestNamespace_IsAdoptedByTheNextEngine(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, first *Engine) {
		for _, play := range []string{"listensTCP4", "listensUnix"} {
			s := inNamespace(t, character(t, play))
			if play == "listensUnix" {
				s = withSocket(s)
			} else {
				s.Listen, s.Port, s.Env = ListenTCP, 8080, append(s.Env, "PORT=8080")
			}
			n := start(t, first, s)
			if _, err := n.Ready(patient(t)); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := WriteRecord(dir, n.Record()); err != nil {
				t.Fatal(err)
			}
			records, errs := ReadRecords(dir)
			if len(records) != 1 || len(errs) > 0 {
				t.Fatal(records, errs)
			}
			second := newEngine(t, Options{NoCgroup: first.root == nil})
			exited := make(chan Status, 1)
			p, err := second.Adopt(records[0], Events{Exited: func(s Status) { exited <- s }})
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, p.Record().Endpoint); got != "2" {
				t.Errorf("answered by %q", got)
			}
			if at, err := p.Ready(patient(t)); err != nil || ask(t, at) != "2" {
				t.Errorf("%v, %v", at, err)
			}
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
			<-exited
			if err := p.Release(); err != nil {
				t.Error(err)
			}
			n.wait()
			eventually(t, "PID 1 to end", func() bool { return !alive(n.init.pid) })
		}
	})
}

func TestNamespace_EndFindsAllOfAFormerDaemons(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, scripted(t, `trap "" TERM; setsid sleep 1000 & echo here; sleep 1000`))
		n.says("here")
		r := n.Record()
		if r.Init == 0 || r.InitStart == 0 || r.UID != n.spec.UID || r.Level != LevelNamespace {
			t.Errorf("%+v", r)
		}
		began := time.Now()
		if err := e.End(r); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) < endGrace {
			t.Error("the grace was cut short")
		}
		n.wait()
		eventually(t, "PID 1 to end", func() bool { return !alive(r.Init) })
	})
}

func TestNamespace_SweepFindsWhatNoRecordTellsOf(t *testing.T) {
	t.Parallel()
	name := cgroupName()
	first := newEngine(t, Options{CgroupName: name})
	if first.root == nil {
		t.Skip("no writable cgroup2 tree here: run as root or under a delegated cgroup")
	}
	n := start(t, first, inNamespace(t, character(t, "ignoresTERM")))
	n.says("deaf")
	second := newEngine(t, Options{CgroupName: name})
	if ended, err := second.Sweep(); err != nil || ended != 1 {
		t.Errorf("%d, %v", ended, err)
	}
	n.wait()
}

func TestNamespace_LeavesNothing(t *testing.T) {
	e := newEngine(t, Options{})
	s := scripted(t, "")
	s.Argv = []string{"/bin/true"}
	run := func(times int) {
		for range times {
			s.Generation++
			n := &tenant{t: t, exited: make(chan Status, 2)}
			p, err := e.Start(s, n.events())
			if err != nil {
				t.Error(err)
				return
			}
			n.Process = p
			n.wait()
			n.finish()
		}
	}
	run(3)
	before := settled(t, e)
	run(leakStarts)
	for end := time.Now().Add(6 * patience); ; {
		now := settled(t, e)
		left := slices.DeleteFunc(slices.Sorted(maps.Keys(now)), func(what string) bool { return now[what] <= before[what] })
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v are left: %v, there were %v", left, now, before)
		}
	}
}

// leakStarts is how many tenants the leak test runs one after another.
const leakStarts = 1000

// settled is what was counted when the pool of networks is full again, and
// nothing has come or gone for a fifth of a second.
func settled(t *testing.T, e *Engine) map[string]int {
	t.Helper()
	pool := e.networks.fill("")
	var now map[string]int
	for end, same := time.Now().Add(6*patience), 0; same < 20 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		last := now
		if now = counted(t, e); maps.Equal(now, last) && len(pool.ready) == cap(pool.ready) {
			same++
		} else {
			same = 0
		}
	}
	return now
}

// counted is what a leak would show in: our open files, threads' namespaces,
// children and cgroups, and the mounts, which others take away meanwhile too.
func counted(t *testing.T, e *Engine) map[string]int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	spaces := map[string]bool{}
	for _, kind := range []string{"mnt", "net", "ipc", "uts", "pid"} {
		links, _ := filepath.Glob("/proc/self/task/*/ns/" + kind)
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil {
				spaces[target] = true
			}
		}
	}
	found := map[string]int{
		"files": len(fds), "mounts": strings.Count(string(mounts), "\n"),
		"namespaces": len(spaces), "children": len(children()),
	}
	if e.root != nil {
		all, err := e.root.leaves()
		if err != nil {
			t.Fatal(err)
		}
		found["cgroups"] = len(all)
	}
	return found
}

func TestNamespace_ManyAtOnce(t *testing.T) {
	e := newEngine(t, Options{})
	const many = 200
	results := make(chan error, many)
	var all [many]*Process
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	for i := range many {
		s := inNamespace(t, character(t, "listensTCP4"))
		s.Listen, s.Port, s.Env = ListenTCP, 8080, append(s.Env, "PORT=8080")
		go func() {
			p, err := e.Start(s, Events{})
			if err == nil {
				all[i] = p
				_, err = p.Ready(ctx)
			}
			results <- err
		}()
	}
	for range many {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	for _, p := range all {
		if p == nil {
			continue
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		<-p.done
		if err := p.Release(); err != nil {
			t.Error(err)
		}
	}
}
