package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"tenement/actors"
	"tenement/conf"
)

// watchAfter is how long a request may take before its client is watched: most
// are over by then, and a watch costs two system calls.
const watchAfter = 20 * time.Millisecond

// exchange is one request and its answer, from the handler's first line to its
// last. It is used again for the next.
type exchange struct {
	request
	client *client
	upload bodyReader // the client's body; done when there is none
	answer answer

	download bodyReader // the answer's body
	down     intake     // takes it

	front *conf.Front // what the service asks for; never nil
	door  *actors.Door
	base  context.Context // the server's
	use   *presence       // of what goes on for long; nil: the door is left at the end

	now    time.Time // as of when something was last waited for
	record visitRecord
	lanes  int64 // bytes that an upgraded connection has brought
	woke   bool  // it waited for a wake

	started bool // something of the answer has been sent
	ends    bool // the client's connection ends after this

	up     atomic.Pointer[upstream] // who takes it out decides: kept by keep, killed by gone
	left   atomic.Bool
	cancel atomic.Pointer[context.CancelFunc] // of what waits; called when the client leaves

	watcher *watcher
	turns   *turns
	timer   *time.Timer
	mu      sync.Mutex // between the timer and finish
	over    bool
	late    bool   // watchAfter has passed
	number  uint64 // of the watch; 0 = none
	asked   *conns // where a new connection waits for its first answer
	strains bool   // that has been said to asked
}

// noFront is that of a request which found no service.
var noFront conf.Front

var exchanges = sync.Pool{New: func() any { return &exchange{upload: bodyReader{done: true}} }}

// begin takes an exchange from the pool and starts the time to its watch.
func begin(c *client, w *watcher, t *turns) *exchange {
	x := exchanges.Get().(*exchange)
	x.client, x.watcher, x.turns, x.front = c, w, t, &noFront
	x.now = time.Now()
	x.record.began = x.now
	if x.timer == nil {
		x.timer = time.AfterFunc(watchAfter, x.lag)
	} else {
		x.timer.Reset(watchAfter)
	}
	return x
}

// finish ends the watch, for good: no call of gone is under way or comes later.
func (x *exchange) finish() {
	stopped := x.timer.Stop()
	x.heard()
	x.mu.Lock()
	x.over = true
	number := x.number
	x.mu.Unlock()
	if number != 0 {
		x.watcher.remove(x.client.Conn, number)
	}
	if cancel := x.cancel.Swap(nil); cancel != nil {
		(*cancel)()
	}
	x.client.done()
	if stopped { // else the timer's call may still come, and must not meet the next request
		x.forget()
		exchanges.Put(x)
	}
}

// forget makes an exchange as good as new, but for its timer and its buffer.
func (x *exchange) forget() {
	x.request, x.client = request{nom: nominated{names: x.request.nom.names[:0]}}, nil
	x.upload, x.download, x.door, x.base = bodyReader{done: true}, bodyReader{}, nil, nil
	x.answer = answer{raw: x.answer.raw[:0], nom: nominated{names: x.answer.nom.names[:0]}}
	x.record, x.lanes, x.woke = visitRecord{}, 0, false
	x.started, x.ends, x.over, x.late, x.number = false, false, false, false, 0
	x.up.Store(nil)
	x.left.Store(false)
}

// context ends when the client leaves, or with the exchange.
func (x *exchange) context(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	if before := x.cancel.Swap(&cancel); before != nil {
		(*before)() // what waited by it is over
	}
	if x.left.Load() {
		cancel()
	}
	return ctx
}

// lag is called when this takes long.
func (x *exchange) lag() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.late = true
	x.watchLocked()
	x.strain()
}

// awaits says that a new connection has been made and the first answer on it is
// awaited; heard, that it is there or will not come.
func (x *exchange) awaits(pool *conns) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = pool
	x.strain()
}

func (x *exchange) heard() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.strains {
		x.asked.strained.Add(-1)
	}
	x.asked, x.strains = nil, false
}

func (x *exchange) strain() {
	if x.late && x.asked != nil && !x.strains && !x.over {
		x.strains = true
		x.asked.strain()
	}
}

// unwatch leaves it to the exchange to notice that the client leaves.
func (x *exchange) unwatch() {
	x.mu.Lock()
	x.over = true
	number := x.number
	x.number = 0
	x.mu.Unlock()
	if number != 0 {
		x.watcher.remove(x.client.Conn, number)
	}
}

// leave leaves the door that pass has entered.
func (x *exchange) leave(door *actors.Door) {
	if x.use != nil {
		x.use.end()
		x.use = nil
		return
	}
	door.Leave()
}

// watch has the client watched from now on.
func (x *exchange) watch() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.watchLocked()
}

func (x *exchange) watchLocked() {
	if !x.over && x.number == 0 {
		x.number = x.watcher.add(x.client.Conn, x.gone)
	}
}

// gone: the client has left. What waits for it ends.
func (x *exchange) gone() {
	x.left.Store(true)
	if u := x.up.Swap(nil); u != nil {
		u.kill()
	}
	if cancel := x.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	x.client.mute() // it may not read any more either
}

// attach makes a connection to the tenant this exchange's own, to be killed
// when the client leaves. False: it has left already.
func (x *exchange) attach(u *upstream) bool {
	x.up.Store(u)
	if x.left.Load() {
		u.kill()
		return false
	}
	return true
}

// keep takes the connection back from the reach of gone. False: it came first,
// and the connection is dead or about to be.
func (x *exchange) keep(u *upstream) bool { return x.up.CompareAndSwap(u, nil) }
