package ledger

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

// domains is a bucket that is made with its first record, so that an older
// tenement reads the registry as before.
var domains = []byte("domains")

// Domain is a domain of a customer's own that leads to a tenant.
type Domain struct {
	Name    string        `json:"-"` // as conf.ParseDomain has it; the record's key
	Tenant  conf.Instance `json:"-"` // stored as text
	Text    string        `json:"tenant"`
	Created time.Time     `json:"created,omitzero"`
}

// PutDomain leads a domain to a registered tenant. One that leads to another
// already is refused with a *TakenError, an unregistered tenant with an error.
type PutDomain struct{ Domain Domain }

// DeleteDomain takes a domain from its tenant; an unknown one is no error.
type DeleteDomain struct{ Name string }

// TakenError says whose a domain is.
type TakenError struct {
	Domain string
	By     conf.Instance
}

func (e *TakenError) Error() string { return fmt.Sprintf("%s leads to %s already", e.Domain, e.By) }

func (c PutDomain) apply(tx *bolt.Tx) error {
	if err := c.put(tx); err != nil {
		return fmt.Errorf("cannot add the domain %s to %s: %w", c.Domain.Name, c.Domain.Tenant, err)
	}
	return nil
}

func (c PutDomain) put(tx *bolt.Tx) error {
	d := c.Domain
	if name, err := conf.ParseDomain(d.Name); err != nil || name != d.Name {
		return fmt.Errorf("%q is not in the form of the DNS", d.Name)
	}
	if tx.Bucket(tenants).Get(key(d.Tenant)) == nil {
		return fmt.Errorf("%s is not registered", d.Tenant)
	}
	b, err := tx.CreateBucketIfNotExists(domains)
	if err != nil {
		return err
	}
	var old Domain
	known, err := get(b, []byte(d.Name), &old)
	if err != nil {
		return err
	}
	d.Text, d.Created = d.Tenant.String(), d.Created.UTC()
	if known && old.Text != d.Text {
		by, _ := conf.ParseInstance(old.Text)
		return &TakenError{Domain: d.Name, By: by}
	}
	return put(b, []byte(d.Name), d)
}

func (c DeleteDomain) apply(tx *bolt.Tx) error {
	if b := tx.Bucket(domains); b != nil {
		return b.Delete([]byte(c.Name))
	}
	return nil
}

// deleteDomainsOf takes all domains of a tenant that is forgotten: the next one
// of its name is somebody else.
func deleteDomainsOf(tx *bolt.Tx, tenant conf.Instance) error {
	all, err := loadDomains(tx)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Tenant == tenant {
			if err := tx.Bucket(domains).Delete([]byte(d.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Domains reads all domains, sorted by name.
func (s *Store) Domains() (all []Domain, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		all, err = loadDomains(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the registry %s: %w", s.path, advise(err, s.path))
	}
	return all, nil
}

func loadDomains(tx *bolt.Tx) (all []Domain, err error) {
	b := tx.Bucket(domains)
	if b == nil {
		return nil, nil
	}
	err = b.ForEach(func(k, record []byte) error {
		d := Domain{Name: string(k)}
		if err := decode(k, record, &d); err != nil {
			return err
		}
		var err error
		if d.Tenant, err = conf.ParseInstance(d.Text); err != nil {
			return fmt.Errorf("%w: the domain %s: %w", errDamaged, d.Name, err)
		}
		all = append(all, d)
		return nil
	})
	return all, err
}
