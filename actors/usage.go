package actors

import (
	"context"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
)

// How often the accountant looks at those who are awake, and how often it has
// the sums stored: a daemon that is killed loses the time since the last of each.
const (
	lookEvery  = 10 * time.Second
	storeEvery = 30 * time.Second
)

// lookAgain is the least time between two looks that somebody asked for.
const lookAgain = time.Second

// usageDays is how long a tenant's days are kept: a year, and a month to bill it.
const usageDays = 400

// gigabyte is the unit of memory over time.
const gigabyte = 1e9

// accountant is the actor that adds up what tenants use. It reads the counters
// that doors and cgroups keep anyway; nobody who serves a request talks to it.
// While nobody is awake it has nothing to do.
type accountant struct {
	h *Host
	b *usageBook
}

// usageBook is the accountant's memory; it outlives a restart of the actor.
type usageBook struct {
	lives    map[*Cell]*metered
	tallies  map[*Cell]ledger.Usage  // of all who used anything since the daemon started
	services map[string]ledger.Usage // the same, of those who were forgotten too
	pending  map[usageKey]ledger.Usage
	writing  map[usageKey]ledger.Usage // is with the ledger
	round    uint64                    // number of that write
	asked    []chan error              // wait until all is stored
	shown    *Metering                 // the newest
	looked   int64                     // stamp of the last look at everybody
	stored   int64                     // stamp of the last write
	dropped  string                    // the day on which old days were dropped
	timer    *time.Timer               // nil: nobody is awake, all is stored

	histories map[*Cell]*history // of those who were awake in the last hour
	fading    *time.Timer        // nil: somebody is awake, or there are none
}

type usageKey struct {
	day    string
	tenant conf.Instance
}

// metered is a process that is being looked at.
type metered struct {
	gen     uint64
	process process
	seen    sandbox.Usage
	at      int64 // stamp of seen
}

func newUsageBook() *usageBook {
	return &usageBook{
		lives: map[*Cell]*metered{}, tallies: map[*Cell]ledger.Usage{}, services: map[string]ledger.Usage{},
		pending: map[usageKey]ledger.Usage{}, stored: stamp(), histories: map[*Cell]*history{},
	}
}

func (h *Host) toAccountant(m message) { h.root().Send(h.accountantPID, m) }

func (a *accountant) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.wind()
	case *opened:
		a.b.lives[m.cell] = &metered{gen: m.gen, process: m.process, at: stamp()}
		a.beginHistory(m.cell)
		a.wind()
	case *woke:
		if l := a.life(m.cell, m.gen); l != nil {
			a.credit(m.cell, time.Now(), ledger.Usage{Wakes: 1})
			a.look(m.cell, l, l.process.Usage())
		}
	case *departing:
		if l := a.life(m.cell, m.gen); l != nil {
			a.look(m.cell, l, m.usage)
		}
	case *closed:
		a.close(m)
	case *accountTick:
		a.tick()
	case *accountAsk:
		a.answer(m)
	case *accountStored:
		a.written(m)
	case *historyAsk:
		m.points <- a.b.pointsOf(m.cell)
	case *historyFade:
		a.fade()
	case *actor.Stopping:
		a.b.stop()
	}
}

func (a *accountant) life(c *Cell, gen uint64) *metered {
	if l := a.b.lives[c]; l != nil && l.gen == gen {
		return l
	}
	return nil
}

// close takes the sum of a life. What the process held when it was last seen it
// held to its end.
func (a *accountant) close(m *closed) {
	l := a.life(m.cell, m.gen)
	if l == nil {
		return
	}
	m.usage.Memory = l.seen.Memory
	a.look(m.cell, l, m.usage)
	delete(a.b.lives, m.cell)
	a.b.looked = 0 // who asks sees that it is gone
}

// look credits a tenant with what it used since it was last looked at. Memory is
// taken to have changed evenly in between.
func (a *accountant) look(c *Cell, l *metered, now sandbox.Usage) {
	at := stamp()
	since := time.Duration(at - l.at)
	held := since.Seconds()
	a.credit(c, time.Now().Add(-since/2), ledger.Usage{ // at midnight the day that had more of it
		CPU: max(0, (now.CPU - l.seen.CPU).Seconds()), Awake: held,
		Memory: held * float64(l.seen.Memory+now.Memory) / 2 / gigabyte,
	})
	l.seen, l.at = now, at
}

// credit adds to a tenant's sums what it used at a moment.
func (a *accountant) credit(c *Cell, at time.Time, u ledger.Usage) {
	if u == (ledger.Usage{}) {
		return
	}
	b, k := a.b, usageKey{ledger.Day(at), c.name}
	b.tallies[c] = b.tallies[c].Plus(u)
	b.services[c.name.Service] = b.services[c.name.Service].Plus(u)
	b.pending[k] = b.pending[k].Plus(u)
}

// lookAtAll credits everybody: processes by their counters, doors by theirs.
func (a *accountant) lookAtAll() {
	for c, l := range a.b.lives {
		a.look(c, l, l.process.Usage())
	}
	for _, s := range *a.h.services.Load() {
		s.cells.Range(func(_, v any) bool {
			a.countDoor(v.(*Cell))
			return true
		})
	}
	for c := range a.b.tallies { // forgotten: a last look
		if a.b.lives[c] == nil && a.h.cell(c.name) != c {
			a.countDoor(c)
			delete(a.b.tallies, c)
		}
	}
	a.b.looked = stamp()
}

