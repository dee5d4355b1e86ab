package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// ErrUnknownDomain: no tenant has this domain.
var ErrUnknownDomain = errors.New("no tenant has this domain")

// OwnDomainError is the refusal of a domain under which tenement gives the names.
type OwnDomainError struct{ Domain, Own string }

func (e *OwnDomainError) Error() string {
	return fmt.Sprintf("%s is tenement's own: under %s tenants have their names without asking", e.Domain, e.Own)
}

// Domain finds the tenant that a domain of its customer's leads to. It takes no
// lock; the name is lower-case.
func (h *Host) Domain(name string) (conf.Instance, bool) {
	d, ok := (*h.book.domains.Load())[name]
	return d.Tenant, ok
}

// Domains are all domains of customers, sorted.
func (h *Host) Domains() []ledger.Domain {
	return slices.SortedFunc(maps.Values(*h.book.domains.Load()), func(a, b ledger.Domain) int { return cmp.Compare(a.Name, b.Name) })
}

// AddDomain leads a domain, in the form of conf.ParseDomain, to a registered
// tenant; added is false when it did so before. Errors: *OwnDomainError,
// *ledger.TakenError, ErrUnknownService, ErrUnknownTenant.
func (h *Host) AddDomain(ctx context.Context, domain string, name conf.Instance) (added bool, err error) {
	own := strings.ToLower(strings.TrimSuffix(h.o.Domain, "."))
	switch by, taken := h.Domain(domain); {
	case domain == own || strings.HasSuffix(domain, "."+own):
		return false, &OwnDomainError{Domain: domain, Own: own}
	case taken && by == name:
		return false, nil
	case taken:
		return false, &ledger.TakenError{Domain: domain, By: by}
	case h.cell(name) == nil:
		return false, h.unknown(name)
	}
	d := ledger.Domain{Name: domain, Tenant: name, Created: time.Now()}
	if err := h.keep(ctx, ledger.PutDomain{Domain: d}); err != nil {
		return false, err
	}
	return true, nil
}

// RemoveDomain takes a domain from its tenant and says whose it was.
func (h *Host) RemoveDomain(ctx context.Context, domain string) (conf.Instance, error) {
	name, ok := h.Domain(domain)
	if !ok {
		return name, fmt.Errorf("%s: %w", domain, ErrUnknownDomain)
	}
	return name, h.keep(ctx, ledger.DeleteDomain{Name: domain})
}

// loadDomains publishes the domains of registered tenants. Those of others, of
// tenants that an older tenement forgot, are deleted: whoever gets the tenant's
// name next must not get its customer's domain.
func (h *Host) loadDomains(tenants []ledger.Tenant) error {
	all, err := h.book.store.Domains()
	if err != nil {
		return err
	}
	registered := map[conf.Instance]bool{}
	for _, t := range tenants {
		registered[t.Name] = true
	}
	known := map[string]ledger.Domain{}
	for _, d := range all {
		if registered[d.Tenant] {
			known[d.Name] = d
			continue
		}
		h.log.Warn().Str("domain", d.Name).Stringer("tenant", d.Tenant).Msg("deleted the domain of a tenant that is not registered")
		if err := h.book.store.Apply(ledger.DeleteDomain{Name: d.Name}); err != nil {
			return err
		}
	}
	h.book.domains.Store(&known)
	return nil
}

// followDomains keeps the published domains in step with the file.
func (b *book) followDomains(changes []ledger.Change) {
	before := *b.domains.Load()
	if !slices.ContainsFunc(changes, func(c ledger.Change) bool { return touchesDomains(c, before) }) {
		return
	}
	next := maps.Clone(before)
	for _, c := range changes {
		switch c := c.(type) {
		case ledger.PutDomain:
			next[c.Domain.Name] = c.Domain
		case ledger.DeleteDomain:
			delete(next, c.Name)
		case ledger.DeleteTenant:
			maps.DeleteFunc(next, func(_ string, d ledger.Domain) bool { return d.Tenant == c.Name })
		}
	}
	b.domains.Store(&next)
}

// touchesDomains spares the many other changes a copy of the map.
func touchesDomains(c ledger.Change, known map[string]ledger.Domain) bool {
	switch c.(type) {
	case ledger.PutDomain:
		return true
	case ledger.DeleteDomain, ledger.DeleteTenant:
		return len(known) > 0
	}
	return false
}
