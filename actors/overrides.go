package actors

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"tenement/actors/ledger"
	"tenement/conf"
)

// Overrides is a change of what a tenant has of its own in place of its service's.
// What it does not name stays as it is; nil takes away.
type Overrides struct {
	Env     map[string]*string
	Secrets map[string]*string // variables like those of Env, whose values are never shown
	Limits  map[string]*float64
	Weight  *int
}

// Overridden is what became of it.
type Overridden struct {
	Name   conf.Instance
	Added  bool // the tenant was not known before
	Env    bool // its variables changed
	Limits bool
	Weight bool
	// Running: it has a process, which keeps the variables that it was started with.
	Running bool
	// Late says which limits its process cannot be given before its next start; nil = none.
	Late error
}

// Changed reports that anything did.
func (o Overridden) Changed() bool { return o.Added || o.Env || o.Limits || o.Weight }

// Override changes a tenant's own settings. Limits hold for its process at once,
// where the kernel can; variables are those of its next one.
func (h *Host) Override(ctx context.Context, name conf.Instance, o Overrides) (Overridden, error) {
	s := h.service(name.Service)
	if s == nil {
		return Overridden{}, ErrUnknownService
	}
	var done Overridden
	err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) {
		t, known := r.get(name.ID)
		if !known {
			return nil, ErrUnknownTenant
		}
		next, overridden, err := h.overridden(s.config(), t, o)
		done = overridden
		if err != nil || !done.Changed() {
			return nil, err
		}
		return []ledger.Change{ledger.PutTenant{Tenant: next}}, nil
	})
	if err != nil {
		return Overridden{}, err
	}
	return h.felt(ctx, done), nil
}

// overridden is a record with a change made to it, if this host can keep it.
func (h *Host) overridden(config *conf.Service, t ledger.Tenant, o Overrides) (ledger.Tenant, Overridden, error) {
	next, done, err := o.on(t)
	if err != nil {
		return t, done, &OverrideError{err}
	}
	if done.Limits {
		if err := h.launcher.Enforces(askedLimits(config.With(next.Limits))); err != nil {
			return t, done, &OverrideError{err}
		}
	}
	return next, done, nil
}

// OverrideError says why a tenant cannot have a setting. No value of a variable is in it.
type OverrideError struct{ Err error }

func (e *OverrideError) Error() string { return e.Err.Error() }
func (e *OverrideError) Unwrap() error { return e.Err }

// on makes the change to a record.
func (o Overrides) on(t ledger.Tenant) (ledger.Tenant, Overridden, error) {
	next, done := t, Overridden{Name: t.Name}
	if err := o.check(); err != nil {
		return t, done, err
	}
	next.Env, next.Secrets = maps.Clone(t.Env), maps.Clone(t.Secrets)
	for name, value := range o.Env { // a variable is one of the two
		next.Env, next.Secrets = with(next.Env, name, value), with(next.Secrets, name, nil)
	}
	for name, value := range o.Secrets {
		next.Env, next.Secrets = with(next.Env, name, nil), with(next.Secrets, name, value)
	}
	next.Limits = maps.Clone(t.Limits)
	for name, n := range o.Limits {
		next.Limits = with(next.Limits, name, n)
	}
	if o.Weight != nil {
		next.Weight = *o.Weight
	}
	done.Env = !maps.Equal(t.Env, next.Env) || !maps.Equal(t.Secrets, next.Secrets)
	done.Limits = !maps.Equal(t.Limits, next.Limits)
	done.Weight = t.Weight != next.Weight
	return next, done, next.Fits()
}

// with sets a key of a map, which may be nil, or deletes it.
func with[M ~map[string]V, V any](m M, key string, value *V) M {
	if value == nil {
		delete(m, key)
		return m
	}
	if m == nil {
		m = M{}
	}
	m[key] = *value
	return m
}

// check refuses what no tenant can have.
func (o Overrides) check() error {
	for _, variables := range []map[string]*string{o.Env, o.Secrets} {
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			_, plain := o.Env[name]
			_, secret := o.Secrets[name]
			if plain && secret {
				return fmt.Errorf("%q stands in env and in secrets: it is one or the other", name)
			}
			if value := variables[name]; value != nil {
				if err := conf.CheckVariable(name, *value); err != nil {
					return err
				}
			}
		}
	}
	limits := conf.Limits{}
	for name, n := range o.Limits {
		limits[name] = 1 << 10 // a value that all take: it is the name that is looked at
		if n != nil {
			limits[name] = *n
		}
	}
	if err := limits.Check(); err != nil {
		return err
	}
	if o.Weight != nil {
		return checkWeight(*o.Weight)
	}
	return nil
}

// felt has a process follow its tenant's new limits and tells what waits.
func (h *Host) felt(ctx context.Context, done Overridden) Overridden {
	c := h.cell(done.Name)
	if c == nil { // forgotten meanwhile
		return done
	}
	if done.Limits {
		done.Late = h.relimit(ctx, c)
	}
	done.Running = h.describe(c).Awake()
	return done
}

// relimit waits until a process, if there is one, has its tenant's limits.
func (h *Host) relimit(ctx context.Context, c *Cell) error {
	if c.rested() {
		return nil
	}
	done := make(chan error, 1)
	h.tell(c, &relimited{done: done})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// relimit gives the process the limits that its tenant has by now. The kernel may
// take a moment to take memory away: the tenant's own mailbox waits, nobody else.
func (t *tenant) relimit() error {
	l, config := t.life(), t.cell.config()
	if l.process == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), measureTime)
	defer cancel()
	t.imposeQuota(ctx)
	switch {
	case config.StorageQuotaMB == 0:
		l.armed[dueMeasure], l.hoard.full = 0, false
		if l.limit == LimitQuota {
			l.limit = ""
		}
	case l.machine.State == Running:
		t.armMeasure()
	}
	t.cell.publish()
	return l.process.Limit(limitsOf(config))
}

// Variable is one of a tenant's own.
type Variable struct {
	Name   string
	Value  string // "" of a secret
	Secret bool
}

// Env lists a tenant's own variables by name; values of secrets are not in it.
func (h *Host) Env(name conf.Instance) ([]Variable, error) {
	c := h.cell(name)
	if c == nil {
		return nil, h.unknown(name)
	}
	record := c.record.Load()
	all := []Variable{}
	for k, v := range record.Env {
		all = append(all, Variable{Name: k, Value: v})
	}
	for k := range record.Secrets {
		all = append(all, Variable{Name: k, Secret: true})
	}
	slices.SortFunc(all, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Limits gives what a tenant may take: its own limits, and all that hold, 0 being none.
func (h *Host) Limits(name conf.Instance) (own, all conf.Limits, err error) {
	c := h.cell(name)
	if c == nil {
		return nil, nil, h.unknown(name)
	}
	return c.record.Load().Limits, c.config().Limits(), nil
}

// limited is a configuration with a tenant's own limits, made once for each pair of
// a record and what the service has.
type limited struct {
	record *ledger.Tenant
	base   *conf.Service
	config *conf.Service
}

// withLimits puts the tenant's own limits over a configuration.
func (c *Cell) withLimits(base *conf.Service) *conf.Service {
	record := c.record.Load()
	if len(record.Limits) == 0 {
		return base
	}
	if l := c.limited.Load(); l != nil && l.record == record && l.base == base {
		return l.config
	}
	l := &limited{record: record, base: base, config: base.With(record.Limits)}
	c.limited.Store(l)
	return l.config
}
