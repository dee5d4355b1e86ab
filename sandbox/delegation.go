package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A version 2 cgroup may either hold processes or hand controllers to the
// cgroups below it, not both (cgroups(7), "no internal processes"). So where the
// daemon's own cgroup was delegated to it, the daemon moves into a leaf:
//
//	tenement.service        delegated (systemd: Delegate=yes)
//	├ tenement.daemon       the daemon
//	└ tenement-1a2b3c4d     controllers enabled
//	  └ notes:alice.7       a generation, with its limits
//
// In a cgroup that is not ours to change nothing is changed.

// daemonLeaf is where the daemon moves.
const daemonLeaf = "tenement.daemon"

// outOfLeaf gives the cgroup that a daemon which has moved started in.
func outOfLeaf(dir string) string {
	if filepath.Base(dir) == daemonLeaf {
		return filepath.Dir(dir)
	}
	return dir
}

// enable makes controllers available to the leaves, as many of the wanted as can
// be had. The error says why others of those that our cgroup has cannot.
func (r *cgroupRoot) enable(wanted []controller) (map[controller]bool, error) {
	parent := filepath.Dir(r.dir)
	given, err := controllersIn(filepath.Join(parent, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(c controller) bool { return !given[c] })
	if len(wanted) == 0 {
		return nil, nil
	}
	refused := handDown(parent, wanted)
	given, err = controllersIn(filepath.Join(r.dir, "cgroup.controllers"))
	if err != nil {
		return nil, errors.Join(refused, err)
	}
	wanted = slices.DeleteFunc(wanted, func(c controller) bool { return !given[c] })
	refused = errors.Join(refused, addControllers(r.dir, wanted))
	enabled, err := controllersIn(filepath.Join(r.dir, "cgroup.subtree_control"))
	return enabled, errors.Join(refused, err)
}

// handDown enables controllers below our own cgroup, unless somebody did.
func handDown(own string, wanted []controller) error {
	enabled, err := controllersIn(filepath.Join(own, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(wanted), func(c controller) bool { return enabled[c] })
	if len(missing) == 0 {
		return nil
	}
	if !delegated(own) {
		return notDelegated(own)
	}
	if err := moveInto(own, filepath.Join(own, daemonLeaf)); err != nil {
		return err
	}
	return addControllers(own, missing)
}

func notDelegated(dir string) error {
	scope := "systemd-run --scope -p Delegate=yes"
	if os.Geteuid() != 0 {
		scope = "systemd-run --user --scope -p Delegate=yes"
	}
	return fmt.Errorf("the cgroup %q is not delegated to this daemon: run it as a systemd service with Delegate=yes, or by `%s ten serve`", dir, scope)
}

// delegated reports that a cgroup was given to this daemon to divide: systemd
// marks it so, an ordinary user's own directory says so, and so does a container
// whose whole tree is this one.
func delegated(dir string) bool {
	for _, mark := range []string{"trusted.delegate", "user.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(dir, mark, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return false
	}
	if euid := os.Geteuid(); euid != 0 {
		return int(st.Uid) == euid
	}
	// The true root of the tree has no cgroup.type; a container's has.
	_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
	return err == nil && isMountPoint(dir, st.Dev)
}

func isMountPoint(dir string, dev uint64) bool {
	var above unix.Stat_t
	return unix.Stat(filepath.Dir(dir), &above) == nil && above.Dev != dev
}

// moveInto moves every process of a cgroup, which is ours, into a leaf of it:
// usually the daemon alone, besides it whoever it was started by.
func moveInto(from, leaf string) error {
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make the daemon's own cgroup: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("cannot list the processes of the daemon's cgroup: %w", err)
	}
	for _, pid := range strings.Fields(string(data)) {
		err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it ended
			return fmt.Errorf("cannot move process %s into the cgroup %q: %w", pid, leaf, reason(err))
		}
	}
	return nil
}

func addControllers(dir string, all []controller) error {
	var errs []error
	for _, c := range all { // one by one: of several, one that is refused would refuse them all
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+string(c)), 0)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot enable the %s controller below the cgroup %q: %w", c, dir, reason(err)))
		}
	}
	return errors.Join(errs...)
}

// controllersIn reads a list of controllers.
func controllersIn(file string) (map[controller]bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot tell the controllers of a cgroup: %w", err)
	}
	all := map[controller]bool{}
	for _, name := range strings.Fields(string(data)) {
		all[controller(name)] = true
	}
	return all, nil
}
