package edge

import "sync"

// buffers carry what goes to clients: large enough that one write takes a head
// and a usual body.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// largeBuffers are for bodies that have filled one of those: each costs half as
// many system calls as in the next smaller size, up to what a socket holds.
var largeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 256<<10); return &b }}

// lent is the buffer of one body, a larger one when it turns out to be large.
type lent struct {
	first, large *[]byte
}

func lend() lent { return lent{first: buffers.Get().(*[]byte)} }

func (l *lent) small() []byte { return (*l.first)[:0] }

// next gives room for what follows b, which has been sent. full: the buffer was
// too small for what was there.
func (l *lent) next(b []byte, full bool) []byte {
	if !full || l.large != nil {
		return b[:0]
	}
	l.large = largeBuffers.Get().(*[]byte)
	return (*l.large)[:0]
}

func (l *lent) giveBack() {
	buffers.Put(l.first)
	if l.large != nil {
		largeBuffers.Put(l.large)
	}
}
