package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

// usage is a bucket that is made with its first record, so that an older
// tenement reads the registry as before. Its keys begin with the day: what is too
// old stands in front, and a question about a month reads that month only.
//
//	2026-11-25 notes:alice → {"cpu":1.5,"memory":0.2,…}
var usage = []byte("usage")

// Usage is what a tenant has used in some time.
type Usage struct {
	CPU      float64 `json:"cpu,omitempty"`    // seconds
	Memory   float64 `json:"memory,omitempty"` // GB·s: 10⁹ bytes held for a second
	Awake    float64 `json:"awake,omitempty"`  // seconds with a process
	Requests uint64  `json:"requests,omitempty"`
	In       uint64  `json:"in,omitempty"`  // bytes from visitors
	Out      uint64  `json:"out,omitempty"` // bytes to visitors
	Wakes    uint64  `json:"wakes,omitempty"`
}

// Plus is both together.
func (u Usage) Plus(more Usage) Usage {
	return Usage{
		CPU: u.CPU + more.CPU, Memory: u.Memory + more.Memory, Awake: u.Awake + more.Awake,
		Requests: u.Requests + more.Requests, In: u.In + more.In, Out: u.Out + more.Out, Wakes: u.Wakes + more.Wakes,
	}
}

// DayForm is how a UTC day is written.
const DayForm = time.DateOnly

// Day is the UTC day of a moment.
func Day(t time.Time) string { return t.UTC().Format(DayForm) }

// UsageRow is what one tenant used on one UTC day.
type UsageRow struct {
	Day    string // as Day writes it
	Tenant conf.Instance
	Usage
}

// AddUsage adds to a tenant's day, whether the tenant is registered or not: the
// bill of one who left is still to be written.
type AddUsage struct{ Row UsageRow }

// DropUsage forgets the days before one.
type DropUsage struct{ Before string }

func (c AddUsage) apply(tx *bolt.Tx) error {
	if err := c.add(tx); err != nil {
		return fmt.Errorf("cannot note what %s used: %w", c.Row.Tenant, err)
	}
	return nil
}

func (c AddUsage) add(tx *bolt.Tx) error {
	if err := c.Row.check(); err != nil {
		return err
	}
	b, err := tx.CreateBucketIfNotExists(usage)
	if err != nil {
		return err
	}
	var have Usage
	k := []byte(c.Row.Day + " " + c.Row.Tenant.String())
	if _, err := get(b, k, &have); err != nil {
		return err
	}
	return put(b, k, have.Plus(c.Row.Usage))
}

// check refuses what could not be read back as it was written.
func (r UsageRow) check() error {
	if _, err := time.Parse(DayForm, r.Day); err != nil {
		return fmt.Errorf("%q is not a day", r.Day)
	}
	if _, err := conf.ParseInstance(r.Tenant.String()); err != nil {
		return err
	}
	for _, f := range []float64{r.CPU, r.Memory, r.Awake} {
		if !(f >= 0) || math.IsInf(f, 0) { // NaN is not >= 0
			return errors.New("it is not a sum that grows")
		}
	}
	return nil
}

func (c DropUsage) apply(tx *bolt.Tx) error {
	b := tx.Bucket(usage)
	if b == nil {
		return nil
	}
	var old [][]byte // a bbolt cursor must not see its bucket change
	cursor := b.Cursor()
	for k, _ := cursor.First(); k != nil && bytes.Compare(k, []byte(c.Before)) < 0; k, _ = cursor.Next() {
		old = append(old, k)
	}
	for _, k := range old {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// Usage reads the days from one to another, both included, of the tenants that
// wanted lets through (nil: all), sorted by day, then by name.
func (s *Store) Usage(from, to string, wanted func(conf.Instance) bool) (rows []UsageRow, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		return eachUsage(tx, from, func(k, record []byte, row UsageRow) (more bool, err error) {
			if row.Day > to {
				return false, nil
			}
			if wanted != nil && !wanted(row.Tenant) {
				return true, nil
			}
			err = decode(k, record, &row.Usage)
			rows = append(rows, row)
			return true, err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the registry %s: %w", s.path, advise(err, s.path))
	}
	return rows, nil
}

// eachUsage calls each for every record from a day on, until it has enough.
func eachUsage(tx *bolt.Tx, from string, each func(k, record []byte, row UsageRow) (bool, error)) error {
	b := tx.Bucket(usage)
	if b == nil {
		return nil
	}
	cursor := b.Cursor()
	for k, record := cursor.Seek([]byte(from)); k != nil; k, record = cursor.Next() {
		day, name, _ := bytes.Cut(k, []byte(" "))
		tenant, err := conf.ParseInstance(string(name))
		if err != nil {
			return fmt.Errorf("%w: the usage %q: %w", errDamaged, k, err)
		}
		more, err := each(k, record, UsageRow{Day: string(day), Tenant: tenant})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// inspectUsage reads every record once.
func inspectUsage(tx *bolt.Tx) error {
	return eachUsage(tx, "", func(k, record []byte, _ UsageRow) (bool, error) { return true, intact(k, record) })
}
