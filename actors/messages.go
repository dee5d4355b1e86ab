package actors

import (
	"time"

	"tenement/actors/ledger"
	"tenement/actors/storage"
	"tenement/conf"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
)

// message is what actors of this package send each other. Every message of a
// tenant carries the generation it is about; a stale one is known by its number.
type message interface {
	message()
	IgnoreDeadLetterLogging() // the library would print the content, secrets included
}

type sealed struct{}

func (sealed) message()                 {}
func (sealed) IgnoreDeadLetterLogging() {}

// A message that somebody waits for says so when it could not be delivered.
type losable interface{ lost() }

// To a tenant.
type (
	// wake: a visitor waits at the door.
	wake struct {
		sealed
		w *waiter
	}
	// left: that visitor waits no more.
	left struct {
		sealed
		w *waiter
	}
	// order: an operator wants something; w waits for ready, done for the end
	// of the process. Either may be nil. trial: a rollout tries a release.
	order struct {
		sealed
		event Event
		trial bool
		why   string // "" = as the event says
		w     *waiter
		done  chan error
	}
	// granted and denied are the answers to ask.
	granted struct {
		sealed
		gen uint64
	}
	denied struct {
		sealed
		gen     uint64
		refusal *Refusal
	}
	// evict: its room is needed, if nobody is inside.
	evict struct {
		sealed
		gen uint64
	}
	// ready: the process listens, or never will (err).
	ready struct {
		sealed
		gen      uint64
		endpoint sandbox.Endpoint
		err      error
	}
	// exited: the cell has the status.
	exited struct {
		sealed
		gen uint64
	}
	// hit: the process ran into a limit and lives on.
	hit struct {
		sealed
		gen   uint64
		limit sandbox.Limit
	}
	// gone: the life's clearing has its result.
	gone struct {
		sealed
		gen uint64
	}
	// emptied: nobody is inside a door that was asked to tell.
	emptied struct{ sealed }
	// connFailed: the edge was refused a connection.
	connFailed struct {
		sealed
		gen uint64
	}
	// verified: it still listens after a refused connection, or does not.
	verified struct {
		sealed
		gen uint64
		err error
	}
	// checked: the end of a health check that began at the stamp.
	checked struct {
		sealed
		gen   uint64
		began int64
		err   error
	}
	// measured: what the tenant's directory holds.
	measured struct {
		sealed
		gen   uint64
		usage storage.Usage
		took  time.Duration
		err   error
	}
	// relimited: the tenant's own limits are others.
	relimited struct {
		sealed
		done chan error
	}
	// execute: somebody who is inside wants to run a command.
	execute struct {
		sealed
		answer chan entered
	}
	// reconfigured: the service has new terms; process: a process has to be
	// made anew to follow them.
	reconfigured struct {
		sealed
		process bool
	}
	// due: a deadline that the tenant armed has come.
	due struct {
		sealed
		gen  uint64
		what deadline
		at   int64 // stamp; a later arm of the same deadline replaces it
	}
)

// To services.
type (
	// ask: a tenant wants a start slot.
	ask struct {
		sealed
		cell *Cell
		gen  uint64
	}
	// release: it gives its slot or its place in the queue back; out: it has no
	// process any more either.
	release struct {
		sealed
		cell *Cell
		gen  uint64
		out  bool
	}
	// stays: it cannot make room now.
	stays struct {
		sealed
		cell *Cell
	}
	// reload: run by another configuration; changes holds what it changed when
	// done is told nil.
	reload struct {
		sealed
		next    *conf.Config
		tenants []ledger.Tenant // all that the registry knows
		changes []conf.Difference
		done    chan error
	}
	// retired: the tenants of a removed service have ended.
	retired struct {
		sealed
		name string
	}
	// shutdown: end everybody; done is closed when no process is left. nobody is
	// told when there is no services actor any more.
	shutdown struct {
		sealed
		done   chan struct{}
		nobody chan error
	}
)

