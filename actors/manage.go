package actors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tenement/actors/journal"
	"tenement/actors/ledger"
	"tenement/conf"
)

// Journal is where the tenants' logs are.
func (h *Host) Journal() *journal.Journal { return h.journal }

// Spawn registers a tenant, lifts a hold, wakes it, and returns when it listens.
func (h *Host) Spawn(ctx context.Context, name conf.Instance) (Info, error) {
	s := h.services[name.Service]
	if s == nil {
		return Info{}, ErrUnknownService
	}
	if s.refused != nil {
		return Info{}, s.refused
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
	if c.pid.Load() == nil {
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
	if weight < 0 || weight > 100 {
		return fmt.Errorf("weight %d: expected 0 to 100", weight)
	}
	return h.change(ctx, name, func(t *ledger.Tenant) { t.Weight = weight })
}

// Register makes tenants known without starting them, all or none of a service;
// added counts those that were not known before.
func (h *Host) Register(ctx context.Context, names []conf.Instance) (added int, err error) {
	byService := map[string][]conf.Instance{}
	for _, n := range names {
		if h.services[n.Service] == nil {
			return 0, fmt.Errorf("%s: %w", n, ErrUnknownService)
		}
		byService[n.Service] = append(byService[n.Service], n)
	}
	for service, group := range byService {
		n := 0
		err := h.edit(ctx, h.services[service], func(r *records) ([]ledger.Change, error) {
			var changes []ledger.Change
			for _, name := range group {
				c, err := r.register(name)
				if err != nil {
					return nil, err
				}
				r.follow(c) // the same name twice in one list is one tenant
				changes = append(changes, c...)
			}
			n = len(changes)
			return changes, nil
		})
		if err != nil {
			return added, err
		}
		added += n
	}
	return added, nil
}

// StartListed registers and wakes the tenants of [instances]; the listener is
// bound by now, so that they can be reached. It does not wait for them.
func (h *Host) StartListed(ctx context.Context) error {
	var errs []error
	for _, name := range h.config.Instances {
		s := h.services[name.Service]
		if s.refused != nil {
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
	s := h.services[name.Service]
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
	h.root().Send(s.pid.Load(), &edit{plan: plan, applied: func(err error) { answer <- err }})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Forget unregisters a tenant, ends its process and, with deleteData, removes
// its directory and its logs. Once the registry has forgotten it, the rest is
// done even when ctx ends.
func (h *Host) Forget(ctx context.Context, name conf.Instance, deleteData bool) error {
	s := h.services[name.Service]
	if s == nil {
		return ErrUnknownService
	}
	var c *Cell
	err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) {
		if _, known := r.get(name.ID); !known {
			return nil, ErrUnknownTenant
		}
		c = s.cell(name.ID)
		return []ledger.Change{ledger.DeleteTenant{Name: name, KeepUID: !deleteData}}, nil
	})
	if err != nil {
		return err
	}
	finished := make(chan error, 1)
	go func() { finished <- h.remove(c, deleteData) }()
	select {
	case err := <-finished:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remove ends what is left of a tenant that the registry has forgotten.
func (h *Host) remove(c *Cell, deleteData bool) error {
	err := h.settle(context.Background(), c, EventEnd)
	if deleteData {
		err = errors.Join(err, h.deleteData(c.name))
	}
	buried := make(chan struct{})
	h.root().Send(c.service.pid.Load(), &bury{cell: c, done: buried})
	<-buried
	return err
}

// deleteData removes a tenant's directory and logs, and follows no symlink out.
func (h *Host) deleteData(name conf.Instance) error {
	root, err := os.OpenRoot(h.o.DataDir)
	if err != nil {
		return fmt.Errorf("cannot delete the data of %s: %w", name, err)
	}
	defer root.Close()
	if err := root.RemoveAll(name.Service + "/" + name.ID); err != nil {
		return fmt.Errorf("cannot delete the data of %s: %w", name, err)
	}
	return h.journal.Remove(name)
}

// unknown tells an unknown service from an unknown tenant.
func (h *Host) unknown(name conf.Instance) error {
	if h.services[name.Service] == nil {
		return ErrUnknownService
	}
	return ErrUnknownTenant
}

// Token finds what a presented token may do; false for an unknown or expired
// one. It takes no lock, and looks up a digest: time tells nothing of the token.
func (h *Host) Token(plain string) (ledger.Token, bool) {
	t, ok := (*h.book.tokens.Load())[ledger.HashToken(plain)]
	if !ok || !t.Expires.IsZero() && time.Now().After(t.Expires) {
		return ledger.Token{}, false
	}
	return t, true
}

// IssueToken makes and stores a token and returns its plain text, once. A new
// admin token replaces the one before.
func (h *Host) IssueToken(ctx context.Context, t ledger.Token) (plain string, err error) {
	plain, t.Hash = ledger.NewToken()
	t.Created = time.Now().UTC()
	var change ledger.Change = ledger.PutToken{Token: t}
	if t.Scope == ledger.ScopeAdmin {
		change = ledger.ReplaceAdmin{Token: t}
	}
	stored := make(chan error, 1)
	h.root().Send(h.keeperPID, &commit{changes: []ledger.Change{change}, done: func(err error) { stored <- err }})
	select {
	case err = <-stored:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("cannot store the token: %w", err)
	}
	return plain, nil
}
