package edge

import (
	"runtime"
	"sync/atomic"
)

// turns lets others go first where a read would find nothing: right after a
// request went to a tenant, and right after a client got its answer. With many
// under way on few cores, what is waited for has come when the turn comes back,
// and a read in vain, a park and a wake-up are saved: a seventh of what a small
// request costs. With few, nothing comes sooner for it, and idle cores would be
// woken to look for work.
type turns struct {
	asking atomic.Int64 // requests that wait for the first byte of an answer
	crowd  int64        // from so many on turns are given
}

// crowdPerCore is how many requests have to wait for each core that we may use.
const crowdPerCore = 4

func newTurns() *turns { return &turns{crowd: int64(crowdPerCore * runtime.GOMAXPROCS(0))} }

func (t *turns) crowded() bool { return t.asking.Load() >= t.crowd }

func (t *turns) give() {
	if t.crowded() {
		runtime.Gosched()
	}
}
