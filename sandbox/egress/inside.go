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
	done := make(chan error, 1)
	go func() { done <- visit(netns, fn) }() // ends with fn
	return <-done
}

// visit needs a goroutine of its own: a thread that cannot go back home stays
// locked, and ends with it.
func visit(netns int, fn func() error) error {
	return away(func() error {
		if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter the network namespace: %w", err)
		}
		return fn()
	})
}

// away brings the thread back to its network namespace after fn.
func away(fn func() error) error {
	runtime.LockOSThread()
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

// scratch makes a network namespace that ends when it is closed.
func scratch() (*os.File, error) {
	var netns *os.File
	done := make(chan error, 1)
	go func() { // ends with away, like inside's
		done <- away(func() (err error) {
			if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("cannot make a network namespace: %w", err)
			}
			netns, err = os.Open(ownNetns)
			return err
		})
	}()
	err := <-done
	return netns, err
}
