package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tenement/sandbox"
)

// checkTimeout is how long a tenant has to answer a health check.
const checkTimeout = 5 * time.Second

// check asks the tenant how it is, in a goroutine that ends by checkTimeout. A
// tenant that is answering a visitor is not asked: it may be able to do one
// thing at a time.
func (t *tenant) check() {
	l := t.life()
	if t.cell.inflight.Load() > 0 {
		t.armCheck()
		return
	}
	h, cell, gen, began := t.h, t.cell, l.gen, stamp()
	endpoint, path := l.way.Endpoint, cell.config().Health
	host := cell.name.ID + "." + cell.name.Service + "." + h.o.Domain
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		defer cancel()
		h.tell(cell, &checked{gen: gen, began: began, err: h.o.Probe(ctx, endpoint, path, host)})
	}()
}

func (t *tenant) checked(m *checked) {
	l := t.life()
	before := l.health.String()
	switch {
	case m.err == nil:
		l.health = l.health.passed()
	case t.cell.inflight.Load() > 0 || t.cell.lastUsed.Load() > m.began:
		// It was busy with a visitor: not a failure.
	default:
		l.health = l.health.missed()
		t.log().Debug().Err(m.err).Msg("health check failed")
	}
	if l.health.unhealthy() {
		t.hung(fmt.Sprintf("unhealthy: %d checks of %s failed, the last: %v", unhealthyAfter, t.cell.config().Health, m.err))
		return
	}
	if l.health.String() != before {
		t.cell.publish()
	}
	t.armCheck()
}

func (t *tenant) armCheck() { t.arm(t.h.Config().Settings.HealthCheckInterval, dueCheck) }

// verify looks into a refused connection: a process that lives and no longer
// listens is as good as dead, one that listens was only busy. Visitors wait
// meanwhile; mostly the process has just died, and the next one will serve them.
func (t *tenant) verify() {
	l := t.life()
	if l.verifying {
		return
	}
	l.verifying = true
	h, cell, gen, p := t.h, t.cell, l.gen, l.process
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		h.tell(cell, &verified{gen: gen, err: p.Listens(ctx)})
	}()
}

func (t *tenant) verified(m *verified) {
	t.life().verifying = false
	switch {
	case m.err == nil:
		t.step(EventWake, ThenKeep) // who came meanwhile is let in
	case errors.Is(m.err, sandbox.ErrExited):
		// the end of a process is news of its own
	default:
		t.hung("it lives, but no longer listens")
	}
}
