package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func lines(all []setting) string {
	var out []string
	for _, s := range all {
		line := fmt.Sprintf("%s %s=%s", s.controller, s.file, s.value)
		if s.either {
			line += " either"
		}
		if s.spare {
			line += " spare"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestLimits_AreTheseSettings(t *testing.T) {
	t.Parallel()
	all := Limits{MemoryBytes: 64 << 20, Pids: 256, CPUs: 0.5, CPUWeight: 200, IOWeight: 5000}
	unified := `memory memory.high=66060288
memory memory.max=67108864
memory memory.swap.max=67108864 spare
memory memory.oom.group=1 spare
pids pids.max=256
cpu cpu.max=50000 100000
cpu cpu.weight=200
io io.weight=default 5000 either
io io.bfq.weight=1000`
	if got := lines(all.unified()); got != unified {
		t.Errorf("version 2:\n%s\nwant\n%s", got, unified)
	}
	legacy := `memory memory.soft_limit_in_bytes=66060288
memory memory.limit_in_bytes=67108864
memory memory.memsw.limit_in_bytes=134217728 spare
pids pids.max=256
cpu cpu.cfs_period_us=100000
cpu cpu.cfs_quota_us=50000
cpu cpu.shares=2048
io blkio.bfq.weight=1000 either
io blkio.weight=1000`
	if got := lines(all.legacy()); got != legacy {
		t.Errorf("version 1:\n%s\nwant\n%s", got, legacy)
	}
	if none := (Limits{OpenFiles: 100}); len(none.unified())+len(none.legacy())+len(none.needs()) > 0 {
		t.Errorf("no limits of a cgroup: %v %v", none.unified(), none.legacy())
	}
}

func TestLimits_TheExtremesAreWhatTheKernelTakes(t *testing.T) {
	t.Parallel()
	least := Limits{CPUs: 0.001, CPUWeight: 1, IOWeight: 1}
	for _, want := range []string{"cpu.cfs_quota_us=1000", "cpu.shares=10", "blkio.bfq.weight=1 ", "blkio.weight=10"} {
		if got := lines(least.legacy()); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	most := Limits{CPUs: 512, CPUWeight: 10000}
	for _, want := range []string{"cpu.cfs_quota_us=51200000", "cpu.shares=102400"} {
		if got := lines(most.legacy()); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// limited is an engine that can keep these limits.
func limited(t *testing.T, l Limits) *Engine {
	t.Helper()
	e := newEngine(t, Options{})
	if err := e.Enforces(l); err != nil {
		t.Skipf("run as root on a host whose cgroups can be written: %v", err)
	}
	return e
}

// hog starts a character with limits and counts what it is told to run into.
func hog(t *testing.T, e *Engine, name string, l Limits, env ...string) (*tenant, *atomic.Value) {
	t.Helper()
	s := character(t, name, env...)
	s.Limits = l
	return hogOf(t, e, s)
}

func hogOf(t *testing.T, e *Engine, s Spec) (*tenant, *atomic.Value) {
	t.Helper()
	n := &tenant{t: t, exited: make(chan Status, 2)}
	ev, hit := n.events(), &atomic.Value{}
	ev.Hit = func(l Limit) {
		if !hit.CompareAndSwap(nil, l) {
			t.Error("told twice of a limit")
		}
	}
	p, err := e.Start(s, ev)
	if err != nil {
		t.Fatal(err)
	}
	n.Process = p
	t.Cleanup(n.finish)
	return n, hit
}

func TestLimits_AForkBombHitsItsOwnLimitAndIsNamed(t *testing.T) {
	t.Parallel()
	e := limited(t, Limits{Pids: 40})
	n, hit := hog(t, e, "forkBomb", Limits{Pids: 40})
	if out := n.says("refused after"); !strings.Contains(out, "resource temporarily unavailable") {
		t.Error(out)
	}
	eventually(t, "news of the limit", func() bool { return hit.Load() == LimitPids })
	if members, err := n.tree.members(); err != nil || len(members) > 40 {
		t.Errorf("%d processes, %v", len(members), err)
	}
	if err := n.Kill(); err != nil {
		t.Error(err)
	}
	if s := n.wait(); s.Signal != 9 || s.Hit != LimitPids {
		t.Errorf("%v", s)
	}
}

func TestLimits_WhoEndsForWantOfProcessesSaysSo(t *testing.T) {
	t.Parallel()
	e := limited(t, Limits{Pids: 20})
	n, _ := hog(t, e, "forkBomb", Limits{Pids: 20}, "TEST_THEN=exit")
	if s := n.wait(); s.Code != 11 || s.String() != "exit status 11, after a fork was refused at its limit of processes (pids)" {
		t.Errorf("%v", s)
	}
}

func TestLimits_AMemoryHogIsKilledAndNamed(t *testing.T) {
	t.Parallel()
	e := limited(t, Limits{MemoryBytes: 1})
	n, _ := hog(t, e, "eatsMemory", Limits{MemoryBytes: 48 << 20})
	if s := n.wait(); s.Signal != 9 || s.String() != "killed by SIGKILL, out of memory (oom)" {
		t.Errorf("%v", s)
	}
	if strings.Contains(n.output(Stdout), "ate") {
		t.Error("it ate it all")
	}
}

func TestLimits_WhoStaysWithinThemIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 96 << 20, Pids: 64, CPUs: 4, CPUWeight: 50}
	e := limited(t, l)
	n, hit := hog(t, e, "eatsMemory", l, "TEST_COUNT=16")
	n.says("ate")
	if err := n.Kill(); err != nil {
		t.Error(err)
	}
	if s := n.wait(); s.Hit != "" || hit.Load() != nil {
		t.Errorf("%v, %v", s, hit.Load())
	}
}

// Half a tenant is worse than none: version 2 has memory.oom.group for it.
func TestLimits_AnOOMEndsTheWholeTree(t *testing.T) {
	t.Parallel()
	e := limited(t, Limits{MemoryBytes: 1})
	n, _ := hog(t, e, "childEats", Limits{MemoryBytes: 64 << 20})
	if s := n.wait(); s.Signal != 9 || s.Hit != LimitMemory {
		t.Errorf("the main process: %v", s)
	}
	eventually(t, "an empty tree", func() bool { gone, err := empty(n.tree); return gone && err == nil })
}

// A process runs from its fork on, and may run out of memory before anybody is told.
func TestLimits_AnOOMBeforeTheWatchIsSeen(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 64 << 20}
	n, _ := hog(t, limited(t, l), "hangs", l)
	dir := n.cage.legacy[memoryController]
	if dir == "" {
		return // version 2 has memory.oom.group
	}
	told := make(chan struct{})
	n.engine.loop.post(func() { n.oom.close(n.engine.loop); close(told) })
	<-told // from here on nobody listens
	late := character(t, "eatsMemory")
	eater := exec.Command("/bin/sh", append([]string{"-c", `echo $$ >"$0"; exec "$@"`, filepath.Join(dir, "cgroup.procs")}, late.Argv...)...)
	eater.Env = late.Env
	if err := eater.Run(); err == nil || n.cage.oomKills() == 0 {
		t.Fatalf("it ended with %v, %d OOM kills", err, n.cage.oomKills())
	}
	watched := make(chan error, 1)
	n.engine.loop.post(func() { watched <- n.watchOOM(dir) })
	if err := <-watched; err != nil {
		t.Fatal(err)
	}
	if s := n.wait(); s.Signal != 9 || s.Hit != LimitMemory {
		t.Errorf("the other half: %v", s)
	}
}

func TestLimits_CPUIsBounded(t *testing.T) {
	t.Parallel()
	l := Limits{CPUs: 0.25}
	e := limited(t, l)
	n, _ := hog(t, e, "burnsCPU", l)
	n.wait()
	ms, err := strconv.Atoi(strings.Fields(strings.TrimPrefix(n.says("burned"), "burned "))[0])
	if err != nil || ms > 650 { // 500, and a period more
		t.Errorf("%d ms of CPU in 2 s with a quarter of a core, %v", ms, err)
	}
}

func TestLimits_TheDaemonItselfIsNotLimited(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 64 << 20, Pids: 64, CPUs: 1}
	e := limited(t, l)
	n, _ := hog(t, e, "hangs", l)
	for _, dir := range n.cage.dirs() {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0x"), 0); err == nil {
			t.Fatal("nonsense was taken")
		}
		eventually(t, "the forking thread to have left "+dir, func() bool {
			tasks, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			return err == nil && !strings.Contains("\n"+string(tasks), fmt.Sprintf("\n%d\n", os.Getpid()))
		})
		procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if !strings.Contains("\n"+string(procs), fmt.Sprintf("\n%d\n", n.Pid())) {
			t.Errorf("the process is not in %s: %q", dir, procs)
		}
	}
}

func TestLimits_NothingIsLeftOfThem(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 64 << 20, Pids: 64, CPUs: 1}
	e := limited(t, l)
	n, _ := hog(t, e, "hangs", l)
	dirs := n.cage.dirs()
	record := n.Record()
	if len(record.Limits) != len(dirs) || record.check() != nil {
		t.Errorf("record %v, %v", record.Limits, record.check())
	}
	start := time.Now()
	if err := n.Kill(); err != nil {
		t.Error(err)
	}
	n.wait()
	if err := n.Release(); err != nil {
		t.Error(err)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
	t.Logf("gone after %v", time.Since(start))
}

func TestLimits_AFormerDaemonsAreRemovedByItsRecord(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 64 << 20, Pids: 64}
	e := limited(t, l)
	n, _ := hog(t, e, "hangs", l)
	record, dirs := n.Record(), n.cage.dirs()
	if err := newEngine(t, Options{}).End(record); err != nil {
		t.Error(err)
	}
	n.wait()
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}
