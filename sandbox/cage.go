package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cage holds the limits of one generation. In version 2 they are set on the
// process's own leaf; in version 1 on directories of their own, one in the tree
// of each controller, which the forking thread enters.
type cage struct {
	legacy  map[controller]string // directories made for this generation
	unified string                // the leaf, when limits are set on it
	limits  Limits
}

// cage makes a generation's limits; l is its leaf, nil without one. What cannot
// be kept here is left out: who insists asks enforces first.
func (c *controllers) cage(name string, generation uint64, limits Limits, l *leaf) (*cage, error) {
	made := &cage{legacy: map[controller]string{}, limits: limits}
	for _, need := range limits.needs() {
		if root := c.legacy[need]; root != "" {
			dir := filepath.Join(root, leafName(name, generation))
			if err := remake(dir); err != nil {
				return nil, errors.Join(err, made.remove())
			}
			made.legacy[need] = dir
		}
		if c.unified[need] && l != nil {
			made.unified = l.dir
		}
	}
	if err := made.set(c); err != nil {
		return nil, errors.Join(err, made.remove())
	}
	return made, nil
}

// remake makes a directory whose limits are the kernel's defaults: one that an
// earlier daemon left has its own.
func remake(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if err = unix.Rmdir(dir); err == nil {
			err = os.Mkdir(dir, 0o755)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot make the cgroup %q: %w", dir, reason(err))
	}
	return nil
}

// set writes the limits.
func (g *cage) set(c *controllers) error {
	legacy, unified := g.limits.legacy(), g.limits.unified()
	legacy = slices.DeleteFunc(legacy, func(s setting) bool { return g.legacy[s.controller] == "" })
	unified = slices.DeleteFunc(unified, func(s setting) bool { return g.unified == "" || !c.unified[s.controller] })
	if err := write(legacy, func(s setting) string { return g.legacy[s.controller] }); err != nil {
		return err
	}
	return write(unified, func(setting) string { return g.unified })
}

func write(settings []setting, dir func(setting) string) error {
	for i := 0; i < len(settings); i++ {
		s := settings[i]
		path := filepath.Join(dir(s), s.file)
		err := os.WriteFile(path, []byte(s.value), 0)
		absent := errors.Is(err, fs.ErrNotExist)
		switch {
		case err == nil && s.either:
			i++
		case err == nil, absent && (s.either || s.spare):
		default:
			return fmt.Errorf("cannot limit a process: cannot write %q to %q: %w", s.value, path, reason(err))
		}
	}
	return nil
}

// dirs are the version 1 directories, for the record.
func (g *cage) dirs() []string {
	var all []string
	if g != nil {
		for _, c := range allControllers {
			if dir := g.legacy[c]; dir != "" {
				all = append(all, dir)
			}
		}
	}
	return all
}

// enter puts the calling thread, alone of all the daemon's, into the version 1
// cgroups (their "tasks" file takes one thread), and so what it forks: without a
// race, as a child is attached before it exists. Version 2 has CLONE_INTO_CGROUP
// for that. The daemon's memory stays charged to the daemon: it goes by the
// process.
func (g *cage) enter() error {
	for _, dir := range g.dirs() {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), []byte("0"), 0); err != nil { // 0: this thread
			return fmt.Errorf("cannot enter the cgroup %q: %w", dir, reason(err))
		}
	}
	return nil
}

// remove removes the version 1 directories once nobody is in them: the forking
// thread takes a moment to end.
func (g *cage) remove() error {
	var errs []error
	for _, dir := range g.dirs() {
		errs = append(errs, removeCgroup(dir))
	}
	return errors.Join(errs...)
}

func removeCgroup(dir string) error {
	for start := time.Now(); ; time.Sleep(pause(time.Since(start))) {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Since(start) > goneWithin {
			return fmt.Errorf("cannot remove the cgroup %q: %w", dir, err)
		}
	}
}

// file gives the path of a controller's file of this cage, "" when the limit is
// not kept here.
func (g *cage) file(c controller, legacy, unified string) string {
	switch {
	case g == nil:
		return ""
	case g.legacy[c] != "":
		return filepath.Join(g.legacy[c], legacy)
	case g.unified != "":
		return filepath.Join(g.unified, unified)
	}
	return ""
}

// count reads a number out of a file of "name number" lines; 0 when there is
// none.
func count(path, name string) int {
	data, err := os.ReadFile(path)
	if path == "" || err != nil {
		return 0
	}
	for field, value := range pairs(string(data)) {
		if field == name {
			n, _ := strconv.Atoi(value) // no number is no count
			return n
		}
	}
	return 0
}

// cage is what a record knows of a generation's limits: enough to remove them
// and to say which were hit.
func (r Record) cage() *cage {
	g := &cage{legacy: map[controller]string{}, unified: r.Cgroup}
	for _, dir := range r.Limits {
		for _, c := range allControllers {
			if _, err := os.Stat(filepath.Join(dir, legacyMarks[c])); err == nil {
				g.legacy[c] = dir
			}
		}
	}
	return g
}

// legacyMarks are files by which a version 1 cgroup's controller is known.
var legacyMarks = map[controller]string{
	memoryController: "memory.oom_control", pidsController: "pids.max",
	cpuController: "cpu.shares", ioController: "blkio.reset_stats",
}
