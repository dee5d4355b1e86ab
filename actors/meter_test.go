package actors

import (
	"math"
	"sync"
	"testing"
	"time"

	"tenement/conf"
)

func TestMeter_CountsByStatusAndDuration(t *testing.T) {
	var m Meter
	m.Observe(200, time.Millisecond, 3, 5)
	m.Observe(204, time.Millisecond+time.Microsecond, 0, 5)
	m.Observe(503, 6*time.Second, 0, 0)
	m.Observe(0, 7*time.Millisecond, 0, -1)
	for class, want := range []uint64{1, 0, 2, 0, 0, 1} {
		if got := m.Answers[class].Load(); got != want {
			t.Errorf("%dxx: %d, want %d", class, got, want)
		}
	}
	for i, want := range []uint64{1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1} {
		if got := m.Durations[i].Load(); got != want {
			t.Errorf("bucket %d: %d, want %d", i, got, want)
		}
	}
	if m.Count() != 4 || m.In.Load() != 3 || m.Out.Load() != 10 || m.Micros.Load() != 6009001 {
		t.Errorf("%d requests, %d in, %d out, %d µs", m.Count(), m.In.Load(), m.Out.Load(), m.Micros.Load())
	}
}

func TestMeter_QuantilesLieInTheirBucket(t *testing.T) {
	var m Meter
	if got := m.Quantile(0.99); got != 0 {
		t.Errorf("of nothing: %g", got)
	}
	for range 98 {
		m.Observe(200, 3*time.Millisecond, 0, 0)
	}
	m.Observe(200, 80*time.Millisecond, 0, 0)
	m.Observe(200, time.Minute, 0, 0)
	for q, want := range map[float64]float64{0.49: 3, 0.98: 5, 0.99: 100, 1: 5000} {
		if got := m.Quantile(q); math.Abs(got-want) > 0.01 {
			t.Errorf("q%g: %g, want %g", q, got, want)
		}
	}
}

func TestDoor_HasOneMeterForAll(t *testing.T) {
	d := NewDoor(conf.Instance{Service: "notes", ID: "alice"})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { d.Meter().Observe(200, 0, 0, 1) })
	}
	all.Wait()
	if n := d.Meter().Out.Load(); n != 16 {
		t.Errorf("%d of 16 were counted", n)
	}
}

func TestFault_EachHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults() {
		if f.String() == "" || seen[f.String()] {
			t.Errorf("%d is called %q", f, f)
		}
		seen[f.String()] = true
	}
}
