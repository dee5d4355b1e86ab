package sandbox

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// peek opens what /proc shows of a tenant's process to those alone who may trace
// it: to root with CAP_SYS_PTRACE, which a hardened unit is without, and to the
// tenant's own user. open is called again as that user when it is not permitted.
func peek(uid uint32, open func() error) error {
	err := open()
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err = onThread(func() error {
		if err := become(uid); err != nil {
			return err
		}
		return open()
	})
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: its program lets nobody look (PR_SET_DUMPABLE, or a file that it executes and may not read) but a daemon with CAP_SYS_PTRACE", err)
	}
	return err
}

// become gives the calling thread a user's rights over files and processes, in
// place of root's, or root's back. All other rights it keeps.
func become(uid uint32) error {
	if err := errors.Join(unix.Setfsgid(int(uid)), unix.Setfsuid(int(uid))); err != nil {
		return fmt.Errorf("cannot become user %d: %w", uid, err)
	}
	return nil
}
