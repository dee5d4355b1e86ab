package actors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"tenement/sandbox"
)

// Time for requests to finish, and for a process to end by itself; the contract
// of `stop`.
const (
	drainTime = 5 * time.Second
	graceTime = 5 * time.Second
)

// slotTime is how long a start keeps its slot: a hung one delays nobody.
const slotTime = 2 * time.Second

// carryOut does one effect of the lifecycle table.
func (t *tenant) carryOut(e Effect) {
	l := t.life()
	switch e {
	case AskSlot:
		l.gen++
		l.queuedAt = stamp()
		t.arm(t.h.Config().Settings.QueueTimeout, dueQueue)
		t.h.toServices(&ask{cell: t.cell, gen: l.gen})
	case DropSlot:
		t.h.toServices(&release{cell: t.cell, gen: l.gen, out: l.process == nil})
	case Spawn:
		t.spawn()
	case OpenDoor:
		t.openDoor()
	case ShutDoor:
		t.cell.Shut()
	case AdmitWaiters:
		t.answer(nil)
	case RefuseWaiters:
		t.answer(t.refusal())
	case RefuseHurried:
		t.refuseHurried()
	case Drain:
		t.arm(drainTime, dueDrain)
		if t.cell.drain() {
			t.then(EventDrained, ThenKeep)
		}
	case Terminate:
		t.terminate()
	case Kill:
		t.kill()
	case Clear:
		t.clear()
	case Scrub:
		t.scrub()
	case SettleStops:
		t.settle()
	case ArmRetry:
		t.arm(time.Duration(l.retryAt-stamp()), dueRetry)
	case Forgive:
		t.forgive()
	}
}

// arm sends this generation a deadline.
func (t *tenant) arm(in time.Duration, what deadline) {
	l, at := t.life(), stamp()+int64(in)
	l.armed[what] = at
	t.h.arm(t.cell, at, &due{gen: l.gen, what: what, at: at})
}

// due: a deadline came. Of each kind only the newest counts: two chains that
// renew themselves must not be.
func (t *tenant) due(m *due) {
	if t.life().armed[m.what] != m.at {
		return
	}
	t.life().armed[m.what] = 0 // two may have the same stamp
	switch m.what {
	case dueIdle:
		t.about(m.gen, Running, t.idle)
	case dueCheck:
		t.about(m.gen, Running, t.check)
	case dueQueue:
		t.about(m.gen, Queued, t.queueOver)
	case dueSlot:
		if m.gen == t.life().gen { // in whatever state: stopped before it was ready, too
			t.h.toServices(&release{cell: t.cell, gen: m.gen})
		}
	case dueDrain:
		t.about(m.gen, Draining, func() { t.step(EventDrainOver, ThenKeep) })
	case dueGrace:
		t.about(m.gen, Stopping, func() { t.step(EventGraceOver, ThenKeep) })
	case dueHook:
		if m.gen == t.life().gen {
			t.hookOver()
		}
	case dueMeasure:
		t.about(m.gen, Running, t.measure)
	case dueRetry:
		t.about(m.gen, Backoff, func() {
			t.life().restarts++
			t.life().unattended = true
			t.step(EventRetryDue, ThenKeep)
		})
	}
}

// queueOver refuses those who have waited for queue_timeout. Who came later has
// time left, and a restart or an operator's start waits for nobody's request.
func (t *tenant) queueOver() {
	l := t.life()
	timeout := t.h.Config().Settings.QueueTimeout
	refusal := &Refusal{Cause: CauseQueueTimeout, RetryAfter: time.Second + jitter(4*time.Second),
		Reason: fmt.Sprintf("no start slot came free in %s (queue_timeout)", timeout)}
	now, next := stamp(), int64(math.MaxInt64)
	for w := range l.waiters {
		over := w.deadline - int64(t.cell.config().StartupTimeout+hookTime(t.cell.config()))
		if over <= now {
			w.tell(refusal)
			delete(l.waiters, w)
			continue
		}
		next = min(next, over)
	}
	switch {
	case len(l.waiters) > 0:
		t.arm(time.Duration(next-now), dueQueue)
		t.cell.publish()
	case l.unattended:
		t.arm(timeout, dueQueue)
		t.cell.publish()
	default:
		t.deny(refusal)
	}
}

