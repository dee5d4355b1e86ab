package actors

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"tenement/conf"
)

// historyOf are the points that a tenant has.
func historyOf(t *testing.T, h *Host, name conf.Instance) []HistoryPoint {
	t.Helper()
	points, err := h.History(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// apart fails unless the points from one on lie at least a step, and at most a step
// and a look apart.
func apart(t *testing.T, points []HistoryPoint) {
	t.Helper()
	for i := 1; i < len(points); i++ {
		between := time.Duration(points[i].At-points[i-1].At) * time.Second
		if between < HistoryStep || between > HistoryStep+lookEvery {
			t.Errorf("points %d and %d lie %s apart", i-1, i, between)
		}
	}
}

func TestHistory_IsWhatWasUsedBetweenTwoPoints(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 0.25, holds: 200e6})
		register(t, h, alice(), id("bob"))
		if points := historyOf(t, h, alice()); len(points) != 0 {
			t.Errorf("of a sleeper: %+v", points)
		}
		for range 300 { // five minutes of two requests a second
			for range 2 {
				if err := visit(t, h, alice()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		points := historyOf(t, h, alice())
		if len(points) != 9 && len(points) != 10 {
			t.Fatalf("%d points of five minutes", len(points))
		}
		apart(t, points)
		for _, p := range points {
			about(t, "CPU", float64(p.CPU), 0.25)
			about(t, "memory", float64(p.Memory), 200e6)
			if p.Requests < 1.8 || p.Requests > 2.2 {
				t.Errorf("%.2f requests a second", p.Requests)
			}
		}
		if points := historyOf(t, h, id("bob")); len(points) != 0 {
			t.Errorf("of somebody who never woke: %+v", points)
		}
	})
}

func TestHistory_HasNoPointsOfATimeAsleep(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 1, holds: 1e9})
		register(t, h, alice())
		woken := make([]int64, 2)
		for i := range woken {
			woken[i] = time.Now().Unix()
			if err := visit(t, h, alice()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute) // a minute awake, then asleep
		}
		points := historyOf(t, h, alice())
		if len(points) < 4 || len(points) > 8 {
			t.Fatalf("%+v", points)
		}
		for _, p := range points {
			since := int64(p.At) - woken[1]
			if since < 0 {
				since = int64(p.At) - woken[0]
			}
			if since > 100 {
				t.Errorf("a point %d s after the wake, of somebody who sleeps after 60", since)
			}
			if p.CPU <= 0 || p.CPU > 1.01 || p.Memory <= 0 || p.Memory > 1.01e9 {
				t.Errorf("%+v", p)
			}
		}
	})
}

func TestHistory_OfOneThatWakesAgainAndAgainGoesOn(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 1, holds: 1e9})
		register(t, h, alice(), id("bob"))
		if err := visit(t, h, id("bob")); err != nil {
			t.Fatal(err)
		}
		h.Door("notes", "bob").Enter() // somebody is awake all the time
		for range 60 {                 // five seconds awake, five asleep
			if err := visit(t, h, alice()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			if err := h.Stop(t.Context(), alice()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		points := historyOf(t, h, alice())
		if len(points) < 12 || len(points) > 20 {
			t.Fatalf("%d points of ten minutes", len(points))
		}
		for _, p := range points[1:] {
			if p.CPU < 0.3 || p.CPU > 0.7 {
				t.Errorf("half the time a core: %+v", p)
			}
		}
		h.Door("notes", "bob").Leave()
	})
}

// An hour of one that is awake, however long it has been, in 2 KB.
func TestHistory_IsAnHourInTwoKilobytes(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		h.Door("notes", "alice").Enter()
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		points := historyOf(t, h, alice())
		apart(t, points)
		oldest := time.Since(time.Unix(int64(points[0].At), 0))
		if len(points) < 90 || len(points) > historyPoints || oldest > historySpan || oldest < historySpan-2*HistoryStep {
			t.Errorf("%d points, the oldest %s ago", len(points), oldest)
		}
		kept := h.usageBook.histories[h.cell(alice())]
		if held := cap(kept.points)*int(unsafe.Sizeof(HistoryPoint{})) + int(unsafe.Sizeof(*kept)); held > 2200 {
			t.Errorf("it holds %d bytes", held)
		}
		h.Door("notes", "alice").Leave()
	})
}

