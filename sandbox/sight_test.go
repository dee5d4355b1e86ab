package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPeek_OpensAsTheTenantsUserWhatIsNotPermitted(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("becoming somebody else needs root")
	}
	const tenant = 1999999999
	var users []int
	err := peek(tenant, func() error {
		user, err := unix.SetfsuidRetUid(-1) // changes nothing and tells
		users = append(users, user)
		if err == nil && user != tenant {
			err = &fs.PathError{Op: "open", Path: "/proc/1/ns/mnt", Err: unix.EACCES}
		}
		return err
	})
	if err != nil || fmt.Sprint(users) != fmt.Sprint([]int{0, tenant}) {
		t.Errorf("%v by %v", err, users)
	}
	if user, err := unix.SetfsuidRetUid(-1); err != nil || user != 0 {
		t.Errorf("we are user %d: %v", user, err)
	}
}

func TestPeek_SaysWhyNobodyMayLook(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("becoming somebody else needs root")
	}
	err := peek(1999999999, func() error { return unix.EACCES })
	if err == nil || !errors.Is(err, unix.EACCES) || !strings.HasPrefix(err.Error(), "permission denied: its program lets nobody look (PR_SET_DUMPABLE, ") {
		t.Error(err)
	}
	tries := 0
	if err := peek(1999999999, func() error { tries++; return unix.ENOENT }); err != unix.ENOENT || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}
