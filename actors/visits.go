package actors

import (
	"context"
	"math/rand/v2"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// Config is the configuration the host runs by now.
func (h *Host) Config() *conf.Config { return h.current.Load() }

// Door gives the door of a registered tenant, nil for anybody else. It takes no
// lock; both names are valid and lower-case (conf.Name).
func (h *Host) Door(service, id string) *Door {
	if c := h.cell(conf.Instance{Service: service, ID: id}); c != nil {
		return &c.Door
	}
	return nil
}

func (h *Host) cell(name conf.Instance) *Cell {
	s := h.service(name.Service)
	if s == nil {
		return nil
	}
	return s.cell(name.ID)
}

// wakeSlack is how much longer than the rule says a visitor waits for an answer
// that should have come: nobody waits for ever because of a fault of ours.
const wakeSlack = 5 * time.Second

// Wake brings a tenant up and enters its door: the Way is given back by
// Door.Leave. It waits by the contract's one rule; a context that ends ends the
// wait, not the wake. Errors: *Refusal, ErrUnknownTenant, or the context's.
func (h *Host) Wake(ctx context.Context, d *Door) (*Way, error) {
	c := h.cell(d.name)
	if c == nil || &c.Door != d { // forgotten, perhaps registered anew: Leave would be another door's
		return nil, ErrUnknownTenant
	}
	for deadline := h.patience(c); ; {
		if refusal, err := h.await(ctx, c, deadline, func(w *waiter) message { return &wake{w: w} }); err != nil {
			return nil, err
		} else if refusal != nil {
			return nil, refusal
		}
		if way := c.Enter(); way != nil {
			return way, nil
		}
		if stamp() >= deadline { // it died again and again right after it was ready
			return nil, &Refusal{Cause: CauseBackoff, RetryAfter: time.Second, Reason: d.name.String() + " does not stay up"}
		}
	}
}

// patience is the stamp until which a request that comes now may wait.
func (h *Host) patience(c *Cell) int64 {
	return stamp() + int64(h.Config().Settings.QueueTimeout+c.config().StartupTimeout+hookTime(c.config()))
}

// await sends a tenant a message with a waiter in it and waits for the answer.
func (h *Host) await(ctx context.Context, c *Cell, deadline int64, m func(*waiter) message) (*Refusal, error) {
	if refusal := h.cannotRun(c); refusal != nil {
		return refusal, nil
	}
	w := newWaiter(deadline)
	h.tell(c, m(w))
	timer := time.NewTimer(time.Duration(deadline-stamp()) + wakeSlack)
	defer timer.Stop()
	select {
	case refusal := <-w.answer:
		return refusal, nil
	case <-ctx.Done():
		h.tell(c, &left{w: w})
		return nil, ctx.Err()
	case <-timer.C:
		h.tell(c, &left{w: w})
		h.log.Error().Stringer("tenant", c.name).Msg("nobody answered a visitor: please report it")
		return &Refusal{Cause: CauseQueueTimeout, RetryAfter: time.Second, Reason: "no answer from " + c.name.String()}, nil
	}
}

// cannotRun refuses what no actor needs to be asked about.
func (h *Host) cannotRun(c *Cell) *Refusal {
	switch {
	case h.stopping.Load():
		return &Refusal{Cause: CauseStopping, RetryAfter: time.Second, Reason: ErrStopping.Error()}
	case c.service.refused() != nil:
		return &Refusal{Cause: CauseServiceDown, Reason: c.service.refused().Error()}
	case !h.o.Owner.Owns(c.name):
		return &Refusal{Cause: CauseServiceDown, RetryAfter: time.Second, Reason: c.name.String() + " belongs to another host"}
	}
	return nil
}

// ConnFailed reports that the way of this generation refuses connections.
func (h *Host) ConnFailed(d *Door, generation uint64) {
	if c := h.cell(d.name); c != nil && &c.Door == d {
		h.tell(c, &connFailed{gen: generation})
	}
}

// Create registers a tenant because a visitor asked for it, where
// create_on_request allows it; else ErrUnknownTenant or ErrUnknownService.
func (h *Host) Create(ctx context.Context, name conf.Instance) (*Door, error) {
	s := h.service(name.Service)
	if s == nil {
		return nil, ErrUnknownService
	}
	mayCreate := s.config().CreateOnRequest == conf.CreateAlways ||
		s.config().CreateOnRequest == conf.CreateAuto && local(h.o.Domain)
	if !mayCreate || s.refused() != nil || !h.o.Owner.Owns(name) {
		return nil, ErrUnknownTenant
	}
	if err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) { return r.register(name) }); err != nil {
		return nil, err
	}
	if d := h.Door(name.Service, name.ID); d != nil {
		return d, nil
	}
	return nil, ErrUnknownTenant // forgotten in between
}

// register plans a new tenant; one that is known changes nothing.
func (r *records) register(name conf.Instance) ([]ledger.Change, error) {
	if _, known := r.get(name.ID); known {
		return nil, nil
	}
	t, err := r.fresh(name)
	if err != nil {
		return nil, err
	}
	return []ledger.Change{ledger.PutTenant{Tenant: t}}, nil
}

// Apex picks the tenant that S.DOMAIN serves: by weight among those that are
// awake, else anybody with a weight. ErrUnknownTenant: nobody.
func (h *Host) Apex(service string) (*Door, error) {
	s := h.service(service)
	if s == nil {
		return nil, ErrUnknownService
	}
	switch s.config().Apex {
	case conf.ApexNone:
		return nil, ErrUnknownTenant
	case conf.ApexWeighted:
		return s.pick(rand.IntN)
	}
	if c := s.cell(s.config().Apex); c != nil {
		return &c.Door, nil
	}
	return nil, ErrUnknownTenant
}

// pick chooses by weight; intN is rand.IntN.
func (s *service) pick(intN func(int) int) (*Door, error) {
	candidates := *s.weighted.Load()
	for _, usable := range []func(*Cell) bool{
		func(c *Cell) bool { return c.way.Load() != nil },
		func(c *Cell) bool { return c.mayWake() },
		func(*Cell) bool { return true },
	} {
		total := 0
		for _, c := range candidates {
			if usable(c) {
				total += c.record.Load().Weight
			}
		}
		if total == 0 {
			continue
		}
		n := intN(total)
		var last *Cell // what is usable may change between the two looks
		for _, c := range candidates {
			if weight := c.record.Load().Weight; weight > 0 && usable(c) {
				last = c
				if n -= weight; n < 0 {
					break
				}
			}
		}
		if last != nil {
			return &last.Door, nil
		}
	}
	return nil, ErrUnknownTenant
}

// mayWake: a visitor who picked it would not be turned away at once.
func (c *Cell) mayWake() bool {
	s := c.look().machine.State
	return s != Held && s != Failed && s != Ended
}
