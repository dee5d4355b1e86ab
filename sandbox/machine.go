package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// machine is what was found out about this host and this daemon's rights on it,
// without changing either. An error says why something cannot be had, nil that
// it is there.
type machine struct {
	uid          int
	capabilities uint64           // effective
	calls        map[string]error // by name of a system call
	namespaces   map[string]error // by name in /proc/self/ns
	enclosing    error            // what happened when root tried to make namespaces and a view
	filtered     bool             // the allowed system calls are written down for it
	landlock     int              // version of its interface; 0 = none
	memfd        error            // a program can be run from memory
	tree         error            // a version 2 cgroup can be made
	controllers  []string         // cgroup controllers that limits can be made with
	runsc        error
	runscPath    string
	runscVersion string
	quota        error // the data directory's file system keeps project quotas
	runDirTmpfs  error
	swap         uint64 // bytes
	files        uint64 // hard limit of open files
	ports        [2]int // for tenants at level process
	ephemeral    [2]int // the kernel's own, for outgoing connections
	privileged   error  // ports below 1024 may be listened on
}

// examine finds all of it out, in a millisecond or two.
func examine(o Probe) machine {
	status, _ := os.ReadFile("/proc/self/status") // unreadable: no capability is known
	m := machine{
		uid: os.Geteuid(), capabilities: effective(string(status)),
		calls: tryCalls(), namespaces: lookForNamespaces(), filtered: len(machineCalls) > 0, landlock: landlockVersion(), memfd: tryMemfd(),
		ports: portRange(),
	}
	if m.uid == 0 {
		m.enclosing = tryEnclosing()
	}
	m.controllers, m.tree = lookAtCgroups()
	m.runscPath, m.runscVersion, m.runsc = findRunsc(o.Runsc)
	m.quota, m.runDirTmpfs = tryQuota(o.DataDir), isTmpfs(o.RunDir)
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.swap = uint64(info.Totalswap) * uint64(info.Unit)
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		m.files = limit.Max
	}
	ephemeral, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	_, _ = fmt.Sscan(string(ephemeral), &m.ephemeral[0], &m.ephemeral[1]) // unreadable: as if there was none
	m.privileged = m.canServe(443)
	return m
}

// effective takes the effective capabilities out of a /proc/PID/status.
func effective(status string) uint64 {
	_, after, _ := strings.Cut(status, "\nCapEff:")
	line, _, _ := strings.Cut(after, "\n")
	mask, _ := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return mask
}

func (m machine) has(capability int) bool { return m.capabilities&(1<<capability) != 0 }

// What tryCalls points at; not on a stack, which Go may move.
var (
	nothing [1]byte // an empty path
	refusal uint32  = unix.SECCOMP_RET_ERRNO
)

// questions are system calls with arguments that cannot do anything.
var questions = map[string]struct {
	number    uintptr
	arguments [3]uintptr
}{
	"clone3":        {unix.SYS_CLONE3, [3]uintptr{}},
	"pidfd_open":    {unix.SYS_PIDFD_OPEN, [3]uintptr{nowhere}},
	"openat2":       {unix.SYS_OPENAT2, [3]uintptr{nowhere, uintptr(unsafe.Pointer(&nothing))}},
	"mount_setattr": {unix.SYS_MOUNT_SETATTR, [3]uintptr{nowhere, uintptr(unsafe.Pointer(&nothing))}},
	"unshare":       {unix.SYS_UNSHARE, [3]uintptr{}},
	"seccomp":       {unix.SYS_SECCOMP, [3]uintptr{unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&refusal))}},
}

const nowhere = ^uintptr(0) // no descriptor, no pid

// tryCalls makes them: the kernel, or a filter around this daemon, says by its
// answer whether it has them.
func tryCalls() map[string]error {
	answers := map[string]error{}
	for name, c := range questions {
		_, _, errno := unix.RawSyscall6(c.number, c.arguments[0], c.arguments[1], c.arguments[2], 0, 0, 0)
		if errno == unix.ENOSYS || errno == unix.EPERM || errno == unix.EOPNOTSUPP {
			answers[name] = fmt.Errorf("%s: %s", name, unix.ErrnoName(errno))
		}
	}
	return answers
}

// lookForNamespaces says which kinds of namespace the kernel has and lets be made.
func lookForNamespaces() map[string]error {
	answers := map[string]error{}
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		if _, err := os.Lstat("/proc/self/ns/" + kind); err != nil {
			answers[kind] = fmt.Errorf("the kernel has no %s namespaces", kind)
			continue
		}
		file := "/proc/sys/user/max_" + kind + "_namespaces"
		if data, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(data)) == "0" {
			answers[kind] = fmt.Errorf("%s is 0", file)
		}
	}
	return answers
}

