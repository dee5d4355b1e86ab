package actors

import (
	"context"
	"errors"
	"fmt"

	"tenement/actors/journal"
	"tenement/actors/ledger"
	"tenement/conf"
)

// Journal is where the tenants' logs are.
func (h *Host) Journal() *journal.Journal { return h.journal }

// Spawn registers a tenant, lifts a hold, wakes it, and returns when it listens.
func (h *Host) Spawn(ctx context.Context, name conf.Instance) (Info, error) {
	s := h.service(name.Service)
	if s == nil {
		return Info{}, ErrUnknownService
	}
	if s.refused() != nil {
		return Info{}, s.refused()
	}
	if err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) { return r.spawned(name) }); err != nil {
		return Info{}, err
	}
	return h.bringUp(ctx, name, EventSummon)
}

// spawned plans a tenant that takes part in the apex's choice and is not held.
func (r *records) spawned(name conf.Instance) ([]ledger.Change, error) {
	t, known := r.get(name.ID)
	if known && t.Weighted && !t.Held {
		return nil, nil
	}
	if !known {
		var err error
		if t, err = r.fresh(name); err != nil {
			return nil, err
		}
	}
	t.Weighted, t.Held = true, false
	return []ledger.Change{ledger.PutTenant{Tenant: t}}, nil
}

// Restart ends a tenant's process and starts a new one; a sleeper is woken, a
// hold lifted, a failed one tried again.
func (h *Host) Restart(ctx context.Context, name conf.Instance) (Info, error) {
	if err := h.change(ctx, name, func(t *ledger.Tenant) { t.Held = false }); err != nil {
		return Info{}, err
	}
	return h.bringUp(ctx, name, EventRestart)
}

func (h *Host) bringUp(ctx context.Context, name conf.Instance, e Event) (Info, error) {
	c := h.cell(name)
	if c == nil {
		return Info{}, ErrUnknownTenant
	}
	refusal, err := h.await(ctx, c, h.patience(c)+int64(drainTime+graceTime), func(w *waiter) message { return &order{event: e, w: w} })
	if err != nil {
		return Info{}, err
	}
	if refusal != nil {
		return Info{}, refusal
	}
	return h.Info(name)
}

// Stop puts a tenant to sleep and returns when its process is gone.
func (h *Host) Stop(ctx context.Context, name conf.Instance) error {
	c := h.cell(name)
	if c == nil {
		return h.unknown(name)
	}
	return h.settle(ctx, c, EventStop)
}

// Hold puts a tenant to sleep until Unhold, Spawn or Restart, over restarts of
// the daemon too; it returns when the process is gone.
func (h *Host) Hold(ctx context.Context, name conf.Instance) error {
	if err := h.change(ctx, name, func(t *ledger.Tenant) { t.Held = true }); err != nil {
		return err
	}
	return h.settle(ctx, h.cell(name), EventHold)
}

// Unhold lets the next request wake a held tenant.
func (h *Host) Unhold(ctx context.Context, name conf.Instance) error {
	if err := h.change(ctx, name, func(t *ledger.Tenant) { t.Held = false }); err != nil {
		return err
	}
	return h.settle(ctx, h.cell(name), EventUnhold)
}

// settle orders something and waits until it is done.
func (h *Host) settle(ctx context.Context, c *Cell, e Event) error {
	if c == nil {
		return ErrUnknownTenant
	}
	if c.rested() {
		return nil // never woken: nothing to end, and its record says the rest
	}
	done := make(chan error, 1)
	h.tell(c, &order{event: e, done: done})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetWeight sets a tenant's share of the apex's traffic, 0 (none) to 100.
func (h *Host) SetWeight(ctx context.Context, name conf.Instance, weight int) error {
	if err := checkWeight(weight); err != nil {
		return err
	}
	return h.change(ctx, name, func(t *ledger.Tenant) { t.Weight = weight })
}

func checkWeight(weight int) error {
	if weight < 0 || weight > 100 {
		return fmt.Errorf("weight %d: expected 0 to 100", weight)
	}
	return nil
}

// Register makes tenants known without starting them, all or none of a service;
// added counts those that were not known before.
func (h *Host) Register(ctx context.Context, names []conf.Instance) (added int, err error) {
	byService := map[string][]conf.Instance{}
	for _, n := range names {
		if h.service(n.Service) == nil {
			return 0, fmt.Errorf("%s: %w", n, ErrUnknownService)
		}
		byService[n.Service] = append(byService[n.Service], n)
	}
	for service, group := range byService {
		n := 0
		err := h.edit(ctx, h.service(service), func(r *records) ([]ledger.Change, error) {
			changes, err := r.registerAll(group)
			n = len(changes)
			return changes, err
		})
		if err != nil {
			return added, err
		}
		added += n
	}
	return added, nil
}

// registerAll plans new tenants; the same name twice is one tenant.
func (r *records) registerAll(names []conf.Instance) ([]ledger.Change, error) {
	var changes []ledger.Change
	seen := map[conf.Instance]bool{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		c, err := r.register(name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c...)
	}
	return changes, nil
}

// StartListed registers and wakes the tenants of [instances]; the listener is
// bound by now, so that they can be reached. It does not wait for them.
func (h *Host) StartListed(ctx context.Context) error {
	var errs []error
	for _, name := range h.Config().Instances {
		s := h.service(name.Service)
		if s.refused() != nil {
			continue // said at load
		}
		err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) { return r.listed(name) })
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot start %s: %w", name, err))
			continue
		}
		h.tell(h.cell(name), &order{event: EventWake})
	}
	return errors.Join(errs...)
}

// listed plans a tenant of [instances]: like spawned, but what an operator held
// stays held.
func (r *records) listed(name conf.Instance) ([]ledger.Change, error) {
	if t, known := r.get(name.ID); known {
		if t.Weighted {
			return nil, nil
		}
		t.Weighted = true
		return []ledger.Change{ledger.PutTenant{Tenant: t}}, nil
	}
	return r.spawned(name)
}

// change edits the record of a registered tenant.
func (h *Host) change(ctx context.Context, name conf.Instance, f func(*ledger.Tenant)) error {
	s := h.service(name.Service)
	if s == nil {
		return ErrUnknownService
	}
	return h.edit(ctx, s, func(r *records) ([]ledger.Change, error) {
		t, known := r.get(name.ID)
		if !known {
			return nil, ErrUnknownTenant
		}
		before := t
		f(&t)
		if before.Held == t.Held && before.Weight == t.Weight && before.Weighted == t.Weighted {
			return nil, nil
		}
		return []ledger.Change{ledger.PutTenant{Tenant: t}}, nil
	})
}

// edit has a service plan and store a change, and waits for it.
func (h *Host) edit(ctx context.Context, s *service, plan func(*records) ([]ledger.Change, error)) error {
	if h.stopping.Load() {
		return ErrStopping
	}
	answer := make(chan error, 1)
	h.root().Send(s.pid.Load(), &edit{plan: plan, applied: func(err error) { reply(answer, err) }})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unknown tells an unknown service from an unknown tenant.
func (h *Host) unknown(name conf.Instance) error {
	if h.service(name.Service) == nil {
		return ErrUnknownService
	}
	return ErrUnknownTenant
}