// spawn starts the process of this generation.
func (t *tenant) spawn() {
	l := t.life()
	l.readyAt, l.askedAt, l.way, l.verifying, l.unattended = 0, 0, nil, false, false
	l.limit = ""
	l.health, l.spec = health{}, sandbox.Spec{} // a port of the last generation's is somebody else's by now
	if l.log == nil {
		l.log = t.h.journal.Writer(t.cell.name)
	}
	t.takeRelease()
	began := stamp()
	l.phases.Queue = time.Duration(began - l.queuedAt)
	spec, err := t.h.specOf(t.cell, l.gen)
	if err == nil {
		l.spec = spec
		err = t.limitStorage()
	}
	if err == nil {
		err = t.launchFirst()
	}
	if err != nil {
		t.cannotStart(err)
		return
	}
	l.phases.Spawn = time.Duration(stamp() - began)
	t.arm(slotTime, dueSlot)
}

// cannotStart: no process came to be. What cannot be executed now will not be
// executable in a second either: the circuit opens at once.
func (t *tenant) cannotStart(err error) {
	l := t.life()
	l.reason = err.Error()
	t.note(l.reason)
	t.h.launcher.ReleasePort(l.spec.Port)
	l.spec = sandbox.Spec{}
	t.hangUp()
	t.cell.made.Store(nil)
	if verdict, onTrial := t.fault(); onTrial {
		t.then(EventStartFailed, verdict)
		return
	}
	if errors.Is(err, sandbox.ErrCannotExecute) || errors.As(err, new(mendError)) {
		t.then(EventStartFailed, t.giveUp())
		return
	}
	t.then(EventStartFailed, t.failureVerdict())
}

// events connects a process to its cell; they outlive an actor's restart.
func (t *tenant) events(gen uint64) sandbox.Events {
	cell, h, log := t.cell, t.h, t.life().log
	return sandbox.Events{
		Output: log.Write,
		Hit:    func(l sandbox.Limit) { h.tell(cell, &hit{gen: gen, limit: l}) },
		Exited: func(s sandbox.Status) {
			cell.exit.Store(&exitNews{gen: gen, status: s})
			h.tell(cell, &exited{gen: gen})
		},
	}
}

// watchReady waits for the process to listen, in a goroutine that ends with the
// process, at startup_timeout, or when the tenant is told to stop.
func (t *tenant) watchReady() {
	l := t.life()
	if l.stopReady != nil {
		l.stopReady() // an earlier actor's
	}
	left := t.cell.config().StartupTimeout - time.Since(l.startedAt)
	ctx, cancel := context.WithTimeout(context.Background(), left)
	l.stopReady = cancel
	h, cell, gen, p := t.h, t.cell, l.gen, l.process
	go func() {
		endpoint, err := p.Ready(ctx)
		if !errors.Is(ctx.Err(), context.Canceled) {
			h.tell(cell, &ready{gen: gen, endpoint: endpoint, err: err})
		}
	}()
}

func (t *tenant) openDoor() {
	l := t.life()
	l.stopReady()
	t.cell.Open(l.way)
	if idle := t.cell.config().IdleTimeout; idle > 0 {
		t.arm(idle, dueIdle)
	}
	t.armMeasure()
	if t.cell.config().Health != "" {
		// The first look comes soon: "unknown" helps nobody.
		t.arm(min(time.Second, t.h.Config().Settings.HealthCheckInterval), dueCheck)
	}
}

// idle: the time may be over. Uses do not talk to the actor, so look when the
// last one ended, or have the last one inside say that it leaves.
func (t *tenant) idle() {
	if !t.cell.drain() {
		return
	}
	t.cell.rest()
	timeout := t.cell.config().IdleTimeout
	unused := time.Duration(stamp() - t.cell.idleSince())
	if unused < timeout {
		t.arm(timeout-unused, dueIdle)
		return
	}
	t.life().reason = fmt.Sprintf("nobody used it for %s", timeout)
	t.step(EventIdle, ThenKeep)
}

// answer tells everybody who waits.
func (t *tenant) answer(r *Refusal) {
	l := t.life()
	for w := range l.waiters {
		w.tell(r)
	}
	clear(l.waiters)
}

// refusal is what those who wait are told in this state.
func (t *tenant) refusal() *Refusal {
	l := t.life()
	if l.refusal != nil {
		return l.refusal
	}
	switch m := l.machine; {
	case m.State == Held || m.Then == ThenHold:
		return &Refusal{Cause: CauseHeld, Reason: t.cell.name.String() + " is held"}
	case m.State == Failed || m.Then == ThenFail:
		return &Refusal{Cause: CauseFailed, RetryAfter: t.untilRetry(), Reason: l.reason}
	case m.State == Ended || m.Then == ThenEnd:
		return &Refusal{Cause: CauseStopping, RetryAfter: time.Second, Reason: ErrStopping.Error()}
	}
	return &Refusal{Cause: CauseStartFailed, RetryAfter: time.Second, Reason: l.reason}
}

