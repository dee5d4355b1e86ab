package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestNoise_AWarningNamesWhatWasNoisy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n    noise
		want []string
	}{
		{noise{LoadBefore: "0.90 1 1", Neighbours: 0.1, Stolen: 0.01}, nil},
		{noise{LoadBefore: "1.10 1 1"}, []string{"load average was 1.10"}},
		{noise{LoadBefore: "0 0 0", Neighbours: 0.3}, []string{"0.30 cores meanwhile"}},
		{noise{LoadBefore: "0 0 0", Stolen: 0.03}, []string{"hypervisor took 0.03"}},
		{noise{LoadBefore: "", Neighbours: 2, Stolen: 1}, []string{"could not be read", "2.00 cores", "1.00 cores"}},
	} {
		got := c.n.warnings(2)
		if len(got) != len(c.want) {
			t.Errorf("%+v: %q", c.n, got)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%q does not say %q", got[i], want)
			}
		}
	}
}

func TestNoise_NeighboursAreWhatTheRunDidNotUse(t *testing.T) {
	t.Parallel()
	began := time.Now()
	from := watch{began: began, load: "1", busy: time.Hour, stolen: time.Minute, own: time.Second}
	to := watch{began: began.Add(10 * time.Second), load: "2", busy: time.Hour + 12*time.Second, stolen: time.Minute + time.Second, own: 8 * time.Second}
	if got := between(from, to); got != (noise{LoadBefore: "1", LoadAfter: "2", Neighbours: 0.5, Stolen: 0.1}) {
		t.Errorf("%+v: 12 s of work in 10, 7 of them ours", got)
	}
	to.own = 20 * time.Second // ticks are coarse: ours may seem more than all
	if got := between(from, to); got.Neighbours != 0 {
		t.Errorf("%+v", got)
	}
	if got := between(from, from); got.Neighbours != 0 || got.Stolen != 0 {
		t.Errorf("in no time: %+v", got)
	}
}

func TestParseStat_LeavesRestOut(t *testing.T) {
	t.Parallel()
	busy, stolen := parseStat("cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if busy != 1630*time.Millisecond || stolen != 80*time.Millisecond {
		t.Errorf("%v and %v, want 163 and 8 ticks", busy, stolen)
	}
	if busy, stolen := parseStat("nonsense"); busy != 0 || stolen != 0 {
		t.Errorf("%v, %v", busy, stolen)
	}
}

// What a child used counts as ours once it was waited for.
func TestOwnTime_HoldsChildren(t *testing.T) {
	before := ownTime()
	if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done").Run(); err != nil {
		t.Fatal(err)
	}
	if used := ownTime() - before; used < 10*time.Millisecond {
		t.Errorf("a hundred thousand turns of a shell took %v", used)
	}
	if busy, _ := machineTime(); busy == 0 {
		t.Error("/proc/stat says nothing")
	}
}
