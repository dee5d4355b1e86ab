package egress

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ownNetns is the network namespace of the thread that opens it.
const ownNetns = "/proc/thread-self/ns/net"

// inside runs fn on a thread that is in a network namespace. What fn opens stays
// there; fn must not start goroutines, they would run elsewhere.
func inside(netns int, fn func() error) error {
	return away(func() error {
		if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter the network namespace: %w", err)
		}
		return fn()
	})
}

// scratch makes a network namespace that ends when it is closed.
func scratch() (netns *os.File, err error) {
	err = away(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot make a network namespace: %w", err)
		}
		netns, err = os.Open(ownNetns)
		return err
	})
	return netns, err
}

// away runs fn on a thread that may leave its network namespace, and waits.
func away(fn func() error) error {
	done := make(chan error, 1)
	go func() { // ends with fn
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// To others the first thread is the daemon: /proc/self, /proc/net. As
			// long as it is locked here, the next goroutine is given another one.
			done <- away(fn)
			runtime.UnlockOSThread()
			return
		}
		done <- andBack(fn)
	}()
	return <-done
}

// andBack brings the locked thread home after fn. One that cannot go back stays
// locked, and ends with its goroutine.
func andBack(fn func() error) error {
	home, err := os.Open(ownNetns)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cannot remember the network namespace: %w", err)
	}
	defer home.Close()
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return fn()
}
