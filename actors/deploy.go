package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// healthLook is how often a deployment looks whether its tenant is healthy.
const healthLook = 20 * time.Millisecond

// Deploy registers and wakes a tenant, waits until it is healthy, patience at
// most, and gives it its share of the apex's traffic only then. After an error
// its share is what it was, none for a new one, and it sleeps again if it did
// before.
func (h *Host) Deploy(ctx context.Context, name conf.Instance, weight int, patience time.Duration) (Info, error) {
	if err := checkWeight(weight); err != nil {
		return Info{}, err
	}
	s := h.service(name.Service)
	if s == nil {
		return Info{}, ErrUnknownService
	}
	if s.refused() != nil {
		return Info{}, s.refused()
	}
	if err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) { return r.candidate(name) }); err != nil {
		return Info{}, err
	}
	before, err := h.Info(name)
	if err != nil {
		return Info{}, err
	}
	if err := h.healthy(ctx, name, patience); err != nil {
		if !before.Awake() {
			err = errors.Join(err, h.withdraw(name))
		}
		return Info{}, err
	}
	if err := h.change(ctx, name, func(t *ledger.Tenant) { t.Weight, t.Weighted = weight, true }); err != nil {
		return Info{}, err
	}
	return h.Info(name)
}

// candidate plans a tenant that may wake and gets no traffic of the apex's that
// it has not had before.
func (r *records) candidate(name conf.Instance) ([]ledger.Change, error) {
	t, known := r.get(name.ID)
	if known && !t.Held {
		return nil, nil
	}
	if !known {
		var err error
		if t, err = r.fresh(name); err != nil {
			return nil, err
		}
		t.Weight = 0
	}
	t.Held = false
	return []ledger.Change{ledger.PutTenant{Tenant: t}}, nil
}

// healthy wakes a tenant and waits until a check of its health has passed.
func (h *Host) healthy(ctx context.Context, name conf.Instance, patience time.Duration) error {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info, err := h.bringUp(within, name, EventSummon)
	look := time.NewTicker(healthLook)
	defer look.Stop()
	for err == nil && info.Health != "healthy" {
		select {
		case <-within.Done():
			err = within.Err()
		case <-look.C:
			if info, err = h.Info(name); err == nil && !info.Awake() {
				return &Refusal{Cause: CauseStartFailed, Reason: "it did not stay up: " + info.Reason}
			}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &Refusal{Cause: CauseStartTimeout, Reason: fmt.Sprintf("not healthy within %s: its health is %s; `ten why %s` says more", patience, h.healthOf(name), name)}
	}
	return err
}

func (h *Host) healthOf(name conf.Instance) string {
	info, err := h.Info(name)
	if err != nil {
		return err.Error()
	}
	return info.Health
}

// withdraw puts what was not fit to be deployed to sleep again; the caller may
// have left.
func (h *Host) withdraw(name conf.Instance) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime+2*graceTime)
	defer cancel()
	return h.Stop(ctx, name)
}

// The weights that Route gives.
const (
	RoutedFrom = 0
	RoutedTo   = 100
)

// Route moves the apex's traffic from one tenant of a service to another, both
// in one transaction.
func (h *Host) Route(ctx context.Context, from, to conf.Instance) error {
	s := h.service(from.Service)
	switch {
	case s == nil:
		return ErrUnknownService
	case from.Service != to.Service || from == to:
		return fmt.Errorf("from %s to %s: two tenants of one service are expected", from, to)
	}
	return h.edit(ctx, s, func(r *records) ([]ledger.Change, error) {
		var changes []ledger.Change
		for name, weight := range map[conf.Instance]int{from: RoutedFrom, to: RoutedTo} {
			t, known := r.get(name.ID)
			if !known {
				return nil, fmt.Errorf("%s: %w", name, ErrUnknownTenant)
			}
			t.Weight, t.Weighted = weight, true
			changes = append(changes, ledger.PutTenant{Tenant: t})
		}
		return changes, nil
	})
}
