package edge

import (
	"sync"
	"sync/atomic"
)

// buffers carry what goes to clients: large enough that one write takes a head
// and a usual body.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// largeBuffers are for bodies that have filled one of those: each costs half as
// many system calls as in the next smaller size, up to what a socket holds.
var largeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 256<<10); return &b }}

// smallBuffers are for everybody when many bodies are under way at once: a client
// that reads slowly keeps its buffer for as long as it likes.
var smallBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// How many bodies may have a buffer of a usual or a large size at once: 16 MB of
// each. Whoever is quick gives its buffer back within a millisecond.
var (
	usual = newSupply(256)
	large = newSupply(64)
)

// supply is a number of things that can be taken, without waiting.
type supply struct{ left atomic.Int64 }

func newSupply(n int64) *supply {
	b := &supply{}
	b.left.Store(n)
	return b
}

// take reports whether there was one left; give gives it back.
func (b *supply) take() bool {
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

func (b *supply) give() { b.left.Add(1) }

// lent is the buffer of one body, a larger one when it turns out to be large.
type lent struct {
	first, large *[]byte
	usual        bool // first is of the usual size
}

func lend() lent {
	if usual.take() {
		return lent{first: buffers.Get().(*[]byte), usual: true}
	}
	return lent{first: smallBuffers.Get().(*[]byte)}
}

func (l *lent) small() []byte { return (*l.first)[:0] }

// next gives room for what follows b, which has been sent. full: the buffer was
// too small for what was there.
func (l *lent) next(b []byte, full bool) []byte {
	if !full || l.large != nil || !l.usual || !large.take() {
		return b[:0]
	}
	l.large = largeBuffers.Get().(*[]byte)
	return (*l.large)[:0]
}

func (l *lent) giveBack() {
	if l.large != nil {
		largeBuffers.Put(l.large)
		large.give()
	}
	if !l.usual {
		smallBuffers.Put(l.first)
		return
	}
	buffers.Put(l.first)
	usual.give()
}
