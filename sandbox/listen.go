package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// backlog is how many connections the kernel keeps for a process that does not
// accept yet; it cuts it to net.core.somaxconn.
const backlog = 4096

// listen makes the listening socket that is passed to a process. It lives in the
// process's network: through one of the host's it could look at the host's.
func listen(n *netns, path string) (int, error) {
	if path == "" {
		return -1, errors.New("cannot listen without a path") // the kernel would make up a name
	}
	fd, err := n.socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot make a socket: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	return fd, nil
}

// The descriptors of a process that is started through the trampoline; the
// first is the convention of sd_listen_fds(3).
const (
	listenerFD   = 3
	errorFD      = 4 // execve's errno is written here; it closes when execve succeeds
	trampolineFD = 5
)

// reservedPid leaves room for the longest pid; the trampoline puts its own in,
// which is the app's.
const reservedPid = "LISTEN_PID=0000000000"

// bounce starts the process through the trampoline, as nobody else knows
// LISTEN_PID before execve. The daemon's copy of the listening socket is closed
// right after: a socket that outlived its process would keep clients waiting in
// a backlog that nobody takes from.
func (p *Process) bounce(path string, env []string, child *childFiles) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer unix.Close(pipe[0])
	first := []string{""} // nothing for the trampoline to fill in
	if p.spec.Listen == ListenFD {
		first = []string{reservedPid, "LISTEN_FDS=1", "LISTEN_FDNAMES=http"}
	} else {
		child.files = append(child.files, ^uintptr(0)) // no listener
	}
	child.add(pipe[1])
	child.files = append(child.files, uintptr(child.program))
	env = append(first, env...)
	argv := append([]string{path}, p.spec.Argv...)
	if err := p.fork("/proc/self/fd/"+strconv.Itoa(trampolineFD), argv, env, child); err != nil {
		return fmt.Errorf("cannot execute the trampoline: %w", err)
	}
	child.close()
	child.owned, child.cgroup, child.program = nil, -1, -1
	if err := readErrno(pipe[0]); err != nil {
		return executeError(p.spec, path, err)
	}
	return nil
}

// readErrno waits until execve has succeeded (nil) or failed.
func readErrno(fd int) error {
	var errno [4]byte
	for {
		n, err := unix.Read(fd, errno[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("cannot hear from the new process: %w", err)
		case n == len(errno):
			return unix.Errno(binary.NativeEndian.Uint32(errno[:]))
		default:
			return nil
		}
	}
}
