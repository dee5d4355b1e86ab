package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRelimit_ALimitThatIsGoneIsTheKernelsDefault(t *testing.T) {
	t.Parallel()
	old := Limits{MemoryBytes: 64 << 20, Pids: 256, CPUs: 0.5, CPUWeight: 200, IOWeight: 5000}
	for _, c := range []struct {
		controller      controller
		next            Limits
		legacy, unified string
	}{
		{memoryController, Limits{},
			"memory memory.memsw.limit_in_bytes=-1 spare\nmemory memory.limit_in_bytes=-1\nmemory memory.soft_limit_in_bytes=-1",
			"memory memory.high=max\nmemory memory.max=max\nmemory memory.swap.max=max spare"},
		{memoryController, Limits{MemoryBytes: 128 << 20},
			"memory memory.memsw.limit_in_bytes=-1 spare\n" + lines(Limits{MemoryBytes: 128 << 20}.legacy()), lines(Limits{MemoryBytes: 128 << 20}.unified())},
		{pidsController, Limits{}, "pids pids.max=max", "pids pids.max=max"},
		{pidsController, Limits{Pids: 9, CPUs: 3}, "pids pids.max=9", "pids pids.max=9"},
		{cpuController, Limits{}, "cpu cpu.cfs_quota_us=-1\ncpu cpu.shares=1024", "cpu cpu.max=max 100000\ncpu cpu.weight=100"},
		{ioController, Limits{}, "io blkio.bfq.weight=100 either\nio blkio.weight=100", "io io.weight=default 100 either\nio io.bfq.weight=100"},
	} {
		if got := lines(c.next.renewed(old, c.controller, true)); got != c.legacy {
			t.Errorf("%s, version 1:\n%s\nwant\n%s", c.controller, got, c.legacy)
		}
		if got := lines(c.next.renewed(old, c.controller, false)); got != c.unified {
			t.Errorf("%s, version 2:\n%s\nwant\n%s", c.controller, got, c.unified)
		}
	}
}

// limitOf reads what the kernel holds a process to.
func limitOf(t *testing.T, p *Process, c controller, legacy, unified string) string {
	t.Helper()
	path := p.cage.file(c, legacy, unified)
	if path == "" { // it had no limit when it started
		path = filepath.Join(p.tree.(*leaf).dir, unified)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestRelimit_ARunningProcessHasItsNewLimitsAtOnce(t *testing.T) {
	t.Parallel()
	e := limited(t, Limits{MemoryBytes: 64 << 20, Pids: 64})
	s := character(t, "listensUnix")
	s.Limits = Limits{MemoryBytes: 64 << 20, Pids: 64}
	n := start(t, e, withSocket(s))
	for _, memory := range []struct {
		mb   int64
		want string
	}{{512, "536870912"}, {32, "33554432"}, {96, "100663296"}} {
		if err := n.Limit(Limits{MemoryBytes: memory.mb << 20, Pids: 32}); err != nil {
			t.Fatal(err)
		}
		if got := limitOf(t, n.Process, memoryController, "memory.limit_in_bytes", "memory.max"); got != memory.want {
			t.Errorf("memory: %s, want %s", got, memory.want)
		}
	}
	if got := limitOf(t, n.Process, pidsController, "pids.max", "pids.max"); got != "32" {
		t.Errorf("pids: %s", got)
	}
	if err := n.Limit(Limits{}); err != nil {
		t.Fatal(err)
	}
	if got := limitOf(t, n.Process, pidsController, "pids.max", "pids.max"); got != "max" {
		t.Errorf("pids: %s", got)
	}
}

func TestRelimit_WhatCannotBeChangedNowIsNamed(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{NoCgroup: true})
	n := start(t, e, withSocket(character(t, "listensUnix")))
	err := n.Limit(Limits{Pids: 32, OpenFiles: 64})
	const want = "a limit of open files is given to a process when it starts\n" +
		"the process was started without a limit of pids, and is in no cgroup that could have one"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if err := n.Limit(Limits{}); err != nil {
		t.Errorf("nothing changes: %v", err)
	}
}
