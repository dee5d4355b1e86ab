package actors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tenement/actors/ledger"
	"tenement/conf"
)

// Provision is one tenant of a list: it is registered if need be.
type Provision struct {
	Name      conf.Instance
	Overrides Overrides
}

// EntryError is what is wrong with one entry of a list.
type EntryError struct {
	Index int // from 0
	Err   error
}

func (e *EntryError) Error() string { return fmt.Sprintf("entry %d: %v", e.Index, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

// Provision registers the tenants of a list and changes their own settings; what is
// so already is left alone, so that the same list can be given again. An entry that
// cannot be is an *EntryError, and then nothing is changed. All of a service is one
// transaction. The answer is in the order of the list.
func (h *Host) Provision(ctx context.Context, list []Provision) ([]Overridden, error) {
	if err := h.provisionable(list); err != nil {
		return nil, err
	}
	indices := map[string][]int{}
	for i, p := range list {
		indices[p.Name.Service] = append(indices[p.Name.Service], i)
	}
	done := make([]Overridden, len(list))
	for _, service := range slices.Sorted(maps.Keys(indices)) {
		group := indices[service]
		s := h.service(service)
		if s == nil { // a reload removed it meanwhile
			return nil, halfway(service, indices, ErrUnknownService)
		}
		err := h.edit(ctx, s, func(r *records) ([]ledger.Change, error) {
			return r.provision(list, group, done)
		})
		if err != nil {
			return nil, halfway(service, indices, err)
		}
	}
	for i := range done {
		done[i] = h.felt(ctx, done[i])
	}
	return done, nil
}

// halfway tells of the services that come before the one that could not be done:
// each is a transaction of its own.
func halfway(failed string, indices map[string][]int, err error) error {
	var done []string
	for service := range indices {
		if service < failed {
			done = append(done, service)
		}
	}
	if len(done) == 0 {
		return err
	}
	slices.Sort(done)
	return fmt.Errorf("the entries of %s are done, those of %s and what follows are not: %v: give the list again", strings.Join(done, ", "), failed, err)
}

// provisionable looks at all entries before anything is done with one of them.
func (h *Host) provisionable(list []Provision) error {
	first := map[conf.Instance]int{}
	for i, p := range list {
		var err error
		s := h.service(p.Name.Service)
		earlier, twice := first[p.Name]
		switch {
		case s == nil:
			err = fmt.Errorf("%s: %w", p.Name, ErrUnknownService)
		case twice:
			err = fmt.Errorf("%s: it stands in entry %d already", p.Name, earlier)
		default:
			t := ledger.Tenant{Name: p.Name, UID: 1}
			if c := h.cell(p.Name); c != nil {
				t = *c.record.Load()
			}
			if _, _, err = h.overridden(s.config(), t, p.Overrides); err != nil {
				err = fmt.Errorf("%s: %w", p.Name, err)
			}
		}
		if err != nil {
			return &EntryError{i, err}
		}
		first[p.Name] = i
	}
	return nil
}

// provision plans the entries of one service.
func (r *records) provision(list []Provision, group []int, done []Overridden) ([]ledger.Change, error) {
	var changes []ledger.Change
	for _, i := range group {
		t, known := r.get(list[i].Name.ID)
		if !known {
			var err error
			if t, err = r.fresh(list[i].Name); err != nil {
				return nil, &EntryError{i, err}
			}
		}
		next, overridden, err := r.s.h.overridden(r.s.config(), t, list[i].Overrides)
		if err != nil {
			return nil, &EntryError{i, fmt.Errorf("%s: %w", t.Name, err)}
		}
		overridden.Added = !known
		if done[i] = overridden; overridden.Changed() {
			changes = append(changes, ledger.PutTenant{Tenant: next})
		}
	}
	return changes, nil
}
