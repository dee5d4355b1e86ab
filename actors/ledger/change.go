package ledger

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

// Change is one edit of the registry; see Store.Apply.
type Change interface {
	apply(tx *bolt.Tx) error
}

// PutTenant registers a tenant or replaces its record. UID is the one that
// Store.UID gave: 0, another than before, and another tenant's are refused.
type PutTenant struct{ Tenant Tenant }

// DeleteTenant unregisters a tenant; an unknown one is no error. KeepUID, for a
// tenant whose data stays, remembers its uid until it is registered again or
// deleted without KeepUID. Its domains go with it.
type DeleteTenant struct {
	Name    conf.Instance
	KeepUID bool
}

// PutToken makes a token valid, or replaces the record of the same hash.
type PutToken struct{ Token Token }

// DeleteToken revokes a token; an unknown one is no error.
type DeleteToken struct{ Hash [32]byte }

// ReplaceAdmin makes this the primary admin token; the one before is gone.
type ReplaceAdmin struct{ Token Token }

func (c PutTenant) apply(tx *bolt.Tx) error {
	if err := c.put(tx); err != nil {
		return fmt.Errorf("cannot register %s: %w", c.Tenant.Name, err)
	}
	return nil
}

func (c PutTenant) put(tx *bolt.Tx) error {
	if err := c.Tenant.check(); err != nil {
		return err
	}
	if err := own(tx, c.Tenant.Name, c.Tenant.UID); err != nil {
		return err
	}
	record := c.Tenant
	record.Created = record.Created.UTC()
	return put(tx.Bucket(tenants), key(c.Tenant.Name), record)
}

func (c DeleteTenant) apply(tx *bolt.Tx) error {
	if err := disown(tx, c.Name, c.KeepUID); err != nil {
		return fmt.Errorf("cannot forget %s: %w", c.Name, err)
	}
	if err := deleteDomainsOf(tx, c.Name); err != nil {
		return fmt.Errorf("cannot forget %s: %w", c.Name, err)
	}
	return tx.Bucket(tenants).Delete(key(c.Name))
}

func (c PutToken) apply(tx *bolt.Tx) error {
	if err := c.Token.check(); err != nil {
		return fmt.Errorf("cannot store the token: %w", err)
	}
	return put(tx.Bucket(tokens), c.Token.Hash[:], c.Token)
}

func (c DeleteToken) apply(tx *bolt.Tx) error { return tx.Bucket(tokens).Delete(c.Hash[:]) }

func (c ReplaceAdmin) apply(tx *bolt.Tx) error {
	if !c.Token.Primary() {
		return fmt.Errorf("cannot replace the admin token by one of scope %q, or that may only look, or that expires", c.Token.Scope)
	}
	b := tx.Bucket(tokens)
	var old [][]byte // a bbolt cursor must not see its bucket change
	err := b.ForEach(func(hash, record []byte) error {
		var t Token
		if err := decode(hash, record, &t); err != nil {
			return err
		}
		if t.Primary() {
			old = append(old, hash)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, hash := range old {
		if err := b.Delete(hash); err != nil {
			return err
		}
	}
	return PutToken(c).apply(tx)
}

// key is a tenant's key: the form that people type.
func key(name conf.Instance) []byte { return []byte(name.String()) }
