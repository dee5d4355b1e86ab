package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

// The buckets. "about" holds the schema and the last uid given.
var (
	about     = []byte("about")
	tenants   = []byte("tenants")
	tokens    = []byte("tokens")
	uids      = []byte("uids")
	forgotten = []byte("forgotten")
	buckets   = [][]byte{about, tenants, tokens, uids, forgotten}

	lastUID = []byte("last uid")
)

// Store is the open registry. Its methods are safe for concurrent use; Apply
// runs one at a time.
type Store struct {
	path  string
	fresh bool
	db    *bolt.DB
	file  os.FileInfo  // of the file that db has open
	size  atomic.Int64 // that the file had when it was last in order

	mu       sync.Mutex
	reserved uint32 // highest uid that UID gave since Open
}

// Open opens the registry at path, making it when there is none; the directory
// exists already. It waits a second at most for another process to let go of
// the file. The error names the file and says what to do.
func Open(path string) (*Store, error) { return open(path, migrations) }

func open(path string, steps []migration) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the registry: %w", err)
	}
	s := &Store{path: path}
	if err := s.open(steps); err != nil {
		return nil, fmt.Errorf("cannot open the registry %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(steps []migration) error {
	f, err := openFile(s.path, len(steps)+1)
	if err != nil {
		return err
	}
	if s.file, err = f.Stat(); err == nil {
		err = verify(f, s.file.Size())
	}
	if err != nil {
		f.Close()
		return advise(err, s.path)
	}
	s.size.Store(s.file.Size())
	if s.db, err = openBolt(f); err == nil {
		if err = s.migrate(steps); err == nil {
			err = s.inspect()
		}
	}
	if err != nil {
		s.Close()
		return advise(err, s.path)
	}
	return nil
}

// openBolt hands an open, locked and verified file to bbolt, which closes it
// whatever happens.
func openBolt(f *os.File) (db *bolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(f.Name(), 0o600, &bolt.Options{
			// Ours is the flock that bbolt takes again, on the same open file.
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
			// The list of free pages is made anew at every start (a walk of some
			// hundred pages): nothing on disk can be wrong about what is free, and
			// a commit writes less.
			NoFreelistSync: true,
			FreelistType:   bolt.FreelistMapType, // the array form gets slow when fragmented
			NoStatistics:   true,                 // nobody reads them
		})
		return err
	})
	if err != nil {
		f.Close() // once more does no harm
	}
	return db, err
}

// inspect reads every record once, so that damage shows now and not in use.
func (s *Store) inspect() error {
	if _, _, err := s.load(); err != nil {
		return err
	}
	return s.view(func(tx *bolt.Tx) error {
		s.fresh = tx.Bucket(about).Get(lastUID) == nil
		if _, err := loadDomains(tx); err != nil {
			return err
		}
		if err := inspectUsage(tx); err != nil {
			return err
		}
		if _, err := loadRollouts(tx); err != nil {
			return err
		}
		for _, name := range buckets {
			if err := tx.Bucket(name).ForEach(intact); err != nil {
				return err
			}
		}
		return nil
	})
}

// Fresh reports that no tenant was ever registered here: the file was not there
// or empty, or nobody but `ten token-gen` has used it. What an older tenement
// left in data_dir is then still to be taken over.
func (s *Store) Fresh() bool { return s.fresh }

// Load reads everything: tenants sorted by name, tokens by hash.
func (s *Store) Load() ([]Tenant, []Token, error) {
	tenants, tokens, err := s.load()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the registry %s: %w", s.path, advise(err, s.path))
	}
	return tenants, tokens, nil
}

func (s *Store) load() (all []Tenant, valid []Token, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		err := tx.Bucket(tenants).ForEach(func(k, record []byte) error {
			name, err := conf.ParseInstance(string(k))
			if err != nil { // it would become a path
				return fmt.Errorf("%w: %w", errDamaged, err)
			}
			t := Tenant{Name: name}
			err = decode(k, record, &t)
			all = append(all, t)
			return err
		})
		if err != nil {
			return err
		}
		return tx.Bucket(tokens).ForEach(func(k, record []byte) error {
			var t Token
			err := decode(k, record, &t)
			copy(t.Hash[:], k)
			valid = append(valid, t)
			return err
		})
	})
	return all, valid, err
}

// Apply makes all changes, or none, in one transaction with one fsync.
func (s *Store) Apply(changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	err := s.guarded(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			for _, c := range changes {
				if err := c.apply(tx); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("cannot write the registry %s: %w", s.path, err)
	}
	return nil
}

// Close gives the file back; a second call does nothing.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

func (s *Store) view(f func(*bolt.Tx) error) error {
	return s.guarded(func() error { return s.db.View(f) })
}

// guarded runs a transaction, unless somebody has cut the file short meanwhile:
// bbolt has it mapped, and reading past its end is a SIGBUS.
func (s *Store) guarded(f func() error) error {
	now, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("it was taken away while in use: %w", err)
	}
	if !os.SameFile(now, s.file) {
		return errors.New("it was replaced by another file while in use; restart the daemon")
	}
	if size := s.size.Load(); now.Size() < size {
		return fmt.Errorf("it was truncated while in use (%d bytes, there were %d); restart the daemon", now.Size(), size)
	}
	defer func() {
		if grown, err := os.Stat(s.path); err == nil { // it never shrinks
			s.size.Store(grown.Size())
		}
	}()
	return guard(f)
}

// guard turns a panic of bbolt's, and a fault in its mapping, into an error.
// verify lets no file through that should cause one; this is the second net.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return f()
}
