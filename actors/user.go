package actors

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"tenement/conf"
	"tenement/sandbox"
)

// findUser looks up who a service at isolation = "process" runs as, by name or
// number; nil is the daemon's own user.
func findUser(name string) (*sandbox.User, error) {
	found, err := user.Lookup(name)
	if _, isNumber := strconv.ParseUint(name, 10, 32); err != nil && isNumber == nil {
		found, err = user.LookupId(name)
	}
	if err != nil {
		return nil, fmt.Errorf("user = %q: there is no such user here: make it (useradd -r), or name another", name)
	}
	u, err := numbers(found)
	if err != nil {
		return nil, fmt.Errorf("user = %q: %w", name, err)
	}
	switch {
	case int(u.UID) == os.Geteuid():
		return nil, nil
	case os.Geteuid() != 0:
		return nil, fmt.Errorf("user = %q needs root: run the daemon as root, or as that user and without the key", name)
	}
	return u, nil
}

func numbers(found *user.User) (*sandbox.User, error) {
	ids, err := found.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("cannot look up its groups: %w", err)
	}
	var all []uint32
	for _, text := range append([]string{found.Uid, found.Gid}, ids...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, errors.New("it has a number that is none: " + text)
		}
		all = append(all, uint32(n))
	}
	return &sandbox.User{UID: all[0], GID: all[1], Groups: all[2:]}, nil
}

// letIn has a spec run as the service's user and opens to that user, and so to
// every other one, the way to the tenant's directories: what lies beside them
// is closed for itself.
func (h *Host) letIn(config *conf.Service, spec *sandbox.Spec) error {
	if config.User == "" {
		return nil
	}
	u, err := findUser(config.User)
	if err != nil || u == nil {
		return err
	}
	spec.User = u
	t := filepath.Dir(spec.RunDir)
	if err := os.MkdirAll(t, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{h.o.DataDir, filepath.Dir(spec.DataDir), h.o.RunDir, t} {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o011 != 0o011 {
			err = os.Chmod(dir, info.Mode().Perm()|0o011)
		}
		if err != nil {
			return fmt.Errorf("cannot let user %d in: %w", u.UID, err)
		}
	}
	return nil
}