func TestHistory_CostsNothingOnceAllHaveSleptForAnHour(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		for _, name := range []conf.Instance{alice(), id("bob")} {
			if err := visit(t, h, name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		synctest.Wait()
		if n := len(h.usageBook.histories); n != 2 {
			t.Errorf("%d histories ten minutes after", n)
		}
		time.Sleep(35 * time.Minute)
		if points := historyOf(t, h, alice()); len(points) == 0 {
			t.Error("an hour is not over yet")
		}
		time.Sleep(10 * time.Minute) // alice's is over
		if points := historyOf(t, h, alice()); len(points) != 0 {
			t.Errorf("more than an hour ago: %+v", points)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if b := h.usageBook; len(b.histories) != 0 || b.fading != nil || b.timer != nil {
			t.Errorf("%d histories, timers %v and %v", len(b.histories), b.timer != nil, b.fading != nil)
		}
	})
}

func TestHistory_OfAForgottenTenantIsGone(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		for _, name := range []conf.Instance{alice(), id("bob")} {
			if err := visit(t, h, name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(40 * time.Second)
		if err := h.Forget(t.Context(), alice(), true); err != nil {
			t.Fatal(err)
		}
		if _, err := h.History(t.Context(), alice()); !errors.Is(err, ErrUnknownTenant) {
			t.Errorf("%v", err)
		}
		register(t, h, alice())
		if points := historyOf(t, h, alice()); len(points) != 0 {
			t.Errorf("the next of that name sees %+v", points)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(h.usageBook.histories); n != 1 {
			t.Errorf("%d histories, want bob's", n)
		}
	})
}

func TestHistory_PlacesAreOfThoseAwakeAndOfTheLastToSleep(t *testing.T) {
	b := newUsageBook()
	cells := make([]*Cell, maxHistories)
	for i := range cells {
		cells[i] = &Cell{Door: Door{name: id(fmt.Sprint(i))}}
		b.histories[cells[i]] = &history{at: 1}
	}
	if b.roomForHistory() {
		t.Error("there is room although all who have places are awake")
	}
	for i, at := range []uint32{300, 100, 200} {
		b.histories[cells[i]] = &history{points: []HistoryPoint{{At: at}}}
	}
	if !b.roomForHistory() || b.histories[cells[1]] != nil || len(b.histories) != maxHistories-1 {
		t.Errorf("the one that slept longest keeps its place: %d are left", len(b.histories))
	}
	if !b.roomForHistory() || len(b.histories) != maxHistories-1 {
		t.Error("a place was free")
	}
	a := &accountant{b: b}
	newcomer, late := &Cell{Door: Door{name: id("new")}}, &Cell{Door: Door{name: id("late")}}
	for _, h := range b.histories {
		h.at = 1
	}
	a.beginHistory(newcomer)
	a.beginHistory(late)
	if b.histories[newcomer] == nil || b.histories[late] != nil || b.pointsOf(late) != nil {
		t.Error("one place was free")
	}
}

func TestHistory_OfNobodyIsAnError(t *testing.T) {
	var ended *Host
	play(t, defaults(), func(t *testing.T, h *Host, _ *stage) {
		ended = h
		if _, err := h.History(t.Context(), alice()); !errors.Is(err, ErrUnknownTenant) {
			t.Errorf("%v", err)
		}
		if _, err := h.History(t.Context(), conf.Instance{Service: "ghost", ID: "alice"}); !errors.Is(err, ErrUnknownService) {
			t.Errorf("%v", err)
		}
		register(t, h, alice())
	})
	var refusal *Refusal
	if _, err := ended.History(t.Context(), alice()); !errors.As(err, &refusal) {
		t.Errorf("of a daemon that ended: %v", err)
	}
}

func BenchmarkHistory_PointsOfAThousandAwake(b *testing.B) {
	a := &accountant{b: newUsageBook()}
	for i := range 1000 {
		c := &Cell{Door: Door{name: id(fmt.Sprint(i))}}
		a.b.lives[c], a.b.histories[c] = &metered{}, &history{}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, h := range a.b.histories {
			h.at = stamp() - int64(HistoryStep)
		}
		a.keepHistories()
	}
}
