package edge

import (
	"math"
	"testing"
	"time"

	"tenement/actors"
)

func TestWakes_ADayIsKeptAndNoMore(t *testing.T) {
	day, noon := &wakeDay{}, time.Date(2026, 11, 25, 12, 3, 0, 0, time.UTC)
	day.add(noon.Add(-24*time.Hour), time.Millisecond) // just out of sight
	day.add(noon.Add(-23*time.Hour-50*time.Minute), time.Millisecond)
	day.add(noon.Add(-10*time.Minute), 20*time.Millisecond)
	for range 3 {
		day.add(noon, 300*time.Millisecond)
	}
	counts := func(now time.Time) (all []uint64) {
		var sum [wakeSlots]wakeCounts
		day.addTo(&sum, now)
		for i := range sum {
			all = append(all, sum[i].total())
		}
		return all
	}
	got := counts(noon)
	if got[wakeSlots-1] != 3 || got[wakeSlots-2] != 1 || got[0] != 1 || sumOf(got) != 5 {
		t.Errorf("at noon: %v", got)
	}
	if got := counts(noon.Add(12 * time.Hour)); sumOf(got) != 4 || got[wakeSlots-1-72] != 3 {
		t.Errorf("at midnight: %v", got)
	}
	if got := counts(noon.Add(25 * time.Hour)); sumOf(got) != 0 {
		t.Errorf("a day later: %v", got)
	}
	day.add(noon.Add(24*time.Hour), time.Second) // the same place in the ring
	if got := counts(noon.Add(24 * time.Hour)); sumOf(got) != 1 || got[wakeSlots-1] != 1 {
		t.Errorf("the slot was not begun anew: %v", got)
	}
}

func sumOf(list []uint64) (n uint64) {
	for _, v := range list {
		n += v
	}
	return n
}

func TestWakes_QuantilesAreExactToABucket(t *testing.T) {
	var c wakeCounts
	if c.quantile(0.5) != 0 {
		t.Error("a median of nothing")
	}
	for range 98 {
		c[wakeBucket(7*time.Millisecond)]++ // 5 to 10 ms
	}
	c[wakeBucket(2*time.Second)]++  // 1 to 2.5 s
	c[wakeBucket(20*time.Second)]++ // 10 to 30 s
	for q, want := range map[float64][2]float64{0.5: {5, 10}, 0.98: {9.9, 10}, 0.99: {1000, 2500}, 1: {29999, 30000}} {
		if got := c.quantile(q); got < want[0] || got > want[1] {
			t.Errorf("%g: %g ms, want %v", q, got, want)
		}
	}
	c = wakeCounts{}
	c[wakeBucket(time.Hour)]++
	if got := c.quantile(0.5); got != 30000 {
		t.Errorf("beyond the last bound: %g", got)
	}
}

func TestWakes_AreCountedAsMetricsHearOfThem(t *testing.T) {
	d := newAsker(t)
	d.measured.Woken(apiName("notes:alice"), actors.Phases{Queue: time.Millisecond, Spawn: time.Millisecond, Ready: 5 * time.Millisecond})
	d.measured.Woken(apiName("shop:alice"), actors.Phases{Ready: 400 * time.Millisecond})
	d.host.service("of-notes", "notes")
	for token, want := range map[string]struct {
		wakes uint64
		p99   float64
	}{"admin": {2, 500}, "of-notes": {1, 10}} {
		w := decodedReply[OverviewJSON](t, d.ask(token, "GET", "/api/overview", "")).Wakes
		if w == nil || w.Hour != want.wakes || sumOf(w.Counts) != want.wakes || math.Abs(w.HourP99-want.p99) > want.p99/2 {
			t.Errorf("%s sees %+v", token, w)
			continue
		}
		end := time.UnixMilli(w.Start).Add(time.Duration(len(w.Counts)) * time.Duration(w.StepSecs) * time.Second)
		if left := time.Until(end); len(w.P50Ms) != len(w.Counts) || len(w.P99Ms) != len(w.Counts) || left < -time.Minute || left > wakeSlot {
			t.Errorf("%d slots that end in %s", len(w.Counts), left)
		}
	}
}
