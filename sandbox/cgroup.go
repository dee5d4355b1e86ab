package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// rootPrefix starts the name of every engine's own cgroup.
const rootPrefix = "tenement-"

// errNoCgroup: processes are told apart by session and environment instead.
var errNoCgroup = errors.New("no cgroup tree can be written")

// findCgroup gives the directory of our own cgroup in a version 2 tree, pure or
// beside version 1: where a child cgroup of ours belongs.
func findCgroup(mountinfo, own []byte) (string, error) {
	path := unifiedCgroup(own)
	if path == "" || strings.HasPrefix(path, "/..") { // /..: outside our cgroup namespace
		return "", errNoCgroup
	}
	dir := mountedAt(mountinfo, path, func(kind, _ string) bool { return kind == "cgroup2" })
	if dir == "" {
		return "", errNoCgroup
	}
	return outOfLeaf(dir), nil
}

// unifiedCgroup takes the version 2 path out of a /proc/PID/cgroup, without the
// mark that the kernel puts on a zombie's removed cgroup.
func unifiedCgroup(data []byte) string {
	for line := range strings.Lines(string(data)) {
		if path, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); found {
			return strings.TrimSuffix(path, " (deleted)")
		}
	}
	return ""
}

// unescapeMount undoes mountinfo's octal escapes of space, tab, newline and \.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// cgroupRoot is the cgroup under which an engine keeps one leaf per process.
type cgroupRoot struct {
	dir  string // below /sys/fs/cgroup
	name string // its own name, "tenement-…"
}

// newCgroupRoot makes it and removes leaves that a former daemon left empty.
// errNoCgroup when this user or kernel does not allow it.
func newCgroupRoot(name string) (*cgroupRoot, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCgroup, err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCgroup, err)
	}
	parent, err := findCgroup(mountinfo, own)
	if err != nil {
		return nil, err
	}
	if err := canCloneInto(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCgroup, err)
	}
	name = rootPrefix + url.PathEscape(name)
	r := &cgroupRoot{dir: filepath.Join(parent, name), name: name}
	if err := os.Mkdir(r.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %w", errNoCgroup, err)
	}
	if err := unix.Access(filepath.Join(r.dir, "cgroup.procs"), unix.W_OK); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", errNoCgroup, r.dir, err)
	}
	return r, nil
}

// canCloneInto asks for clone3, which containers' filters often refuse: without
// it a child cannot be born in its cgroup. The call itself is empty: EINVAL.
func canCloneInto() error {
	if _, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); errno != unix.EINVAL {
		return fmt.Errorf("cannot use clone3: %w", errno)
	}
	return nil
}

// leafName is injective: PathEscape leaves no "/" in it, and the generation
// behind the last dot keeps it from being "." or "..".
func leafName(name string, generation uint64) string {
	return url.PathEscape(name) + "." + strconv.FormatUint(generation, 10)
}

// leaf makes the cgroup of one generation. A leaf of that name that an earlier
// daemon left is used again if it is empty.
func (r *cgroupRoot) leaf(name string, generation uint64) (*leaf, error) {
	l := &leaf{dir: filepath.Join(r.dir, leafName(name, generation))}
	err := os.Mkdir(l.dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if left, err := l.members(); err != nil || len(left) > 0 {
			return nil, fmt.Errorf("cannot make the cgroup %q: processes %v are left in it: %w", l.dir, left, errors.Join(err, fs.ErrExist))
		}
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	return l, nil
}

// leaves lists the cgroups below the root, live or left over.
func (r *cgroupRoot) leaves() ([]*leaf, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list cgroups: %w", err)
	}
	var all []*leaf
	for _, entry := range entries {
		if entry.IsDir() {
			all = append(all, &leaf{dir: filepath.Join(r.dir, entry.Name())})
		}
	}
	return all, nil
}

// removeEmpty removes the leaves in which nobody is left.
func (r *cgroupRoot) removeEmpty() error {
	all, err := r.leaves()
	for _, l := range all {
		l.rmdir() // EBUSY: somebody lives there; Adopt, End or Sweep will see to it
	}
	return err
}

// close removes the root unless somebody is left below it.
func (r *cgroupRoot) close() error {
	if err := r.removeEmpty(); err != nil && !errors.Is(err, fs.ErrNotExist) { // another engine of that name was the last
		return err
	}
	if err := os.Remove(r.dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("cannot remove a cgroup: %w", err)
	}
	return nil
}

// leaf is the cgroup of one generation of a tenant: whoever it forks is in it,
// whatever it calls itself.
type leaf struct {
	dir  string
	init int // PID 1 of a pid namespace, which is nobody's process; 0 without
}

func (l *leaf) open() (int, error) {
	fd, err := unix.Open(l.dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open the cgroup %q: %w", l.dir, err)
	}
	return fd, nil
}

// number is how the kernel names the cgroup where it has no path; 0 when it is gone.
func (l *leaf) number() uint64 {
	var st unix.Stat_t
	if unix.Stat(l.dir, &st) != nil {
		return 0
	}
	return st.Ino
}

// dirs are the leaf and the cgroups that a tenant made below it, deepest last. A
// cgroup's links count those below it: most have none, and are not read.
func (l *leaf) dirs() ([]string, error) {
	var st unix.Stat_t
	if unix.Stat(l.dir, &st) == nil && st.Nlink == 2 {
		return []string{l.dir}, nil
	}
	var all []string
	err := filepath.WalkDir(l.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return all, err
}

func (l *leaf) members() ([]member, error) {
	dirs, err := l.dirs()
	if err != nil {
		return nil, fmt.Errorf("cannot list a cgroup's processes: %w", err)
	}
	var all []member
	for _, dir := range dirs {
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			continue // removed while we looked
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list a cgroup's processes: %w", err)
		}
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 && pid != l.init { // 0: in another pid namespace
				all = append(all, member{pid: pid})
			}
		}
	}
	return all, nil
}

// holds is asked after a pidfd was opened, so that a pid that meanwhile belongs
// to somebody else is seen.
func (l *leaf) holds(m member) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(m.pid) + "/cgroup")
	return err == nil && within(unifiedCgroup(data), filepath.Join(filepath.Base(filepath.Dir(l.dir)), filepath.Base(l.dir)))
}

// within reports that the cgroup path has the elements of part in it, whole.
func within(path, part string) bool { return strings.Contains(path+"/", "/"+part+"/") }

// kill sends SIGKILL to all, forks under way included. Kernels before 5.14 have
// no cgroup.kill; there the members are killed until none is left.
func (l *leaf) kill() error {
	err := os.WriteFile(filepath.Join(l.dir, "cgroup.kill"), []byte("1"), 0)
	if err == nil {
		return nil
	}
	if _, gone := os.Stat(l.dir); errors.Is(gone, fs.ErrNotExist) {
		return nil
	}
	return killAll(l)
}

func (l *leaf) rmdir() error {
	dirs, err := l.dirs()
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}

// remove removes the cgroup; its processes have been killed and are given
// goneWithin to leave. rmdir itself tells when the last one has.
func (l *leaf) remove() error {
	for start := time.Now(); ; time.Sleep(pause(time.Since(start))) {
		err := l.rmdir()
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Since(start) > goneWithin {
			return fmt.Errorf("cannot remove a cgroup: %w", err)
		}
	}
}
