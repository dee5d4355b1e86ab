package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probe is one attempt to get at something that is nobody's business.
type probe struct {
	name string
	area string // whose door it tries: tenants, daemon, api, network, host, privileges, kernel
	try  func(*target) result
}

// probes is everything that is tried, in the order of the table.
var probes = slices.Concat(tenantProbes, daemonProbes, peerProbes, networkProbes, hostProbes, privilegeProbes, namespaceProbes, kernelProbes, foreignProbes, machineProbes)

// result is what an attempt came to. One that failed in a way that no barrier
// explains is broken: it says nothing.
type result struct {
	Name   string `json:"name"`
	Area   string `json:"area"`
	Open   bool   `json:"open"`
	Broken bool   `json:"broken,omitempty"`
	Own    bool   `json:"own,omitempty"` // not the machine's kernel answered, but the tenant's own
	Detail string `json:"detail"`
}

// target is what the test tells about the world outside.
type target struct {
	Kernel                      string // of the machine: release and version
	Nonce, Secret, DaemonSecret string
	Daemon, Victim, Init        process
	DataDir, RunDir, Config     string
	AppDir                      string   // of the probe and its setuid copies
	VictimGroups                []string // directories of its cgroups, as the host sees them
	Found                       victimTargets
	APIPort, HostPort           int
	HostAddress                 string // of the daemon's machine, not loopback
	Elsewhere                   map[string]string
	HostSocket, HostAbstract    string
	Disk                        uint64            // device number that holds the data
	Devices                     map[string]uint64 // of directories of the machine's
}

// process is one of the host's, by its pid there.
type process struct {
	Pid   int
	Start string // fields 2 and 22 of its stat
}

// same reports whether the pid means that process here, and not one of this
// pid namespace's own that has the number by chance.
func (p process) same() bool { return p.Start != "" && startOf(p.Pid) == p.Start }

func opened(format string, args ...any) result {
	return result{Open: true, Detail: fmt.Sprintf(format, args...)}
}

func closed(format string, args ...any) result {
	return result{Detail: fmt.Sprintf(format, args...)}
}

func broken(format string, args ...any) result {
	return result{Broken: true, Detail: fmt.Sprintf(format, args...)}
}

// refusals are how a barrier says no. ENOSYS is among them, for every attempt is
// known to work outside on the same kernel.
var refusals = []error{unix.EPERM, unix.EACCES, unix.ENOSYS}

// absences are how something says that it is not there; the control shows that
// outside it is.
var absences = []error{unix.ENOENT, unix.ESRCH, unix.ENOTDIR, unix.EROFS}

// attempt reads the outcome of a system call: none is a success, one of the
// refusals or of also a closed door, and anything else a mistake of the probe's.
func attempt(err error, also ...error) result {
	if err == nil {
		return opened("done")
	}
	for _, no := range append(refusals, also...) {
		if errors.Is(err, no) {
			return closed("%v", err)
		}
	}
	return broken("%v", err)
}

// reached is attempt for calls that cannot succeed without doing harm: an error
// that comes only after the check for permission means that it was passed.
func reached(err error, past ...error) result {
	for _, p := range past {
		if errors.Is(err, p) {
			return opened("permitted, then %v", err)
		}
	}
	return attempt(err)
}

// openFile tries to open what should be out of reach; nothing is written.
func openFile(path string, flags int) result {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return attempt(err, append(absences, unix.ENXIO, unix.ENODEV)...)
	}
	defer unix.Close(fd)
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return broken("%v", err)
	}
	if s.Mode&unix.S_IFMT == unix.S_IFCHR && s.Rdev == unix.Mkdev(1, 3) {
		return closed("/dev/null lies over it")
	}
	return opened("opened %s", path)
}

// readFile tries to read what holds want.
func readFile(path, want string) result {
	text, err := os.ReadFile(path)
	if err != nil {
		return attempt(err, append(absences, unix.EIO)...)
	}
	return holds(path, text, want)
}

func holds(path string, text []byte, want string) result {
	if want == "" || !contains(text, want) {
		return closed("%s is somebody else's, or empty", path)
	}
	return opened("read %s", path)
}

// created tries to make a file and removes it again.
func created(path string) result {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return attempt(err, absences...)
	}
	unix.Close(fd)
	os.Remove(path)
	return opened("made %s", path)
}

// forkCall makes one system call in a child that does nothing else: some change
// the caller for good, some refuse a program with threads. The child was forked
// behind the back of Go's runtime and may call nothing but the kernel.
//
//go:nosplit
func forkCall(flags, trap, a1, a2, a3, a4, a5 uintptr) (uintptr, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		_, _, errno = syscall.RawSyscall6(trap, a1, a2, a3, a4, a5, 0)
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(errno), 0, 0)
	}
	return pid, errno
}

// inChild reports how one system call of a child's went.
func inChild(trap uintptr, args ...uintptr) error { return inClone(0, trap, args...) }

// inClone is inChild with flags for clone; an error is clone's or the call's.
func inClone(flags, trap uintptr, args ...uintptr) error {
	var a [5]uintptr
	copy(a[:], args)
	pid, errno := forkCall(flags, trap, a[0], a[1], a[2], a[3], a[4])
	if errno != 0 {
		return errno
	}
	return childError(int(pid))
}

// childError turns the exit code of a child into the error that it stands for.
func childError(pid int) error {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGSYS:
		return unix.EPERM
	case status.Signaled():
		return fmt.Errorf("killed by %v", status.Signal())
	case status.ExitStatus() != 0:
		return syscall.Errno(status.ExitStatus())
	}
	return nil
}

// soon polls until ok, for what another process does in its own time.
func soon(ok func() bool) bool {
	for range 200 {
		if ok() {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}
