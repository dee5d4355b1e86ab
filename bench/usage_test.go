package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestCPUTime_CountsWorkAndNoRest(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
		continue // work
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// The machine may be shared: less than all of it is counted, more than some.
	if used := after - before; used < 5*time.Millisecond || used > 5*time.Second {
		t.Errorf("100 ms of work count as %v", used)
	}
	if mb, err := resident(os.Getpid()); err != nil || mb < 1 || mb > 10_000 {
		t.Errorf("resident: %v MB, %v", mb, err)
	}
}

func TestUsage_OfNobodyIsAnError(t *testing.T) {
	if _, err := cpuTime(1 << 30); err == nil {
		t.Error("no such process has a CPU time")
	}
	if _, err := resident(1 << 30); err == nil {
		t.Error("no such process has memory")
	}
	if _, err := watchProcess(1<<30, time.Second); err == nil {
		t.Error("no such process is idle")
	}
}

func TestMemory_IsReadFromSmaps(t *testing.T) {
	t.Parallel()
	f, err := parseSmaps("55d0-7ffd [rollup]\nRss:  4096 kB\nPss:  2048 kB\nShared_Clean: 9 kB\nPrivate_Clean: 512 kB\nPrivate_Dirty:  512 kB\nPss_Anon: 7 kB\nAnonymous: 1024 kB\n")
	if err != nil || f != (footprint{rss: 4, pss: 2, private: 1, anonymous: 1}) {
		t.Errorf("%+v, %v", f, err)
	}
	for _, text := range []string{"", "Rss: 1 kB\n", "Rss: one kB\nPss: 1 kB\n"} {
		if _, err := parseSmaps(text); err == nil {
			t.Errorf("%q is no memory", text)
		}
	}
}

func TestWatchProcess_SeesRestAndMemory(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	u, err := watchProcess(cmd.Process.Pid, 200*time.Millisecond)
	if err != nil || u.cpu > 50 || u.rss <= 0 || u.pss > u.rss || u.threads != 1 || u.descriptors < 3 {
		t.Errorf("%+v, %v", u, err)
	}
	if !slices.Contains(descendants(os.Getpid()), cmd.Process.Pid) {
		t.Error("a child is no descendant")
	}
}