// untilRetry is when a visitor should come back, at least a second.
func (t *tenant) untilRetry() time.Duration {
	return max(time.Second, time.Duration(t.life().retryAt-stamp()))
}

// refuseHurried applies the one rule: a request waits for a backoff when the
// delay and a start fit into what it has left.
func (t *tenant) refuseHurried() {
	l := t.life()
	start := l.retryAt + int64(t.cell.config().StartupTimeout)
	for w := range l.waiters {
		if w.deadline < start {
			w.tell(&Refusal{Cause: CauseBackoff, RetryAfter: t.untilRetry(), Reason: l.reason})
			delete(l.waiters, w)
		}
	}
}

func (t *tenant) terminate() {
	l := t.life()
	t.closeWay()
	l.askedAt = stamp()
	t.h.toAccountant(&departing{cell: t.cell, gen: l.gen, usage: l.process.Usage()})
	t.signal(l.process.Terminate, "SIGTERM")
	t.arm(graceTime, dueGrace)
}

func (t *tenant) kill() {
	l := t.life()
	t.closeWay()
	t.signal(l.process.Kill, "SIGKILL")
	t.arm(graceTime, dueGrace)
	if n := t.cell.exit.Load(); n != nil && n.gen == l.gen {
		t.clear()
	}
}

func (t *tenant) closeWay() {
	l := t.life()
	t.cell.rest()
	if l.stopReady != nil {
		l.stopReady()
	}
	if l.way != nil {
		_ = l.way.Conns.Close() // idle connections to a process that ends: nothing to lose
		l.way = nil
	}
}

func (t *tenant) signal(send func() error, name string) {
	if err := send(); err != nil {
		t.log().Warn().Err(err).Msg("cannot send " + name)
	}
}

// clear takes away what an ended process left, in a goroutine: it may have to
// wait for the rest of the tree. Who was asked to end has the whole grace for
// it, even if the main process was quicker; Kill cuts that short.
func (t *tenant) clear() {
	l := t.life()
	t.closeWay()
	if l.clearing != nil {
		return
	}
	result := make(chan error, 1)
	l.clearing = result
	var patience time.Duration
	if l.askedAt != 0 {
		patience = graceTime - time.Duration(stamp()-l.askedAt)
	}
	h, cell, gen, p, asked := t.h, t.cell, l.gen, l.process, l.askedAt != 0
	go func() {
		if !asked {
			letFinish(cell)
		}
		p.Settle(patience)
		result <- p.Release()
		h.tell(cell, &gone{gen: gen})
	}()
}

// lastWords is how long the workers of a process that died by itself may take to
// answer those who are inside with them.
const lastWords = 100 * time.Millisecond

// letFinish leaves a tree whose main process died by itself alone while somebody
// is inside, within limits: a request that a worker has taken is not torn from it.
// Where nobody of the tree is left, the kernel tells those inside at once.
func letFinish(c *Cell) {
	for began := time.Now(); c.inflight.Load() > 0 && time.Since(began) < lastWords; {
		time.Sleep(time.Millisecond)
	}
}

// farewell forgets a process of which nothing is left.
func (t *tenant) farewell() {
	l := t.life()
	t.forgetProcess()
	t.h.launcher.ReleasePort(l.spec.Port)
	l.spec = sandbox.Spec{}
	t.cell.made.Store(nil)
	if then := l.machine.Then; l.readyAt != 0 && then != ThenRetry && then != ThenFail {
		l.suspect = false // it was up and has not failed
	}
	t.hangUp()
}

func (t *tenant) hangUp() {
	if l := t.life(); l.log != nil {
		l.log.Close()
		l.log = nil
	}
}

// note puts a line of ours among the tenant's own.
func (t *tenant) note(text string) {
	if l := t.life(); l.log != nil {
		l.log.Note(text)
		return
	}
	w := t.h.journal.Writer(t.cell.name)
	w.Note(text)
	w.Close()
}

// scrub removes the data of a tenant whose storage is not to persist.
func (t *tenant) scrub() {
	if t.cell.config().StoragePersist {
		return
	}
	dir := t.h.instanceDir(t.cell.name)
	if err := os.RemoveAll(dir); err != nil {
		t.life().stopErr = fmt.Errorf("cannot remove %s (storage_persist = false): %w", dir, err)
		t.log().Error().Err(err).Msg("cannot remove a tenant's directory")
	}
}

func (t *tenant) settle() {
	l := t.life()
	for _, done := range l.stops {
		reply(done, l.stopErr)
	}
	l.stops, l.stopErr = nil, nil
}
