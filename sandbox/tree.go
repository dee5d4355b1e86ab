package sandbox

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// goneWithin is how long killed processes are given to leave. They need
// milliseconds; one that hangs in the kernel (a dead NFS server) may need for
// ever, and nobody shall wait for that.
const goneWithin = 3 * time.Second

// tree is a process of a tenant with all that it started, grandchildren that
// forked away included. A leaf knows them by their cgroup, a family by session,
// environment and parents.
type tree interface {
	members() ([]member, error) // those alive; zombies do not count
	holds(member) bool          // still, after a pidfd was opened
	kill() error                // SIGKILL to all
	remove() error              // waits until all are gone; goneWithin at most
}

// member is one process of a tree. A family's has a start time, to be known
// again; a leaf's is known by its cgroup.
type member struct {
	pid   int
	start uint64
}

// signalAll sends a signal to everyone in the tree now. Each is held by a pidfd
// before it is looked at again, so that no signal reaches a process that only
// got the pid of one that left.
func signalAll(t tree, signal unix.Signal) error {
	members, err := t.members()
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range members {
		if err := signalMember(t, m, signal); err != nil {
			errs = append(errs, fmt.Errorf("cannot send %s to process %d: %w", unix.SignalName(signal), m.pid, err))
		}
	}
	return errors.Join(errs...)
}

func signalMember(t tree, m member, signal unix.Signal) error {
	fd, err := unix.PidfdOpen(m.pid, 0)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !t.holds(m) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// killAll kills the members again and again until none is left: what was forked
// while the list was read is on the next one.
func killAll(t tree) error {
	for start := time.Now(); ; time.Sleep(pause(time.Since(start))) {
		err := signalAll(t, unix.SIGKILL)
		if gone, _ := empty(t); gone {
			return nil
		}
		if time.Since(start) > goneWithin {
			return errors.Join(err, errors.New("killed processes are still there"))
		}
	}
}

// isGone knows pidfd_open's answers for a process that is not there: EINVAL
// when a thread has its number now, ENOENT (6.9 on) in the middle of its end.
func isGone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT)
}

func empty(t tree) (bool, error) {
	members, err := t.members()
	return len(members) == 0 && err == nil, err
}

// pause is how long to wait before looking again at something that began to be
// waited for so long ago: looking costs a fiftieth of the time or less, a fast
// event is seen fast, and a slow one within 5 ms.
func pause(elapsed time.Duration) time.Duration {
	return min(max(elapsed/50, 200*time.Microsecond), 5*time.Millisecond)
}