func tryMemfd() error {
	data, err := os.ReadFile("/proc/sys/vm/memfd_noexec")
	if err == nil && strings.TrimSpace(string(data)) == "2" {
		return fmt.Errorf("vm.memfd_noexec is 2")
	}
	fd, err := unix.MemfdCreate("tenement", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	return unix.Close(fd)
}

// lookAtCgroups tells whether a version 2 cgroup can be made below our own, and
// which controllers there are to limit with: those of version 1 that we may
// make a cgroup of, and those that our own version 2 cgroup was given.
func lookAtCgroups() (controllers []string, tree error) {
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo") // unreadable: as if nothing was mounted
	own, _ := os.ReadFile("/proc/self/cgroup")
	for _, point := range legacyTrees(mountinfo) {
		if unix.Access(point.dir, unix.W_OK) == nil {
			controllers = append(controllers, point.controllers...)
		}
	}
	dir, err := findCgroup(mountinfo, own)
	switch {
	case err != nil:
		tree = fmt.Errorf("no version 2 tree is mounted on /sys/fs/cgroup")
	case unix.Access(dir, unix.W_OK) != nil:
		tree = fmt.Errorf("%s is not ours to write", dir)
	default:
		given, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		controllers = append(controllers, strings.Fields(string(given))...)
	}
	slices.Sort(controllers)
	return slices.Compact(controllers), tree
}

// legacyTree is one mounted version 1 tree.
type legacyTree struct {
	dir         string
	controllers []string
}

// legacyTrees reads those that have controllers out of a mountinfo.
func legacyTrees(mountinfo []byte) []legacyTree {
	var all []legacyTree
	lines := bufio.NewScanner(bytes.NewReader(mountinfo))
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - cgroup ")
		fields, options := strings.Fields(before), strings.Fields(after)
		if len(fields) < 6 || len(options) < 2 {
			continue
		}
		names := strings.Split(options[1], ",")
		names = slices.DeleteFunc(names, func(n string) bool { return n == "rw" || n == "ro" || strings.Contains(n, "=") })
		for i, name := range names {
			if name == "blkio" {
				names[i] = "io" // its name in version 2
			}
		}
		if len(names) > 0 {
			all = append(all, legacyTree{unescapeMount(fields[4]), names})
		}
	}
	return all
}

// tryQuota asks the file system that holds a directory, or will hold it, for
// project quotas.
func tryQuota(dir string) error {
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	kind, options := mountOf(mountinfo, nearest(dir))
	switch {
	case kind != "ext4" && kind != "xfs":
		return fmt.Errorf("%s is on %s", dir, kind)
	case !slices.ContainsFunc(options, func(o string) bool { return o == "prjquota" || o == "pquota" }):
		return fmt.Errorf("%s is on %s, mounted without prjquota", dir, kind)
	}
	return nil
}

// mountOf gives type and options of the file system that a path lies on: of the
// mounts above it the deepest, and of those the last.
func mountOf(mountinfo []byte, path string) (kind string, options []string) {
	deepest := -1
	kind = "an unknown file system"
	lines := bufio.NewScanner(bytes.NewReader(mountinfo))
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, super := strings.Fields(before), strings.Fields(after)
		if len(fields) < 6 || len(super) < 3 {
			continue
		}
		point := strings.TrimSuffix(unescapeMount(fields[4]), "/")
		if len(point) >= deepest && strings.HasPrefix(path+"/", point+"/") {
			deepest, kind = len(point), super[0]
			options = append(strings.Split(fields[5], ","), strings.Split(super[2], ",")...)
		}
	}
	return kind, options
}

// nearest is the part of a path that is there already, links followed.
func nearest(path string) string {
	for ; path != "/" && path != "."; path = filepath.Dir(path) {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
	}
	return path
}

func isTmpfs(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(nearest(dir), &st); err != nil {
		return fmt.Errorf("cannot look at %s: %w", dir, err)
	}
	if st.Type != unix.TMPFS_MAGIC {
		return fmt.Errorf("%s is on a disk", dir)
	}
	return nil
}

// canServe tells whether this daemon may listen on a port, whoever does now.
func (m machine) canServe(port int) error {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	first, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		first = 1024
	}
	if port >= first || m.has(unix.CAP_NET_BIND_SERVICE) {
		return nil
	}
	return fmt.Errorf("uid %d may listen on port %d and above only", m.uid, first)
}
