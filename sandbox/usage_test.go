package sandbox

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// near fails unless got is want, give or take 2 % and a grain.
func near(t *testing.T, what string, got, want, grain float64) {
	t.Helper()
	if diff := max(got-want, want-got); diff > want/50+grain {
		t.Errorf("%s: %.3f, want %.3f", what, got, want)
	}
}

func TestUsage_CPUIsWhatTheProcessSaysItBurned(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "burnsCPU"))
		eventually(t, "the first work to show", func() bool { return n.Usage().CPU > 0 })
		n.wait()
		var burned int
		if _, err := fmt.Sscanf(n.output(Stdout), "burned %d ms", &burned); err != nil {
			t.Fatal(err)
		}
		if err := n.Release(); err != nil {
			t.Fatal(err)
		}
		used := n.Usage() // what the start and the exit took comes on top
		near(t, "CPU seconds", used.CPU.Seconds(), float64(burned)/1000, 0.15)
		if used.Memory != 0 || n.Usage() != used {
			t.Errorf("after the end: %+v, then %+v", used, n.Usage())
		}
	})
}

func TestUsage_MemoryIsThatOfTheWholeTree(t *testing.T) {
	t.Parallel()
	const eaten = 64 << 20
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "childEats", "TEST_COUNT=64"))
		n.says("ate")
		if got := n.Usage().Memory; got < eaten || got > 2*eaten {
			t.Errorf("%d bytes, of which %d were eaten", got, eaten)
		}
	})
}

func TestUsage_MemoryIsTheControllersFigureWhereOneLimitsIt(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 256 << 20}
	n, _ := hog(t, limited(t, l), "eatsMemory", l, "TEST_COUNT=64")
	n.says("ate")
	want, ok := number(n.cage.file(memoryController, "memory.usage_in_bytes", "memory.current"))
	if !ok {
		t.Fatal("the controller says nothing")
	}
	near(t, "bytes", float64(n.Usage().Memory), float64(want), 0)
}

func TestUsage_WhatTheKernelSaysIsRead(t *testing.T) {
	t.Parallel()
	stat := "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 100 0 0 0 150 50 7 3 20 0 1 0 12345 1 1"
	for text, want := range map[string]time.Duration{stat: 2100 * time.Millisecond, "": 0, "4711 (short) S 1": 0} {
		if got := statTime([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	rollup := "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:    900 kB\nPss:    812 kB\nPss_Dirty: 4 kB\n"
	for text, want := range map[string]int64{rollup: 812 << 10, "": 0, "Pss: x kB\n": 0} {
		if got := proportional([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	file := t.TempDir() + "/n"
	if err := os.WriteFile(file, []byte("max\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "none", ""} {
		if n, ok := number(path); ok {
			t.Errorf("%q holds the number %d", path, n)
		}
	}
}
