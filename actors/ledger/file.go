package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// lockWait is how long another process may keep the file: `ten token-gen` has
// it for milliseconds, a daemon for days.
const lockWait = time.Second

// openFile opens and locks the registry, making it first when there is none.
func openFile(path string, schema int) (*os.File, error) {
	for {
		f, err := openLocked(path, os.O_RDWR)
		if err == nil && !empty(f) {
			return f, nil
		}
		if err == nil {
			f.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := create(path, schema); err != nil {
			return nil, fmt.Errorf("cannot make it: %w", err)
		}
	}
}

// openLocked opens the file at path, makes it private and takes its flock. It
// closes the file when it fails.
func openLocked(path string, flag int) (*os.File, error) {
	for end := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		f, err := tryLocked(path, flag)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return f, err
		}
		if time.Now().After(end) {
			return nil, errors.New("another process has it open; stop the daemon that uses this data_dir, or take another data_dir")
		}
	}
}

func tryLocked(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is in the sentence already
	}
	if err := lock(f, path); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func lock(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a regular file (%s)", info.Mode().Type())
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("cannot lock it: %w", err)
	}
	// Whoever made the registry in the meantime has put another file there.
	if there, err := os.Stat(path); err != nil || !os.SameFile(info, there) {
		return syscall.EWOULDBLOCK
	}
	if info.Mode().Perm()&0o077 != 0 { // env and token hashes are nobody else's business
		return f.Chmod(0o600)
	}
	return nil
}

func empty(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Size() == 0
}

// create makes an empty registry in a sibling file and renames it into place, so
// that a crash never leaves half of one. Somebody else may have been faster.
func create(path string, schema int) error {
	sibling := path + ".new"
	f, err := openLocked(sibling, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	if there, err := os.Stat(path); err == nil && there.Size() > 0 {
		defer f.Close()
		return os.Remove(sibling)
	}
	if err := f.Truncate(0); err != nil { // of a creation that crashed
		f.Close()
		return err
	}
	db, err := openBolt(f)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error { return initialise(tx, schema) }); err != nil {
		return err
	}
	if err := os.Rename(sibling, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in dir survive a crash of the machine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// advise adds to an error of a damaged file what a person can do.
func advise(err error, path string) error {
	if !errors.Is(err, errDamaged) {
		return err
	}
	return fmt.Errorf("%w; restore it from a backup, or move it away: tenants are then registered again from the directories under %s",
		err, filepath.Dir(path))
}
