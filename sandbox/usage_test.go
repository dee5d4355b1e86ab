package sandbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A child's memory counts as the parent's: it is the tree that is asked about.
func TestUsage_CountsTheTree(t *testing.T) {
	eachKind(t, func(t *testing.T, e *Engine) {
		s := character(t, "childEats", "TEST_COUNT=48")
		n := start(t, e, s)
		n.says("ate")
		u := n.Usage()
		if u.Memory < 48<<20 || u.Memory > 1<<30 {
			t.Errorf("%d bytes, of which the child alone has %d", u.Memory, 48<<20)
		}
		if u.CPU <= 0 || u.CPU > time.Hour {
			t.Errorf("%s of CPU time", u.CPU)
		}
		total, counted := e.Usage()
		if counted != (e.root != nil) || counted && total < u.CPU {
			t.Errorf("all together: %s, %t", total, counted)
		}
	})
}

func TestUsage_WhatACageCountsIsWhatCounts(t *testing.T) {
	e := limited(t, Limits{MemoryBytes: 1})
	n, _ := hog(t, e, "eatsMemory", Limits{MemoryBytes: 96 << 20}, "TEST_COUNT=32")
	n.says("ate")
	if u := n.Usage(); u.Memory < 32<<20 || u.Memory > 96<<20 {
		t.Errorf("%d bytes, it ate %d", u.Memory, 32<<20)
	}
}

func TestUsage_OfAnEndedProcessIsNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "exitsAtOnce"))
		n.wait()
		if err := n.Release(); err != nil {
			t.Fatal(err)
		}
		if u := n.Usage(); u.Memory != 0 {
			t.Errorf("%+v", u)
		}
	})
}

func TestUsage_ReadsWhatTheKernelWrites(t *testing.T) {
	const stat = "12 (a (b) c) S 1 12 12 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 1 0 5000 1000 100 18446744073709551615"
	if got := processCPU(stat); got != 2500*time.Millisecond {
		t.Errorf("stat: %s", got)
	}
	if got := processMemory("Name:\tRssAnon: 7\nVmRSS:\t  900 kB\nRssAnon:\t     100 kB\nRssFile:\t 700 kB\nRssShmem:\t      28 kB\n"); got != 128<<10 {
		t.Errorf("status: %d", got)
	}
	for _, text := range []string{"", "12 (x) S 1", "x"} {
		if processCPU(text) != 0 || processMemory(text) != 0 {
			t.Errorf("%q is taken for something", text)
		}
	}
	dir := t.TempDir()
	if _, ok := cgroupCPU(dir); ok {
		t.Error("a CPU time without a file")
	}
	if _, ok := charge(dir, "memory.current", "inactive_file"); ok {
		t.Error("a memory without a file")
	}
	for name, text := range map[string]string{"cpu.stat": "usage_usec 1500000\nuser_usec 1\n", "memory.current": "5000\n", "memory.stat": "anon 1\ninactive_file 2000\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := cgroupCPU(dir); !ok || got != 1500*time.Millisecond {
		t.Errorf("cpu.stat: %s, %t", got, ok)
	}
	if got, ok := charge(dir, "memory.current", "inactive_file"); !ok || got != 3000 {
		t.Errorf("memory.current without idle pages: %d, %t", got, ok)
	}
}
