package actors

import (
	"context"
	"sync/atomic"
	"time"

	"tenement/actors/journal"
	"tenement/actors/ledger"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
)

// Cell is what must outlive a tenant's actor. A tenant that nobody asked for is
// a Cell, its record and a map entry.
type Cell struct {
	Door
	service *service
	pid     atomic.Pointer[actor.PID]     // nil: no actor
	record  atomic.Pointer[ledger.Tenant] // as the registry has it; stored by the service only
	view    atomic.Pointer[view]          // what others may see; nil = nothing ever happened
	made    atomic.Pointer[string]        // the release that its process is made of; nil without one
	limited atomic.Pointer[limited]       // what config gave last, for a tenant with limits of its own
	exit    atomic.Pointer[exitNews]      // how the newest process ended; stored by the engine's loop
	life    *life                         // the actor's; nil until it has one
}

// exitNews is how the process of a generation ended.
type exitNews struct {
	gen    uint64
	status sandbox.Status
}

// life is a tenant's state. Only its actor touches it.
type life struct {
	machine  Machine
	since    time.Time // of the state
	reason   string    // why it is in this state, for operators
	gen      uint64
	waiters  map[*waiter]struct{}
	stops    []chan error // told when no process is left
	stopErr  error        // what they are told
	failures Failures
	restarts int
	retryAt  int64    // stamp: Backoff ends, or Failed has cooled down
	refusal  *Refusal // for the waiters of this transition, when its reason is a special one

	suspect    bool                // the circuit was open, and no start has proved itself since
	unattended bool                // it was queued by order or policy: not for its visitors alone
	armed      [numDeadlines]int64 // stamp of the newest arm of each deadline

	process   process    // from Spawn until gone
	hook      hook       // that it is; hookNone: it is the app
	hookLate  bool       // that one's time was over
	ran       bool       // the app of this generation was started
	clearing  chan error // its Release is under way, or its result is here
	stopReady context.CancelFunc
	way       *Way
	spec      sandbox.Spec
	release   string // that the newest process was made of
	rollout   uint64 // that gave it that release
	flaw      string // what a process of that release failed of, the newest; "" = none did
	trial     bool   // a rollout looks whether the newest process is ready
	trialNext bool   // the next process is on trial
	log       *journal.Writer
	startedAt time.Time
	queuedAt  int64 // stamp: a slot was asked for
	phases    Phases
	readyAt   int64 // stamp
	askedAt   int64 // stamp: SIGTERM was sent; 0 = not
	health    health
	verifying bool   // a refused connection is being looked into
	limit     string // what its process ran into, "" = nothing
	last      ended
	hoard     hoard
	hits      LimitHits
}

// view is an immutable copy of what others may see of a life.
type view struct {
	machine   Machine
	since     time.Time
	reason    string
	gen       uint64
	pid       int
	socket    string
	port      int
	listen    string
	release   string
	rollout   uint64
	flaw      string
	startedAt time.Time
	readyAt   int64
	health    string
	restarts  int
	retryAt   int64
	waiting   int
	limit     string
	last      ended
	hoard     hoard
	hits      LimitHits
	process   process // nil: none; for readers of what it takes
}

func newCell(s *service, record ledger.Tenant) *Cell {
	c := &Cell{Door: Door{name: record.Name}, service: s}
	c.record.Store(&record)
	c.emptied = func() { s.h.tell(c, &emptied{}) }
	return c
}

// born gives a cell its life when its first actor starts, and reports that it did.
func (c *Cell) born() bool {
	if c.life != nil {
		return false
	}
	state := Asleep
	if c.record.Load().Held {
		state = Held
	}
	c.life = &life{machine: Machine{State: state}, since: time.Now(), waiters: map[*waiter]struct{}{}, hoard: hoard{used: -1}}
	return true
}

// rested reports that no actor has ever done anything for the tenant.
func (c *Cell) rested() bool { return c.pid.Load() == nil && c.view.Load() == nil }

// idleSince is the stamp of the end of the last use, or of ready.
func (c *Cell) idleSince() int64 {
	used := c.lastUsed.Load()
	if v := c.view.Load(); v != nil {
		used = max(used, v.readyAt)
	}
	return used
}

// look gives the tenant's view; one that nobody asked for has a resting one.
func (c *Cell) look() view {
	if v := c.view.Load(); v != nil {
		return *v
	}
	record := c.record.Load()
	if record.Held {
		return view{machine: Machine{State: Held}, since: record.Created}
	}
	return view{machine: Machine{State: Asleep}, since: record.Created}
}

// publish shows the life to others.
func (c *Cell) publish() {
	l := c.life
	v := &view{
		machine: l.machine, since: l.since, reason: l.reason, gen: l.gen, restarts: l.restarts,
		retryAt: l.retryAt, waiting: len(l.waiters),
		limit: l.limit, last: l.last, hoard: l.hoard, hits: l.hits, release: l.release, rollout: l.rollout, flaw: l.flaw,
	}
	if l.process != nil {
		v.pid, v.socket, v.port = l.process.Pid(), l.spec.Socket, l.spec.Port
		v.process = l.process
		v.startedAt, v.readyAt, v.health = l.startedAt, l.readyAt, l.health.String()
	}
	if l.way != nil {
		v.listen = l.way.Endpoint.Address
	}
	c.view.Store(v)
}
