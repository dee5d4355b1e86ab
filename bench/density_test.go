package main

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFitted_FindsTheLineThatThereIs(t *testing.T) {
	t.Parallel()
	counts := []float64{100, 1000, 10000}
	mb := make([]float64, len(counts))
	for i, n := range counts {
		mb[i] = 8 + n*1500/(1<<20) // 8 MB, and 1500 bytes each
	}
	got := fitted(counts, mb)
	if math.Abs(got.slope-1500) > 0.01 || math.Abs(got.fixed-8<<20) > 1 || got.r2 < 0.9999 {
		t.Errorf("%+v", got)
	}
	mb[1] += 20
	if bent := fitted(counts, mb); bent.r2 > 0.9 {
		t.Errorf("a bend goes unnoticed: %+v", bent)
	}
}

func TestHosts_AreThoseThatRegisterMakes(t *testing.T) {
	t.Parallel()
	if got := hosts("app", 2); len(got) != 2 || got[1] != "t00001.app.localhost" {
		t.Errorf("%v", got)
	}
}

func TestDiskMB_CountsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "below/b"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := diskMB(dir); got != 2 {
		t.Errorf("%v MB, want 2", got)
	}
	if got := diskMB(filepath.Join(dir, "none")); got != 0 {
		t.Errorf("nowhere: %v MB", got)
	}
}

func TestAsleep_IsHeldToTheBarsOfItsSize(t *testing.T) {
	t.Parallel()
	u := usage{footprint: footprint{rss: 19, pss: 18, private: 12, anonymous: 10.5}, window: 5 * time.Second, descriptors: 21, threads: 30, wakeups: 0.9, cpu: 0.01}
	r := &report{}
	for _, n := range []int{100, 1000, 10000} {
		r.addAsleep(n, []float64{900, 1100, 1000}, 0, u, 0.5)
	}
	if len(r.Results) != 30 {
		t.Fatalf("%d results", len(r.Results))
	}
	verdicts := map[string]string{}
	for _, one := range r.Results {
		if v := one.Verdict(); v != "" {
			verdicts[one.Name] = v
		}
	}
	want := map[string]string{
		"RSS, 1000 asleep": "met", "anonymous memory, 1000 asleep": "MISSED", "CPU, 1000 asleep": "met", "wakeups of threads a second, 1000 asleep": "met",
		"RSS, 10000 asleep": "met", "start to /health, 10000 asleep": "met",
	}
	if !maps.Equal(verdicts, want) {
		t.Errorf("%v, want %v", verdicts, want)
	}
	r = &report{}
	r.addAsleep(10000, []float64{1}, 1, usage{}, 0)
	if one := r.Results[0]; one.Verdict() != "MISSED" {
		t.Errorf("a daemon that did not end well: %+v", one)
	}
}
