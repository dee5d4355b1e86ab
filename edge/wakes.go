package edge

import (
	"sync"
	"time"

	"tenement/actors"
)

// The last day of wakes, of one service: what a chart shows. It is written at a
// wake and at no other time, so that a host that sleeps is left alone.
const (
	wakeSlot  = 10 * time.Minute
	wakeSlots = int(24 * time.Hour / wakeSlot)
)

// wakeCounts are how many wakes took how long, by wakeBounds.
type wakeCounts [len(wakeBounds) + 1]uint64

// wakeDay is a ring of slots; number is that of the slot's time since 1970.
type wakeDay struct {
	mu    sync.Mutex
	slots [wakeSlots]struct {
		number int64
		counts [len(wakeBounds) + 1]uint32
	}
}

// add counts one wake.
func (d *wakeDay) add(at time.Time, took time.Duration) {
	number := at.Unix() / int64(wakeSlot/time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	slot := &d.slots[number%int64(wakeSlots)]
	if slot.number != number {
		slot.number, slot.counts = number, [len(wakeBounds) + 1]uint32{}
	}
	slot.counts[wakeBucket(took)]++
}

// wakeBucket is the number of the bucket for a duration.
func wakeBucket(took time.Duration) int {
	i := 0
	for i < len(wakeBounds) && took.Seconds() > wakeBounds[i] {
		i++
	}
	return i
}

// addTo adds the slots of the day that ends with now, oldest first.
func (d *wakeDay) addTo(sum *[wakeSlots]wakeCounts, now time.Time) {
	last := now.Unix() / int64(wakeSlot/time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, slot := range d.slots {
		if back := last - slot.number; back >= 0 && back < int64(wakeSlots) {
			into := &sum[wakeSlots-1-int(back)]
			for i, n := range slot.counts {
				into[i] += uint64(n)
			}
		}
	}
}

func (c *wakeCounts) total() uint64 {
	n := uint64(0)
	for _, count := range c {
		n += count
	}
	return n
}

// quantile estimates, in milliseconds, below which time the share q of the wakes
// lies. 0 without wakes.
func (c *wakeCounts) quantile(q float64) float64 {
	return 1000 * actors.Quantile(c[:], wakeBounds[:], q)
}

func (c *wakeCounts) add(more *wakeCounts) {
	for i, n := range more {
		c[i] += n
	}
}
