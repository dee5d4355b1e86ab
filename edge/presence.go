package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"tenement/actors"
)

// quietAfter is how long a stream or an upgraded connection may carry no data of
// the app's until it stops counting as use.
const quietAfter = time.Second

// presence is the place inside a tenant's door of something that goes on for
// long. It steps outside while it is quiet, so that the tenant may go to sleep,
// which then ends it.
type presence struct {
	door  *actors.Door
	cut   func()      // ends what is present
	moved atomic.Bool // since the timer was set

	mu      sync.Mutex
	timer   *time.Timer
	stop    func() bool // of the look at the server's end
	inside  bool
	leaving bool // the server ends: who is quiet is cut off
	over    bool
}

// newPresence is for somebody who has entered the door; end ends it. The context
// is the server's.
func newPresence(base context.Context, door *actors.Door, cut func()) *presence {
	p := &presence{door: door, cut: cut, inside: true}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(quietAfter, p.look)
	p.stop = context.AfterFunc(base, p.leave)
	return p
}

// touch notes data of the app's.
func (p *presence) touch() {
	if p.moved.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.inside {
		if p.over || !p.door.Resume() {
			return
		}
		p.inside = true
		p.timer.Reset(quietAfter)
	}
	p.moved.Store(true)
}

// look steps outside when nothing has moved.
func (p *presence) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over || !p.inside:
	case p.moved.Swap(false):
		p.timer.Reset(quietAfter)
	case p.leaving:
		p.cut()
	default:
		p.inside = false
		p.door.Pause()
	}
}

// leave: the server ends.
func (p *presence) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = true
	if !p.inside && !p.over {
		p.cut()
	}
}

// end gives the door back what is owed to it.
func (p *presence) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
	p.stop()
	if p.inside {
		p.door.Leave()
	} else {
		p.door.Absent()
	}
}
