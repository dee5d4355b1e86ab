package edge

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors"
	"tenement/conf"
)

// presentAt is somebody inside an open door.
func presentAt(ctx context.Context) (*actors.Door, *presence, *atomic.Int64) {
	d := actors.NewDoor(conf.Instance{Service: "notes", ID: "alice"})
	d.Open(&actors.Way{Generation: 1})
	d.Enter()
	cuts := &atomic.Int64{}
	return d, newPresence(ctx, d, func() { cuts.Add(1) }), cuts
}

func TestPresence_WhoIsQuietStepsOutsideAndBackIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, p, _ := presentAt(t.Context())
		for range 5 { // data now and then: inside
			p.touch()
			time.Sleep(quietAfter / 2)
			if d.Inflight() != 1 {
				t.Fatal("outside although something moves")
			}
		}
		time.Sleep(3 * quietAfter)
		synctest.Wait()
		if d.Inflight() != 0 {
			t.Fatal("inside although nothing moves")
		}
		p.touch()
		if d.Inflight() != 1 {
			t.Fatal("data did not bring it back")
		}
		p.end()
		p.touch()
		time.Sleep(3 * quietAfter)
		if d.Inflight() != 0 {
			t.Error("it came back after its end")
		}
	})
}

func TestPresence_ItsEndLeavesTheDoorOnceWhereverItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, p, _ := presentAt(t.Context())
		p.end()
		d.Enter()
		p = newPresence(t.Context(), d, func() {})
		time.Sleep(2 * quietAfter)
		synctest.Wait()
		p.end()
		if d.Inflight() != 0 {
			t.Errorf("%d inside", d.Inflight())
		}
	})
}

func TestPresence_AShutDoorStaysShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, p, _ := presentAt(t.Context())
		time.Sleep(2 * quietAfter)
		synctest.Wait()
		d.Shut()
		p.touch()
		if d.Inflight() != 0 {
			t.Error("it went in")
		}
		d.Open(&actors.Way{Generation: 1})
		p.touch() // the tenant that was to drain serves again
		if d.Inflight() != 1 {
			t.Error("it was forgotten")
		}
		p.end()
	})
}

func TestPresence_TheServersEndCutsOffTheQuietOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		_, quiet, quietCuts := presentAt(ctx)
		time.Sleep(2 * quietAfter)
		_, busy, busyCuts := presentAt(ctx)
		busy.touch()
		end()
		synctest.Wait()
		if quietCuts.Load() != 1 || busyCuts.Load() != 0 {
			t.Errorf("cut: the quiet %d times, the busy %d times", quietCuts.Load(), busyCuts.Load())
		}
		time.Sleep(3 * quietAfter)
		synctest.Wait()
		if busyCuts.Load() != 1 {
			t.Errorf("one that fell silent was cut %d times", busyCuts.Load())
		}
		quiet.end()
		busy.end()
	})
}
