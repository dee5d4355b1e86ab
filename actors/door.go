package actors

import (
	"io"
	"sync/atomic"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// Way is one way into a tenant: what a request needs to reach it. It belongs to
// one generation of the tenant's process and is immutable once published.
type Way struct {
	Generation     uint64
	Endpoint       sandbox.Endpoint
	RequestTimeout time.Duration // until the response's head
	Conns          io.Closer     // the edge's connections to this generation (Options.Conns made it); closed by the tenant when the generation ends
}

// Door is what a request meets of a tenant. It outlives every actor and process
// of its tenant; only the tenant's actor opens and shuts it. All methods are
// safe for concurrent use, take no lock and do not allocate.
type Door struct {
	name     conf.Instance
	way      atomic.Pointer[Way] // nil while the tenant cannot serve
	inflight atomic.Int64
	lastUsed atomic.Int64 // a stamp; 0 = never
	requests atomic.Uint64
	draining atomic.Bool // the actor waits for emptied
	meter    atomic.Pointer[Meter]
	emptied  func() // called when the last one leaves a draining door
}

// epoch is the zero of every stamp in this package.
var epoch = time.Now()

// stamp is the monotonic time now, in nanoseconds: a clock that jumps does not
// move it.
func stamp() int64 { return int64(time.Since(epoch)) }

// NewDoor makes a shut door.
func NewDoor(name conf.Instance) *Door { return &Door{name: name} }

// Name tells whose door it is.
func (d *Door) Name() conf.Instance { return d.name }

// Open lets requests in by way. Only the tenant's actor (or a test) calls it.
func (d *Door) Open(way *Way) {
	d.draining.Store(false)
	d.way.Store(way)
}

// Shut sends requests to Host.Wake from now on; those inside stay inside.
func (d *Door) Shut() { d.way.Store(nil) }

// Inflight counts the requests that are inside.
func (d *Door) Inflight() int64 { return d.inflight.Load() }

// Enter counts a request in. It returns nil when the tenant cannot serve now:
// the request then goes to Host.Wake. The way is read again after counting,
// which closes the race with an actor that shuts the door and then looks
// whether anybody is inside. Every non-nil Way is given back by Leave.
func (d *Door) Enter() *Way {
	d.inflight.Add(1)
	way := d.way.Load()
	if way == nil {
		d.out()
	}
	return way
}

// Leave ends the use that Enter or Host.Wake began.
func (d *Door) Leave() {
	d.lastUsed.Store(stamp())
	d.requests.Add(1)
	d.out()
}

func (d *Door) out() {
	if d.inflight.Add(-1) == 0 && d.draining.Load() && d.emptied != nil {
		d.emptied()
	}
}

// rest ends the asking of drain.
func (d *Door) rest() { d.draining.Store(false) }

// drain asks for emptied to be called, and reports whether it is empty already.
func (d *Door) drain() bool {
	d.draining.Store(true)
	return d.inflight.Load() == 0
}
