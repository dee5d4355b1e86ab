package sandbox

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it, and waits. What f does to the
// thread (namespaces, root, privileges) is inherited by the processes that it
// forks and by nobody else.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if unix.Gettid() != unix.Getpid() {
			result <- f()
			return
		}
		// The main thread cannot end. As long as it is locked here, the next
		// goroutine is given another one.
		result <- onThread(f)
		runtime.UnlockOSThread()
	}()
	return <-result
}
