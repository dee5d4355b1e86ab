package edge

import (
	"math"
	"sync"
	"sync/atomic"
)

// buffers carry heads: for as long as a write takes.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Bodies are carried by buffers of these stocks. A usual one takes a head and most
// bodies in one write. Large ones are for bodies that have filled one of those:
// each costs half as many system calls as in the next smaller size, up to what a
// socket holds. Small ones are for when many bodies are under way at once, and the
// smallest for when very many are. Whoever is quick gives its buffer back within a
// millisecond.
var stocks = [...]*stock{newStock(256<<10, 64), newStock(64<<10, 256), newStock(16<<10, 1024), newStock(4<<10, math.MaxInt64)}

// stock is buffers of one size, a number of which can be lent at once.
type stock struct {
	size int
	pool sync.Pool
	left atomic.Int64
}

func newStock(size int, n int64) *stock {
	s := &stock{size: size, pool: sync.Pool{New: func() any { b := make([]byte, 0, size); return &b }}}
	s.left.Store(n)
	return s
}

// take gives a buffer, nil when there is none left. It never waits.
func (s *stock) take() *[]byte {
	if s.left.Add(-1) < 0 {
		s.left.Add(1)
		return nil
	}
	return s.pool.Get().(*[]byte)
}

func (s *stock) give(b *[]byte) {
	s.pool.Put(b)
	s.left.Add(1)
}

// lent is the buffer of one body, when there is something to be carried.
type lent struct {
	buffer *[]byte
	stock  *stock
	bulk   bool // the body has filled one
	room   int  // how much the other side takes now; 0 = nobody knows
}

// borrow gives the buffer, empty.
func (l *lent) borrow() []byte {
	if l.buffer == nil {
		l.pick()
	}
	b := (*l.buffer)[:0]
	if 0 < l.room && l.room < cap(b) {
		b = b[:0:l.room]
	}
	return b
}

func (l *lent) pick() {
	first := 1
	if l.bulk {
		first = 0
	}
	for i := first; i < len(stocks); i++ {
		l.stock = stocks[i]
		if i < len(stocks)-1 && 0 < l.room && l.room <= stocks[i+1].size { // that one would do
			continue
		}
		if l.buffer = l.stock.take(); l.buffer != nil {
			return
		}
	}
}

// rest gives the buffer back.
func (l *lent) rest() {
	if l.buffer != nil {
		l.stock.give(l.buffer)
		l.buffer = nil
	}
}
