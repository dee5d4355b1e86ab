package main

import (
	"strings"
	"testing"

	"tenement/actors/ledger"
	"tenement/conf"
)

func TestDomain_IsAddedListedAndRemoved(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(0, "No domains\n", "", "domain", "list")
	w.wants(0, "[]\n", "", "domain", "list", "--json")
	w.wants(0, "shop.org leads to notes:alice\n", "", "domain", "add", "notes:alice", "Shop.org")
	w.wants(0, "bücher.org (xn--bcher-kva.org) leads to notes:bob\n", "", "domain", "add", "notes:bob", "bücher.org")
	w.wants(0, "shop.org no longer leads to notes:alice\n", "", "domain", "remove", "shop.org")
	if got := w.host.all(); got != "domain shop.org notes:alice, domain xn--bcher-kva.org notes:bob, no domain shop.org" {
		t.Errorf("the host did %s", got)
	}
	w.host.mu.Lock()
	w.host.domains = []ledger.Domain{{Name: "shop.org", Tenant: conf.Instance{Service: "notes", ID: "alice"}}, {Name: "xn--bcher-kva.org", Tenant: conf.Instance{Service: "notes", ID: "bob"}}}
	w.host.mu.Unlock()
	w.wants(0, "DOMAIN                          INSTANCE\nshop.org                        notes:alice\nbücher.org (xn--bcher-kva.org)  notes:bob\n", "", "domain", "ls")
	if code, out, _ := w.ten("domain", "list", "--json"); code != 0 || !strings.Contains(out, `"instance": "notes:bob"`) {
		t.Errorf("%d %s", code, out)
	}
}

func TestDomain_RefusalsSayWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(1, "", `Error: "alice": `, "domain", "add", "alice", "shop.org")
	w.wants(1, "", `"a_b.org": not a domain that a tenant can have: only a-z, 0-9, - and dots`, "domain", "add", "notes:alice", "a_b.org")
	w.wants(1, "", "x.org: no tenant has this domain: `ten domain list` lists them", "domain", "remove", "x.org")
	w.wants(2, "", "Error: accepts 2 arg(s)", "domain", "add", "notes:alice")
	w.wants(1, "", "cannot reach tenement", "domain", "list", "--server", "http://127.0.0.1:1")
	w.wants(1, "", "cannot reach tenement", "domain", "remove", "x.org", "--server", "http://127.0.0.1:1")
}