// To a service.
type (
	// forward: a message for a tenant that has no actor yet.
	forward struct {
		sealed
		cell *Cell
		m    message
	}
	// edit: a change of the registry. plan runs in the service and says what to
	// store; applied runs there once it is stored, or has failed.
	edit struct {
		sealed
		plan    func(r *records) ([]ledger.Change, error)
		applied func(err error) // must not block; may be called twice
	}
	// committed: the service's batch has its result.
	committed struct{ sealed }
	// bury: a forgotten tenant has no process and no data to remove any more;
	// done is told when its name is free again.
	bury struct {
		sealed
		cell *Cell
		done chan error
	}
	// endAll: the daemon is going, or, with done, the service: done is called
	// when its tenants have ended.
	endAll struct {
		sealed
		done func()
	}
)

// To the ledger, the sweeper, and every supervisor.
type (
	commit struct {
		sealed
		changes []ledger.Change
		done    func(error) // must not block; may be called twice
	}
	flush struct{ sealed }
	arm   struct {
		sealed
		at int64
		to *Cell
		m  message
	}
	tick struct{ sealed }
	// restartChild: the delay of a child that panicked is over.
	restartChild struct {
		sealed
		child *actor.PID
		epoch uint64
	}
)

// To the accountant.
type (
	// opened: a generation has a process.
	opened struct {
		sealed
		cell    *Cell
		gen     uint64
		process process
	}
	// woke: it listens.
	woke struct {
		sealed
		cell *Cell
		gen  uint64
	}
	// departing: it is told to end; what it used until then.
	departing struct {
		sealed
		cell  *Cell
		gen   uint64
		usage sandbox.Usage
	}
	// closed: nothing of it is left; what it used in all.
	closed struct {
		sealed
		cell  *Cell
		gen   uint64
		usage sandbox.Usage
	}
	accountTick struct{ sealed }
	// accountAsk: somebody wants the sums as they are, or (metering is nil) to
	// know when they are stored.
	accountAsk struct {
		sealed
		metering chan *Metering // has room
		stored   chan error     // has room
	}
	// historyAsk: somebody wants a tenant's last hour.
	historyAsk struct {
		sealed
		cell   *Cell
		points chan []HistoryPoint // has room
		failed chan error          // has room
	}
	// historyFade: nobody has been awake for an hour.
	historyFade struct{ sealed }
	// accountStored: a write has its result.
	accountStored struct {
		sealed
		round uint64
		err   error
	}
)

// deadline names what a tenant armed the sweeper for.
type deadline uint8

// The deadlines of a tenant. Of each, the newest counts.
const (
	dueIdle deadline = iota
	dueCheck
	dueQueue
	dueSlot
	dueDrain
	dueGrace
	dueRetry
	dueMeasure
	dueHook
	numDeadlines
)

// waiter is a visitor, or an operator's spawn, that waits for the door. The
// answer is nil for an open door; there is room for it, so nobody blocks.
type waiter struct {
	answer   chan *Refusal
	deadline int64 // stamp: it does not wait longer than this
}

func newWaiter(deadline int64) *waiter {
	return &waiter{answer: make(chan *Refusal, 1), deadline: deadline}
}

// tell answers; an answer that nobody waits for any more is dropped.
func (w *waiter) tell(r *Refusal) {
	select {
	case w.answer <- r:
	default:
	}
}

// reply answers without blocking: there is room for one answer, and after it
// nobody listens.
func reply(to chan error, err error) {
	select {
	case to <- err:
	default:
	}
}

// lose tells whoever waits for a message's answer that it will not come.
func lose(m any) {
	if l, ok := m.(losable); ok {
		l.lost()
	}
}

func (m *wake) lost() { m.w.tell(lostRefusal()) }

func (m *order) lost() {
	if m.w != nil {
		m.w.tell(lostRefusal())
	}
	if m.done != nil {
		reply(m.done, lostRefusal())
	}
}

func (m *forward) lost()    { lose(m.m) }
func (m *bury) lost()       { reply(m.done, lostRefusal()) }
func (m *shutdown) lost()   { reply(m.nobody, lostRefusal()) }
func (m *reload) lost()     { reply(m.done, lostRefusal()) }
func (m *edit) lost()       { m.applied(lostRefusal()) }
func (m *commit) lost()     { m.done(lostRefusal()) }
func (m *accountAsk) lost() { reply(m.stored, lostRefusal()) }
func (m *historyAsk) lost() { reply(m.failed, lostRefusal()) }
func (m *execute) lost()    { m.answer <- entered{} }
func (m *relimited) lost()  { reply(m.done, lostRefusal()) }
