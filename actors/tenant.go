package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"tenement/conf"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// maxWaiters bounds those who wait for one tenant; further visitors get a 503.
const maxWaiters = 1024

// tenant is the actor of one tenant: it turns messages into events of the
// lifecycle table and carries the effects out (effects.go).
type tenant struct {
	h    *Host
	cell *Cell

	// followUps are events that an effect brought about, taken when the
	// transition that caused them is complete.
	followUps []followUp
}

type followUp struct {
	event   Event
	verdict Then
}

func newTenant(h *Host, cell *Cell) *tenant { return &tenant{h: h, cell: cell} }

// log is made when there is something to say: a kept one is half a kilobyte of
// each sleeper's.
func (t *tenant) log() *zerolog.Logger {
	log := t.h.log.With().Str("service", t.cell.name.Service).Str("tenant", t.cell.name.ID).Logger()
	return &log
}

func (t *tenant) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		if !t.cell.born() {
			t.resume()
		}
	case *wake:
		t.wake(m.w)
	case *left:
		delete(t.life().waiters, m.w)
		t.cell.publish()
	case *order:
		t.obey(m)
	case *granted:
		t.about(m.gen, Queued, func() { t.step(EventGranted, ThenKeep) })
	case *denied:
		t.about(m.gen, Queued, func() { t.deny(m.refusal) })
	case *evict:
		t.makeRoom(m.gen)
	case *ready:
		t.about(m.gen, Starting, func() { t.listening(m) })
	case *exited:
		t.exited(m.gen)
	case *hit:
		t.hitLimit(m)
	case *gone:
		t.gone(m.gen)
	case *emptied:
		t.emptied()
	case *connFailed:
		t.about(m.gen, Running, t.verify)
	case *verified:
		t.about(m.gen, Running, func() { t.verified(m) })
	case *checked:
		t.about(m.gen, Running, func() { t.checked(m) })
	case *measured:
		t.about(m.gen, Running, func() { t.measured(m) })
	case *reconfigured:
		t.reconfigured(m)
	case *relimited:
		reply(m.done, t.relimit())
	case *execute:
		m.answer <- entered{t.life().process, t.life().spec.Env}
	case *due:
		t.due(m)
	}
}

func (t *tenant) life() *life { return t.cell.life }

// about runs f when a message is about this generation in this state; a stale
// message means nothing.
func (t *tenant) about(gen uint64, in State, f func()) {
	if l := t.life(); l.gen == gen && l.machine.State == in {
		f()
	}
}

// step moves the tenant through the table and carries the effects out.
func (t *tenant) step(e Event, verdict Then) {
	l := t.life()
	from := l.machine
	next, effects, known := from.Step(e, verdict)
	if !known {
		t.log().Debug().Stringer("state", from.State).Stringer("event", e).Msg("event means nothing here")
		return
	}
	l.machine = next
	if next.State != from.State {
		l.since = time.Now()
	}
	t.cell.publish()
	t.carryOutAll(effects)
	if next.State != from.State {
		t.announce(from.State, e)
	}
	t.follow()
}

func (t *tenant) carryOutAll(effects []Effect) {
	for _, effect := range effects {
		t.carryOut(effect)
	}
	t.life().refusal = nil
	t.cell.publish()
}

func (t *tenant) follow() {
	if len(t.followUps) > 0 {
		f := t.followUps[0]
		t.followUps = t.followUps[1:]
		t.step(f.event, f.verdict)
	}
}

func (t *tenant) then(e Event, verdict Then) {
	t.followUps = append(t.followUps, followUp{e, verdict})
}

func (t *tenant) announce(from State, e Event) {
	l := t.life()
	ev := t.log().Info().Stringer("from", from).Stringer("state", l.machine.State).Stringer("event", e).Uint64("generation", l.gen)
	if l.reason != "" {
		ev = ev.Str("reason", l.reason)
	}
	ev.Msg("tenant")
	t.h.chronicle.add(Occurrence{
		Time: time.Now(), Name: t.cell.name, From: from, To: l.machine.State, Event: e, Reason: l.reason, Limit: l.limit, Generation: l.gen,
	})
	t.h.observe(t.cell.name, from, l.machine.State, l.reason)
}

func (t *tenant) wake(w *waiter) {
	l := t.life()
	if len(l.waiters) >= maxWaiters {
		w.tell(&Refusal{Cause: CauseQueueFull, RetryAfter: time.Second,
			Reason: fmt.Sprintf("%d requests already wait for %s", len(l.waiters), t.cell.name)})
		return
	}
	l.waiters[w] = struct{}{}
	if l.verifying && l.machine.State == Running {
		return // its process refused a connection: whether it still serves is being found out
	}
	if l.machine.State == Failed && stamp() >= l.retryAt {
		t.step(EventTrial, ThenKeep)
		return
	}
	t.step(EventWake, ThenKeep)
}

func (t *tenant) obey(m *order) {
	l := t.life()
	if m.w != nil {
		l.waiters[m.w] = struct{}{}
	}
	if m.done != nil {
		l.stops = append(l.stops, m.done)
	}
	if next, _, _ := l.machine.Step(m.event, ThenKeep); next != l.machine {
		l.reason = cmp.Or(m.why, orderReasons[m.event])
		l.unattended = m.w == nil // an order that nobody waits for, to start: [instances]
	}
	l.trialNext = m.trial
	t.step(m.event, ThenKeep)
}

// orderReasons says in `why` whose wish the state is.
var orderReasons = map[Event]string{
	EventStop: "stopped by hand",
	EventHold: "held by hand",
	EventEnd:  "forgotten, or the daemon is stopping",
}

