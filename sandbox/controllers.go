package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// controllers are the cgroup directories under which this daemon's limits are
// made: of each controller the one in the version 1 tree that has it, else the
// engine's version 2 root.
type controllers struct {
	legacy  map[controller]string // our root in each version 1 tree
	unified map[controller]bool   // those enabled for the leaves of the version 2 root
	leaves  string                // that root
	missing map[controller]error  // why each of the others cannot be had
}

func noControllers() *controllers {
	return &controllers{legacy: map[controller]string{}, unified: map[controller]bool{}, missing: map[controller]error{}}
}

// newControllers finds, makes and enables what this host gives us. What it does
// not give is missing, with the reason; nothing of it is an error yet.
func newControllers(o Options, root *cgroupRoot) *controllers {
	c, name := noControllers(), rootPrefix+url.PathEscape(o.CgroupName)
	if o.NoCgroup {
		c.miss(allControllers, errNoCgroup)
		return c
	}
	mountinfo, errMounts := os.ReadFile("/proc/self/mountinfo")
	own, errOwn := os.ReadFile("/proc/self/cgroup")
	var rest []controller
	for _, one := range allControllers {
		parent := findLegacy(mountinfo, own, one)
		if parent == "" {
			rest = append(rest, one)
			continue
		}
		dir := filepath.Join(parent, name)
		if err := makeLegacyRoot(dir); err != nil {
			c.missing[one] = err
			continue
		}
		c.legacy[one] = dir
	}
	if err := errors.Join(errMounts, errOwn); err != nil {
		c.miss(rest, err)
		return c
	}
	c.addUnified(rest, root)
	return c
}

func (c *controllers) miss(all []controller, err error) {
	for _, one := range all {
		c.missing[one] = err
	}
}

// addUnified enables controllers for the leaves of the version 2 root.
func (c *controllers) addUnified(wanted []controller, root *cgroupRoot) {
	if len(wanted) == 0 {
		return
	}
	if root == nil {
		c.miss(wanted, errNoCgroup)
		return
	}
	c.leaves = root.dir
	enabled, err := root.enable(wanted)
	for _, one := range wanted {
		switch {
		case enabled[one]:
			c.unified[one] = true
		case err != nil:
			c.missing[one] = err
		default:
			c.missing[one] = fmt.Errorf("the kernel gives the cgroup %q no %s controller", filepath.Dir(root.dir), one)
		}
	}
}

// legacyName is a controller's name in version 1.
func legacyName(c controller) string {
	if c == ioController {
		return "blkio"
	}
	return string(c)
}

// findLegacy gives the directory of our own cgroup in the version 1 tree that
// has a controller, "" when none has it.
func findLegacy(mountinfo, own []byte, c controller) string {
	name := legacyName(c)
	for line := range strings.Lines(string(own)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, path, _ := strings.Cut(rest, ":")
		if slices.Contains(strings.Split(names, ","), name) && !strings.HasPrefix(path, "/..") {
			return mountedAt(mountinfo, path, func(kind, options string) bool {
				return kind == "cgroup" && slices.Contains(strings.Split(options, ","), name)
			})
		}
	}
	return ""
}

// mountedAt gives the directory at which a path of a file system can be seen
// here, if a mount that is wanted shows it.
func mountedAt(mountinfo []byte, path string, wanted func(kind, options string) bool) string {
	lines := bufio.NewScanner(bytes.NewReader(mountinfo))
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 6 || len(kind) < 3 || !wanted(kind[0], kind[2]) {
			continue
		}
		root, point := unescapeMount(fields[3]), unescapeMount(fields[4])
		below, err := filepath.Rel(root, path)
		if err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return filepath.Join(point, below)
		}
	}
	return ""
}

// makeLegacyRoot makes our root in one version 1 tree and clears what a former
// daemon left empty in it.
func makeLegacyRoot(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make a cgroup: %w: run the daemon as root", err)
	}
	if err := unix.Access(filepath.Join(dir, "tasks"), unix.W_OK); err != nil {
		return fmt.Errorf("cannot use the cgroup %q: %w: run the daemon as root", dir, err)
	}
	removeEmptyBelow(dir)
	return nil
}

// removeEmptyBelow removes the cgroups below one in which nobody is left.
func removeEmptyBelow(dir string) {
	entries, _ := os.ReadDir(dir) // unreadable: nothing is removed
	for _, entry := range entries {
		if entry.IsDir() {
			_ = unix.Rmdir(filepath.Join(dir, entry.Name())) // EBUSY: somebody lives there
		}
	}
}

// enforces is nil when all of these limits can be kept here, else it says which
// cannot, why, and what to do.
func (c *controllers) enforces(l Limits) error {
	for _, need := range l.needs() {
		if err := c.missing[need]; err != nil {
			return fmt.Errorf("the limit of %s cannot be kept here: %w", nouns[need], err)
		}
	}
	if l.IOWeight > 0 {
		return c.weighsIO()
	}
	return nil
}

// nouns say what a controller limits.
var nouns = map[controller]string{
	memoryController: "memory", pidsController: "processes", cpuController: "CPU time", ioController: "disk access",
}

// weighsIO looks for a file that takes a weight: some kernels have none.
func (c *controllers) weighsIO() error {
	l := Limits{IOWeight: 1}
	dir, settings := c.legacy[ioController], l.legacy()
	if dir == "" {
		dir, settings = c.leaves, l.unified()
	}
	for _, s := range settings {
		if _, err := os.Stat(filepath.Join(dir, s.file)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the limit of %s cannot be kept here: this kernel has nothing that weighs it (BFQ, or io.cost)", nouns[ioController])
}

// close removes our roots, unless somebody is left below them.
func (c *controllers) close() {
	for _, dir := range c.legacy {
		removeEmptyBelow(dir)
		_ = unix.Rmdir(dir) // EBUSY: survivors; a next daemon ends them
	}
}

// sweep removes what is empty: what crashed daemons left.
func (c *controllers) sweep() {
	for _, dir := range c.legacy {
		removeEmptyBelow(dir)
	}
}
