package main

import (
	"runtime"
	"sync"
)

// spare is how many threads a daemon has ahead of need.
const spare = 32

// spareThreads makes threads that then wait for work: Go's runtime aborts the
// whole process when it cannot make one, and a machine that is out of processes
// is just when the daemon has to go on.
func spareThreads() {
	var up, down sync.WaitGroup
	up.Add(spare)
	gate := make(chan struct{})
	for range spare {
		down.Go(func() {
			runtime.LockOSThread()
			up.Done()
			<-gate
			runtime.UnlockOSThread() // the thread stays, for anybody
		})
	}
	up.Wait()
	close(gate)
	down.Wait()
}