// countDoor credits what went through a door since it was last looked at.
func (a *accountant) countDoor(c *Cell) {
	had := a.b.tallies[c]
	now := ledger.Usage{Requests: c.requests.Load() - had.Requests}
	if m := c.meter.Load(); m != nil {
		now.In, now.Out = m.In.Load()-had.In, m.Out.Load()-had.Out
	}
	a.credit(c, time.Now(), now)
}

// tick looks and, when it is time or nobody is awake any more, stores.
func (a *accountant) tick() {
	a.b.timer = nil
	a.lookAtAll()
	a.keepHistories()
	if len(a.b.lives) == 0 || stamp()-a.b.stored >= int64(storeEvery) {
		a.store()
	}
	a.wind()
}

// wind sets the timer to the next look, unless there is nothing to look at.
func (a *accountant) wind() {
	b, h := a.b, a.h
	switch {
	case b.timer != nil:
	case len(b.lives)+len(b.pending)+len(b.writing) > 0:
		b.timer = time.AfterFunc(lookEvery, func() { h.toAccountant(&accountTick{}) })
	default:
		a.windFade()
	}
}

func (b *usageBook) stop() {
	for _, t := range []*time.Timer{b.timer, b.fading} {
		if t != nil {
			t.Stop()
		}
	}
	b.timer, b.fading = nil, nil
}

// answer looks for somebody who wants to know.
func (a *accountant) answer(m *accountAsk) {
	b := a.b
	if b.shown == nil || b.looked == 0 || stamp()-b.looked >= int64(lookAgain) {
		a.lookAtAll()
		b.shown = b.metering()
	}
	if m.metering != nil {
		m.metering <- b.shown
		a.wind()
		return
	}
	b.asked = append(b.asked, m.stored)
	a.store()
	a.wind()
}

// store hands what is pending to the ledger, one write at a time.
func (a *accountant) store() {
	b := a.b
	switch {
	case len(b.writing) > 0:
		return
	case len(b.pending) == 0:
		b.tellAsked(nil)
		return
	}
	b.writing, b.pending = b.pending, map[usageKey]ledger.Usage{}
	b.round++
	b.stored = stamp()
	changes := make([]ledger.Change, 0, len(b.writing)+1)
	for k, u := range b.writing {
		changes = append(changes, ledger.AddUsage{Row: ledger.UsageRow{Day: k.day, Tenant: k.tenant, Usage: u}})
	}
	if today := ledger.Day(time.Now()); b.dropped != today {
		b.dropped = today
		changes = append(changes, ledger.DropUsage{Before: ledger.Day(time.Now().AddDate(0, 0, -usageDays))})
	}
	h, round := a.h, b.round
	h.root().Send(h.keeperPID, &commit{changes: changes, done: func(err error) {
		h.toAccountant(&accountStored{round: round, err: err})
	}})
}

// written: what was handed over is stored, or goes back to what is pending.
func (a *accountant) written(m *accountStored) {
	b := a.b
	if m.round != b.round || len(b.writing) == 0 {
		return // told twice
	}
	if m.err != nil {
		for k, u := range b.writing {
			b.pending[k] = b.pending[k].Plus(u)
		}
		a.h.log.Error().Err(m.err).Msg("cannot store what tenants used; trying again")
	}
	b.writing = nil
	if m.err != nil || len(b.asked) == 0 {
		b.tellAsked(m.err)
	} else {
		a.store()
	}
	a.wind()
}

func (b *usageBook) tellAsked(err error) {
	for _, to := range b.asked {
		reply(to, err)
	}
	b.asked = nil
}

// Metering is what tenants have used since the daemon started.
type Metering struct {
	At       time.Time
	Tenants  map[conf.Instance]Metered // those who used anything
	Services map[string]ledger.Usage   // forgotten tenants included: these never shrink
}

// Metered is one tenant of a Metering.
type Metered struct {
	ledger.Usage
	MemoryBytes int64 // now; 0 when it is asleep
}

func (b *usageBook) metering() *Metering {
	m := &Metering{At: time.Now(), Tenants: make(map[conf.Instance]Metered, len(b.tallies)), Services: make(map[string]ledger.Usage, len(b.services))}
	for c, u := range b.tallies {
		one := Metered{Usage: u}
		if l := b.lives[c]; l != nil {
			one.MemoryBytes = l.seen.Memory
		}
		m.Tenants[c.name] = one
	}
	for name, u := range b.services {
		m.Services[name] = u
	}
	return m
}

// Metering looks at what tenants have used by now; within a second it gives the
// same again. It is not to be changed.
func (h *Host) Metering(ctx context.Context) (*Metering, error) {
	m := &accountAsk{metering: make(chan *Metering, 1), stored: make(chan error, 1)}
	h.toAccountant(m)
	select {
	case metering := <-m.metering:
		return metering, nil
	case err := <-m.stored:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Usage gives the days from one to another (ledger.Day), both included, of the
// tenants that wanted lets through, today's until now: sorted by day, then name.
func (h *Host) Usage(ctx context.Context, from, to string, wanted func(conf.Instance) bool) ([]ledger.UsageRow, error) {
	if err := h.storeUsage(ctx); err != nil {
		return nil, err
	}
	return h.book.store.Usage(from, to, wanted)
}

// storeUsage returns when everything used until now is stored.
func (h *Host) storeUsage(ctx context.Context) error {
	m := &accountAsk{stored: make(chan error, 1)}
	h.toAccountant(m)
	select {
	case err := <-m.stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeUsage stores what was used, before the registry is closed.
func (h *Host) closeUsage() {
	select {
	case <-h.done: // the tree broke: nobody may be there to answer
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), hurryTime)
	defer cancel()
	if err := h.storeUsage(ctx); err != nil {
		h.log.Error().Err(err).Msg("cannot store what tenants used since the last time")
	}
}
