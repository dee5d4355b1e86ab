package actors

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestDoor_NobodyIsInsideWhenItIsEmptied runs visitors against an actor that
// opens, shuts and drains: between emptied and the next opening nobody may be
// inside, and emptied must come.
func TestDoor_NobodyIsInsideWhenItIsEmptied(t *testing.T) {
	emptied := make(chan struct{}, 1)
	d := NewDoor(alice())
	d.emptied = func() {
		select {
		case emptied <- struct{}{}:
		default:
		}
	}
	var inside atomic.Int64
	var over atomic.Bool
	var visitors sync.WaitGroup
	for range 8 {
		visitors.Go(func() {
			for !over.Load() {
				if d.Enter() == nil {
					time.Sleep(10 * time.Microsecond) // as one who waits to be let in
					continue
				}
				inside.Add(1)
				runtime.Gosched()
				inside.Add(-1)
				d.Leave()
			}
		})
	}
	for gen := range uint64(500) {
		d.Open(&Way{Generation: gen})
		runtime.Gosched()
		d.Shut()
		for !d.drain() {
			<-emptied // one that never comes is go test's time limit
		}
		if n := inside.Load(); n != 0 {
			t.Fatalf("%d inside an emptied door", n)
		}
		d.rest()
	}
	over.Store(true)
	visitors.Wait()
	if d.Inflight() != 0 {
		t.Errorf("%d inside after everybody left", d.Inflight())
	}
}

func TestDoor_AShutOneThatDrainedTalksToNobody(t *testing.T) {
	told := 0
	d := NewDoor(alice())
	d.emptied = func() { told++ }
	d.drain()
	d.rest()
	for range 10 {
		if d.Enter() != nil {
			t.Fatal("let in by a shut door")
		}
	}
	if told != 0 {
		t.Errorf("its actor was told %d times that nobody is inside", told)
	}
}

func TestHost_VisitorsAndAStopNeverMeet(t *testing.T) {
	c := defaults()
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		var inside atomic.Int64
		s.terminated = func(string) {
			if n := inside.Load(); n != 0 {
				t.Errorf("asked to end with %d inside, before the time to drain was over", n)
			}
		}
		over := make(chan struct{})
		var visitors sync.WaitGroup
		for i := range 20 {
			visitors.Go(func() {
				for {
					select {
					case <-over:
						return
					case <-time.After(time.Duration(i) * time.Millisecond):
					}
					if d.Enter() == nil {
						if _, err := h.Wake(t.Context(), d); err != nil {
							t.Error(err)
							return
						}
					}
					inside.Add(1)
					time.Sleep(time.Duration(20-i) * time.Millisecond)
					inside.Add(-1)
					d.Leave()
				}
			})
		}
		for range 50 {
			time.Sleep(13 * time.Millisecond)
			if err := h.Stop(t.Context(), alice()); err != nil {
				t.Error(err)
			}
		}
		close(over)
		visitors.Wait()
		wantNoLeak(t, h, s)
	})
}

func TestHost_AForgottenDoorWakesNobodyElse(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		old := h.Door("notes", "alice")
		if err := h.Forget(t.Context(), alice(), false); err != nil {
			t.Fatal(err)
		}
		register(t, h, alice())
		if _, err := h.Wake(t.Context(), old); err != ErrUnknownTenant {
			t.Errorf("entered by a door that is no more: %v", err)
		}
		if n := h.Door("notes", "alice").Inflight(); n != 0 {
			t.Errorf("%d inside whom nobody will count out", n)
		}
	})
}
