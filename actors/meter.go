package actors

import (
	"sync/atomic"
	"time"
)

// Fault is what went wrong between the edge and a tenant's process.
type Fault uint8

// The faults, in the order of an exchange. FaultClient is the visitor's own.
const (
	FaultRefused   Fault = iota // nobody accepts connections
	FaultBusy                   // max_connections or max_upgrades are in use
	FaultNoRoom                 // the daemon has no descriptors left
	FaultUnread                 // it ended without reading the request
	FaultTimeout                // no answer within request_timeout
	FaultMalformed              // an answer that is not HTTP
	FaultBroken                 // the connection broke in the middle
	FaultClient                 // the visitor left, or its body was broken
	numFaults
)

func (f Fault) String() string {
	return [numFaults]string{"refused", "busy", "no_room", "unread", "timeout", "malformed", "broken", "client"}[f]
}

// Faults are all of them.
func Faults() []Fault {
	all := make([]Fault, numFaults)
	for i := range all {
		all[i] = Fault(i)
	}
	return all
}

// DurationBounds are the upper bounds of Meter.Durations, in milliseconds; the
// last of those has none.
var DurationBounds = [10]float64{1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000}

// Meter counts what goes through a door. It belongs to the door and goes with
// its tenant; the edge writes it, by atomics alone.
type Meter struct {
	Answers   [6]atomic.Uint64 // by the first digit of the status; 0 = the visitor left before
	Durations [len(DurationBounds) + 1]atomic.Uint64
	Micros    atomic.Uint64 // the sum of all durations
	In        atomic.Uint64 // bytes of bodies and upgraded connections, from visitors
	Out       atomic.Uint64 // bytes to visitors
	Upgrades  atomic.Int64  // that are open
	Faults    [numFaults]atomic.Uint64
}

// Meter gives the door's meter, made when the first one asks. It takes no lock.
func (d *Door) Meter() *Meter {
	if m := d.meter.Load(); m != nil {
		return m
	}
	d.meter.CompareAndSwap(nil, &Meter{})
	return d.meter.Load()
}

// Observe counts one request that has its answer. status 0: the visitor left.
func (m *Meter) Observe(status int, took time.Duration, in, out int64) {
	m.Answers[status/100%len(m.Answers)].Add(1)
	ms, i := float64(took)/float64(time.Millisecond), 0
	for i < len(DurationBounds) && ms > DurationBounds[i] {
		i++
	}
	m.Durations[i].Add(1)
	m.Micros.Add(uint64(took.Microseconds()))
	if in > 0 {
		m.In.Add(uint64(in))
	}
	if out > 0 {
		m.Out.Add(uint64(out))
	}
}

// Count is how many requests were observed.
func (m *Meter) Count() uint64 {
	n := uint64(0)
	for i := range m.Durations {
		n += m.Durations[i].Load()
	}
	return n
}

// Quantile estimates the duration, in milliseconds, below which the share q of
// all requests lies. 0 without requests.
func (m *Meter) Quantile(q float64) float64 {
	var counts [len(DurationBounds) + 1]uint64
	for i := range counts {
		counts[i] = m.Durations[i].Load()
	}
	return Quantile(counts[:], DurationBounds[:], q)
}

// Quantile estimates the value below which the share q of all that was counted
// lies: exact to a bucket, linear inside of it. counts has one more than bounds,
// for what lies beyond the last. 0 when nothing was counted.
func Quantile(counts []uint64, bounds []float64, q float64) float64 {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, below := q*float64(total), 0.0
	for i, n := range counts {
		if rank > below+float64(n) {
			below += float64(n)
			continue
		}
		if i == len(bounds) {
			break // beyond the last bound nothing is known
		}
		lower := 0.0
		if i > 0 {
			lower = bounds[i-1]
		}
		return lower + (bounds[i]-lower)*(rank-below)/float64(max(n, 1))
	}
	return bounds[len(bounds)-1]
}

// Phases is how long the parts of one start took.
type Phases struct {
	Queue time.Duration // from asking for a slot to having it
	Spawn time.Duration // until there was a process
	Ready time.Duration // until that listened
}
