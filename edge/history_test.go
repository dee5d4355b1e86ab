package edge

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors"
)

func TestHistory_LooksAsLongAsSomebodyIsAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		var awake, blind atomic.Bool
		awake.Store(true)
		h := &history{look: func() (p historyPoint, _ bool) {
			if p.at = looks.Add(1); blind.Load() {
				p.at = 0
			}
			return p, awake.Load()
		}}
		wants := func(about string, want int64) {
			t.Helper()
			if got := looks.Load(); got != want {
				t.Errorf("%s: %d looks, want %d", about, got, want)
			}
		}
		time.Sleep(time.Hour)
		wants("while all sleep", 0)
		for range 3 { // many wake
			h.begin()
		}
		time.Sleep(10*historyStep + time.Second)
		wants("in ten minutes", 10)
		awake.Store(false)
		time.Sleep(time.Hour)
		wants("when all sleep again", 11)
		awake.Store(true)
		h.begin()
		time.Sleep(historyStep + time.Second)
		wants("when one has woken again", 12)
		blind.Store(true)
		time.Sleep(2 * historyStep)
		wants("that saw nothing", 14)
		if kept := len(h.points()); kept != 12 {
			t.Errorf("%d looks are kept, two of them saw nothing", kept)
		}
		awake.Store(false)
		time.Sleep(historyStep)
	})
}

func TestHistory_KeepsADay(t *testing.T) {
	h := &history{}
	for i := range historyPoints + 5 {
		h.keep(historyPoint{at: int64(i)})
	}
	points := h.points()
	if len(points) != historyPoints || points[0].at != 5 || points[len(points)-1].at != int64(historyPoints+4) ||
		!slices.IsSortedFunc(points, func(x, y historyPoint) int { return int(x.at - y.at) }) {
		t.Errorf("%d points from %d to %d", len(points), points[0].at, points[len(points)-1].at)
	}
}

func TestHistory_SharesAreOfTheTimeBetweenTwoLooks(t *testing.T) {
	minute := historyStep.Milliseconds()
	j := historyJSON([]historyPoint{
		{at: 1 * minute, busy: 10, total: 100, ofTenants: 5},
		{at: 2 * minute, memory: 7, tenants: 3, busy: 40, total: 220, ofTenants: 17},
		{at: 60 * minute, busy: 50, total: 7000, ofTenants: 20}, // all had slept
		{at: 61 * minute, memory: 8, busy: 170, total: 7120, ofTenants: 20},
		{at: 62 * minute, busy: 171, total: 7240, ofTenants: 1}, // counted anew
	})
	if !slices.Equal(j.Times, []int64{2 * minute, 61 * minute}) || !slices.Equal(j.CPU, []float64{25, 100}) || !slices.Equal(j.TenantsCPU, []float64{10, 0}) ||
		!slices.Equal(j.Memory, []int64{7, 8}) || !slices.Equal(j.TenantsMemory, []int64{3, 0}) {
		t.Errorf("%+v", j)
	}
	if j := historyJSON(nil); j.Times == nil || len(j.Times) != 0 {
		t.Errorf("of nothing: %+v", j)
	}
}

// A wake that the metrics hear of begins it, and an admin sees what was seen.
func TestHistory_BeginsWithAWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		d.measured.Woken(apiName("notes:alice"), actors.Phases{Ready: time.Millisecond})
		time.Sleep(2*historyStep + time.Second)
		points := d.history.points()
		if len(points) != 2 || points[1].tenants != 64e6 || points[1].memory <= 0 || points[1].ofTenants != 90 {
			t.Errorf("%+v", points)
		}
		decodedReply[HistoryJSON](t, d.ask("admin", "GET", "/api/history", ""))
		d.host.add("notes:alice", actors.Info{State: "asleep"})
		time.Sleep(historyStep)
		before := len(d.history.points())
		time.Sleep(time.Hour)
		if after := len(d.history.points()); before != 3 || after != before {
			t.Errorf("%d looks, and %d while all sleep", before, after-before)
		}
	})
}