func (t *tenant) deny(r *Refusal) {
	t.life().refusal = r
	t.life().reason = r.Reason
	t.step(EventDenied, ThenKeep)
}

func (t *tenant) makeRoom(gen uint64) {
	l := t.life()
	if l.gen == gen && (l.machine.State == Draining || l.machine.State == Stopping) {
		return // it makes room already
	}
	if l.gen != gen || l.machine.State != Running || t.cell.inflight.Load() > 0 {
		t.h.toServices(&stays{cell: t.cell})
		return
	}
	l.reason = "put to sleep to make room (max_awake)"
	t.step(EventIdle, ThenKeep)
}

func (t *tenant) listening(m *ready) {
	l := t.life()
	switch {
	case m.err == nil:
	case errors.Is(m.err, sandbox.ErrExited):
		return // its end is news of its own, with the status
	case errors.Is(m.err, context.DeadlineExceeded):
		t.hung(fmt.Sprintf("not ready after %s (startup_timeout): %v", t.cell.config().StartupTimeout, m.err))
		return
	default:
		t.hung(fmt.Sprintf("cannot tell whether it listens: %v", m.err))
		return
	}
	l.readyAt = stamp()
	l.phases.Ready = time.Since(l.startedAt)
	t.h.woken(t.cell.name, l.phases)
	t.h.toAccountant(&woke{cell: t.cell, gen: l.gen})
	l.reason, l.trial = "", false
	l.health = health{always: t.cell.config().Health == ""}
	l.way = &Way{
		Generation: l.gen, Endpoint: m.endpoint, RequestTimeout: t.cell.config().RequestTimeout,
		Conns: t.h.o.Conns(m.endpoint, t.cell.config().Front),
	}
	t.step(EventReady, ThenKeep)
}

// exited: the process ended, by order or by itself.
func (t *tenant) exited(gen uint64) {
	l := t.life()
	n := t.cell.exit.Load()
	if l.gen != gen || n == nil || n.gen != gen || l.process == nil {
		return
	}
	if l.hook != hookNone && t.hookEnded(n.status) {
		return
	}
	verdict := ThenKeep
	if s := l.machine.State; s == Starting || s == Running {
		verdict = t.verdict(n)
	}
	t.step(EventDied, verdict)
}

// verdict applies the restart policy to a process that ended by itself.
func (t *tenant) verdict(n *exitNews) Then {
	l := t.life()
	how := ending(t.cell.config(), n.status)
	l.reason = "its process ended by itself: " + how
	if l.machine.State == Starting {
		l.reason = "its process ended before it was ready: " + how
	}
	l.hit(string(n.status.Hit))
	l.last = ended{at: time.Now(), text: how}
	t.note(l.reason)
	if l.machine.State == Starting || !n.status.Clean() {
		if verdict, onTrial := t.fault(); onTrial {
			return verdict
		}
	}
	restart := t.cell.config().Restart
	switch {
	case restart != conf.RestartNever && (restart != conf.RestartOnFailure || !n.status.Clean()):
		return t.countFailure()
	case l.machine.State == Running && len(l.waiters) > 0:
		return ThenWake // they came to a shut socket: the next process serves them
	}
	return ThenSleep
}

// countFailure asks the policy what follows one more failure. A start that
// follows an open circuit is a single try, however long ago the failures were.
func (t *tenant) countFailure() Then {
	l := t.life()
	if l.readyAt != 0 && stamp()-l.readyAt >= int64(t.h.policy().Window) {
		t.forgive()
	}
	delay, giveUp := l.failures.Add(stamp(), t.h.policy())
	if giveUp || l.suspect {
		return t.giveUp()
	}
	l.retryAt = stamp() + int64(delay)
	return ThenRetry
}

// giveUp opens the circuit.
func (t *tenant) giveUp() Then {
	l := t.life()
	l.suspect = true
	l.retryAt = stamp() + int64(t.h.Config().Settings.CircuitCooldown)
	return ThenFail
}

func (t *tenant) forgive() {
	l := t.life()
	l.failures.Clear()
	l.retryAt, l.suspect = 0, false
}

// hung gives a process up that lives and does not serve.
func (t *tenant) hung(reason string) {
	l := t.life()
	l.reason = reason
	t.note(reason)
	if verdict, onTrial := t.fault(); onTrial {
		t.step(EventOverdue, verdict)
		return
	}
	verdict := t.failureVerdict()
	if l.machine.State == Starting {
		l.refusal = &Refusal{Cause: CauseStartTimeout, Reason: reason}
		if verdict == ThenRetry {
			verdict = ThenSleep // nobody saw it run: the next visitor is the next try
		}
	}
	t.step(EventHung, verdict)
}

func (t *tenant) gone(gen uint64) {
	l := t.life()
	if l.gen != gen || l.machine.State != Stopping && l.hook == hookNone {
		return
	}
	var err error
	select {
	case err = <-l.clearing:
	default:
		return
	}
	l.clearing = nil
	if err != nil {
		// Somebody of the old generation is still there: a second process of
		// this tenant must not be. Try again until it is gone.
		t.log().Error().Err(err).Msg("cannot clear a tenant's process tree; trying again")
		t.arm(time.Second, map[bool]deadline{false: dueGrace, true: dueHook}[l.machine.State == Starting])
		return
	}
	if t.nextLaunch() {
		return
	}
	t.farewell()
	t.step(EventGone, ThenKeep)
}

// emptied: the last one inside has left.
func (t *tenant) emptied() {
	switch t.life().machine.State {
	case Draining:
		if t.cell.inflight.Load() == 0 {
			t.step(EventDrained, ThenKeep)
		}
	case Running:
		if t.cell.config().IdleTimeout > 0 {
			t.idle()
		}
	}
}
