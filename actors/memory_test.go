//go:build !race

// The race detector weighs more than a tenant, and its stack depot has crashed
// (SIGSEGV in __sanitizer::StackDepotBase::Put) under ten thousand of them.

package actors

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"tenement/actors/ledger"
	"tenement/conf"
)

// weight is the live heap, in bytes.
func weight() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) + int64(m.StackInuse)
}

// TestHost_ASleeperCostsLittle weighs ten thousand tenants that nobody has asked
// for, then one thousand of them that have been awake and sleep again.
func TestHost_ASleeperCostsLittle(t *testing.T) {
	const registered, visited = 10_000, 1000
	c := defaults()
	c.Settings.MaxConcurrentStarts = 64
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		names := make([]conf.Instance, registered)
		for i := range names {
			names[i] = id(fmt.Sprint("tenant-", i))
		}
		before := weight()
		register(t, h, names...)
		synctest.Wait()
		asleep := weight()
		for _, n := range names[:visited] {
			if err := visit(t, h, n); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		rested := weight()
		never, once := (asleep-before)/registered, (rested-asleep)/visited
		t.Logf("%d bytes registered and never asked for; %d more once it has been awake", never, once)
		if never > 2<<10 {
			t.Errorf("%d bytes per registered tenant, the aim is 2 KB", never)
		}
		if once > 8<<10 {
			t.Errorf("%d bytes more per tenant that was awake", once)
		}
		runtime.KeepAlive(names)
	})
}

// TestHistory_OfAThousandIsTwoMegabytes weighs a thousand tenants that have been awake for hours:
// what the last hour of each costs.
func TestHistory_OfAThousandIsTwoMegabytes(t *testing.T) {
	const awake = 1000
	before := weight()
	b := newUsageBook()
	for range awake {
		h := &history{}
		for range 3 * historyPoints {
			h.keep(time.Now(), ledger.Usage{})
		}
		b.histories[&Cell{}] = h
	}
	cells := int64(unsafe.Sizeof(Cell{}))
	each := (weight()-before)/awake - cells
	t.Logf("%d bytes each", each)
	if each > 2500 {
		t.Errorf("%d bytes each, the aim is 2 KB and what leads to them", each)
	}
	runtime.KeepAlive(b)
}
