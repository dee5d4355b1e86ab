package main

import (
	"os"
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
	if _, _, err := idleUsage(1<<30, time.Second); err == nil {
		t.Error("no such process is idle")
	}
}
