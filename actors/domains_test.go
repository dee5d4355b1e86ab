package actors

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tenement/actors/ledger"
	"tenement/conf"
)

func addDomain(t *testing.T, h *Host, domain string, name conf.Instance) {
	t.Helper()
	if added, err := h.AddDomain(t.Context(), domain, name); err != nil || !added {
		t.Fatalf("%s: added %v, %v", domain, added, err)
	}
}

func domainsOf(h *Host) string {
	var all []string
	for _, d := range h.Domains() {
		all = append(all, d.Name+"="+d.Tenant.String())
	}
	return strings.Join(all, " ")
}

func TestDomains_LeadToTheirTenantUntilRemovedOrForgotten(t *testing.T) {
	reopen(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, id("alice"), id("bob"))
		addDomain(t, h, "shop.org", id("alice"))
		addDomain(t, h, "bob.org", id("bob"))
		addDomain(t, h, "a.shop.org", id("bob"))
		if added, err := h.AddDomain(t.Context(), "shop.org", id("alice")); added || err != nil {
			t.Errorf("once more: added %v, %v", added, err)
		}
		if got, ok := h.Domain("shop.org"); !ok || got != id("alice") {
			t.Errorf("shop.org leads to %v, %v", got, ok)
		}
	}, func(t *testing.T, h *Host, s *stage) {
		if got := domainsOf(h); got != "a.shop.org=notes:bob bob.org=notes:bob shop.org=notes:alice" {
			t.Errorf("after a restart: %s", got)
		}
		if whose, err := h.RemoveDomain(t.Context(), "bob.org"); whose != id("bob") || err != nil {
			t.Errorf("removed %v's, %v", whose, err)
		}
		if _, err := h.RemoveDomain(t.Context(), "bob.org"); !errors.Is(err, ErrUnknownDomain) {
			t.Errorf("removed twice: %v", err)
		}
		if err := h.Forget(t.Context(), id("alice"), false); err != nil {
			t.Fatal(err)
		}
		register(t, h, id("alice")) // somebody else of that name
		if got := domainsOf(h); got != "a.shop.org=notes:bob" {
			t.Errorf("in the end: %s", got)
		}
	})
}

func TestDomains_ConflictsAreRefusedByName(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, id("alice"), id("bob"))
		addDomain(t, h, "shop.org", id("alice"))
		for domain, says := range map[string]string{
			"shop.org": "shop.org leads to notes:alice already",
			h.o.Domain: "is tenement's own", "x.notes." + h.o.Domain: "under " + h.o.Domain + " tenants have their names",
		} {
			if _, err := h.AddDomain(t.Context(), domain, id("bob")); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", domain, err, says)
			}
		}
		if _, err := h.AddDomain(t.Context(), "x.org", id("nobody")); !errors.Is(err, ErrUnknownTenant) {
			t.Errorf("an unknown tenant: %v", err)
		}
		if _, err := h.AddDomain(t.Context(), "x.org", conf.Instance{Service: "none", ID: "a"}); !errors.Is(err, ErrUnknownService) {
			t.Errorf("an unknown service: %v", err)
		}
		if got := domainsOf(h); got != "shop.org=notes:alice" {
			t.Errorf("in the end: %s", got)
		}
	})
}

func TestDomains_ManyWhoWantTheSameGetItOnce(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		var wg sync.WaitGroup
		got := make(chan conf.Instance, 20)
		for i := range 20 {
			name := id(fmt.Sprint("t", i))
			register(t, h, name)
			wg.Go(func() {
				added, err := h.AddDomain(t.Context(), "shop.org", name)
				var taken *ledger.TakenError
				switch {
				case added:
					got <- name
				case !errors.As(err, &taken):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		close(got)
		if winner := <-got; domainsOf(h) != "shop.org="+winner.String() {
			t.Errorf("%s got it, but %s", winner, domainsOf(h))
		}
		if len(got) > 0 {
			t.Errorf("%d more got it too", len(got))
		}
	})
}

func TestDomains_ThoseOfATenantThatAnOlderTenementForgotAreDeleted(t *testing.T) {
	dir := t.TempDir()
	store, err := ledger.Open(filepath.Join(dir, "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	uid, err := store.UID(id("alice"), 1900000000)
	if err != nil {
		t.Fatal(err)
	}
	alice := ledger.Tenant{Name: id("alice"), UID: uid}
	if err := store.Apply(ledger.PutTenant{Tenant: alice}, ledger.PutDomain{Domain: ledger.Domain{Name: "shop.org", Tenant: id("alice")}}); err != nil {
		t.Fatal(err)
	}
	h := &Host{book: &book{store: store}}
	if err := h.loadDomains([]ledger.Tenant{alice}); err != nil || domainsOf(h) != "shop.org=notes:alice" {
		t.Errorf("registered: %s, %v", domainsOf(h), err)
	}
	if err := h.loadDomains(nil); err != nil || domainsOf(h) != "" {
		t.Errorf("forgotten: %s, %v", domainsOf(h), err)
	}
	if all, err := store.Domains(); len(all) > 0 || err != nil {
		t.Errorf("in the file: %v, %v", all, err)
	}
}
