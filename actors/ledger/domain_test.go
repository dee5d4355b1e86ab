package ledger

import (
	"errors"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

func domainsOf(t *testing.T, s *Store) map[string]conf.Instance {
	t.Helper()
	all, err := s.Domains()
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]conf.Instance{}
	for _, d := range all {
		m[d.Name] = d.Tenant
	}
	return m
}

func domain(text, id string) PutDomain {
	return PutDomain{Domain{Name: text, Tenant: name(id), Created: time.Unix(1, 0)}}
}

func TestDomain_LeadsToItsTenantOverRestartsUntilItIsForgotten(t *testing.T) {
	s := newStore(t)
	apply(t, s, PutTenant{tenant("alice", base)}, PutTenant{tenant("bob", base+1)}, domain("a.org", "alice"), domain("b.org", "bob"), domain("c.org", "alice"))
	apply(t, s, domain("a.org", "alice")) // once more
	s = reopen(t, s)
	if got := domainsOf(t, s); len(got) != 3 || got["a.org"] != name("alice") || got["b.org"] != name("bob") {
		t.Fatalf("%v", got)
	}
	apply(t, s, DeleteDomain{"b.org"}, DeleteDomain{"nobodys.org"}, DeleteTenant{Name: name("alice"), KeepUID: true})
	if got := domainsOf(t, reopen(t, s)); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestDomain_WhatCannotBeIsRefusedAndChangesNothing(t *testing.T) {
	s := newStore(t)
	apply(t, s, DeleteDomain{"none.org"}) // before there is any
	apply(t, s, PutTenant{tenant("alice", base)}, PutTenant{tenant("bob", base+1)}, domain("a.org", "alice"))
	var taken *TakenError
	err := s.Apply(domain("new.org", "bob"), domain("a.org", "bob"))
	refused(t, err, "a.org leads to notes:alice already")
	if !errors.As(err, &taken) || taken.By != name("alice") {
		t.Errorf("%v", err)
	}
	refused(t, s.Apply(domain("b.org", "carol")), "cannot add the domain b.org to notes:carol", "not registered")
	for _, bad := range []string{"A.org", "a.org.", "a_b.org", "org", ""} {
		refused(t, s.Apply(domain(bad, "bob")), "not in the form of the DNS")
	}
	if got := domainsOf(t, s); len(got) != 1 || got["a.org"] != name("alice") {
		t.Errorf("%v", got)
	}
}

func TestDomain_AnOlderRegistryHasNoneAndAnOlderTenementReadsANewer(t *testing.T) {
	path := closedStore(t) // its schema is that of before there were domains
	s := openAt(t, path)
	if got := domainsOf(t, s); len(got) != 0 {
		t.Errorf("%v", got)
	}
	apply(t, s, domain("a.org", "alice"))
	s.Close()
	edit(t, path, func(tx *bolt.Tx) error {
		if got, err := schemaOf(tx, 1); got != 1 || err != nil {
			t.Errorf("schema %d, %v", got, err)
		}
		return nil
	})
}

func TestDomain_ADamagedRecordIsNamed(t *testing.T) {
	for says, record := range map[string]func(b *bolt.Bucket) error{
		`the record of "a.org"`:             func(b *bolt.Bucket) error { return b.Put([]byte("a.org"), []byte("12345")) },
		"the domain a.org: \"x\": not a va": func(b *bolt.Bucket) error { return put(b, []byte("a.org"), Domain{Text: "x"}) },
	} {
		path := closedStore(t)
		edit(t, path, func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket(domains)
			if err != nil {
				return err
			}
			return record(b)
		})
		_, err := Open(path)
		refused(t, err, "damaged", says)
	}
}
