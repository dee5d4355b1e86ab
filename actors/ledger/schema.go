package ledger

import (
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// migration brings a registry from one schema to the next.
type migration func(tx *bolt.Tx) error

// migrations[0] leads from schema 1 to 2, and so on. There is one schema yet.
var migrations []migration

var schemaKey = []byte("schema")

// initialise makes the buckets of an empty registry.
func initialise(tx *bolt.Tx, schema int) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return put(tx.Bucket(about), schemaKey, schema)
}

// migrate brings the registry to the newest schema, in one transaction, and
// keeps a copy of what it was. One of a newer schema is refused, untouched.
func (s *Store) migrate(steps []migration) error {
	have, want := 0, len(steps)+1
	if err := s.view(func(tx *bolt.Tx) (err error) { have, err = schemaOf(tx, want); return err }); err != nil {
		return err
	}
	if have > want {
		return fmt.Errorf("a newer tenement wrote it (schema %d, this one knows up to %d); run that version, or restore the copy kept from before its migration", have, want)
	}
	if have == want {
		return nil
	}
	if err := s.keepCopy(have); err != nil {
		return fmt.Errorf("cannot keep a copy before its migration: %w", err)
	}
	return s.guarded(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			for n, step := range steps[have-1:] {
				if err := step(tx); err != nil {
					return fmt.Errorf("cannot migrate from schema %d: %w", have+n, err)
				}
			}
			return put(tx.Bucket(about), schemaKey, want)
		})
	})
}

// schemaOf reads the schema number and checks that it comes with its buckets.
func schemaOf(tx *bolt.Tx, newest int) (schema int, err error) {
	b := tx.Bucket(about)
	if b == nil {
		return 0, fmt.Errorf("%w: it is a bbolt file, but no registry", errDamaged)
	}
	if _, err := get(b, schemaKey, &schema); err != nil {
		return 0, err
	}
	if schema < 1 {
		return 0, fmt.Errorf("%w: it has no schema number", errDamaged)
	}
	if schema > newest { // what a newer one looks like is not known
		return schema, nil
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return 0, fmt.Errorf("%w: its %s are missing", errDamaged, name)
		}
	}
	return schema, nil
}

// keepCopy writes {path}.schema-N, as every file by hand: sibling, fsync, rename.
func (s *Store) keepCopy(schema int) error {
	kept := fmt.Sprintf("%s.schema-%d", s.path, schema)
	f, err := os.OpenFile(kept+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.view(func(tx *bolt.Tx) error { _, err := tx.WriteTo(f); return err }); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), kept); err != nil {
		return err
	}
	return syncDir(filepath.Dir(kept))
}
