package journal

import (
	"fmt"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"tenement/conf"
)

// segments is how many files a log has: a quarter is lost at a time.
const segments = 4

// minBytes is the least that a log is given: a segment takes any one write.
const minBytes = 1 << 20

// Journal is the logs of all tenants. Its methods are safe for concurrent use.
type Journal struct {
	dir      string
	maxBytes int64 // of one tenant
	segment  int64 // bytes of one file
	dropped  atomic.Uint64

	mu        sync.Mutex                  // held to change followers
	followers atomic.Pointer[[]*Follower] // never changed in place; nil when nobody follows
}

// Open makes a journal that keeps up to maxBytes for each tenant under dir,
// {data_dir}/.logs. Less than 1 MB counts as 1 MB. Nothing is touched before the
// first use.
func Open(dir string, maxBytes int64) *Journal {
	maxBytes = max(maxBytes, minBytes)
	return &Journal{dir: dir, maxBytes: maxBytes, segment: maxBytes / segments}
}

// Writer is the log of a tenant, to be closed when it sleeps. It opens one file
// at the first line: a wake does not wait for a disk. A tenant has one Writer at
// a time. It never fails; see Dropped.
func (j *Journal) Writer(name conf.Instance) *Writer {
	return &Writer{journal: j, name: name}
}

// Remove deletes a tenant's log; one that is not there is no error. The tenant's
// Writer is closed before.
func (j *Journal) Remove(name conf.Instance) error {
	root, err := os.OpenRoot(j.dir)
	if gone(err) {
		return nil
	}
	if err == nil {
		defer root.Close()
		err = root.RemoveAll(path.Join(name.Service, name.ID))
	}
	if err != nil {
		return fmt.Errorf("cannot remove the log of %s: %w", name, err)
	}
	root.Remove(name.Service) // succeeds for the last one of the service
	return nil
}

// Dropped counts the lines lost to a full disk or the like, since Open.
func (j *Journal) Dropped() uint64 { return j.dropped.Load() }
