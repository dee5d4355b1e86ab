package edge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
)

// tap reads from a connection through a buffer that it borrows. While nothing
// comes it holds none: who is slow costs no more than who is silent.
type tap struct {
	raw    syscall.RawConn // nil: nothing can be waited for without a buffer (TLS)
	source io.Reader       // reads from the connection, and waits
	pool   *readerPool
	size   int                // of the buffer, at most
	look   func(uintptr) bool // arrived, made once

	br   *bufio.Reader // nil while nothing has come
	over []byte        // came into a buffer that was too small, and goes into the next one
	fd   int           // while the kernel is asked without waiting, else -1
	came int           // bytes that it gave then
	err  error         // what it said
}

// fit makes a tap of a connection; it must not be copied then.
func (t *tap) fit(raw syscall.RawConn, source io.Reader, pool *readerPool, size int) {
	t.raw, t.source, t.pool, t.size, t.fd = raw, source, pool, size, -1
	t.look = t.arrived
}

// await returns when there is something to read, or the end.
func (t *tap) await() (err error) {
	switch {
	case t.Buffered() > 0:
		return nil
	case t.raw == nil:
		_, err = t.Peek(1)
	default:
		if err = t.raw.Read(t.look); err == nil {
			err = t.err
		}
	}
	if err != nil {
		t.rest()
	}
	return err
}

// dry stands for a descriptor that never gives anything: what is in the buffer is
// read, and no more.
const dry = math.MaxInt

// arrived tries to read into a borrowed buffer. It runs inside a RawConn callback,
// where the descriptor is ours; few frames deep, for thousands may wait in it.
func (t *tap) arrived(fd uintptr) bool {
	t.fd = int(fd)
	_, t.err = t.borrow().Peek(1)
	return t.tried()
}

// tried ends a read that did not wait, and reports whether there was anything. If
// not, the buffer is given back.
func (t *tap) tried() bool {
	t.fd = -1
	if errors.Is(t.err, syscall.EAGAIN) {
		t.rest()
		return false
	}
	return true
}

func (t *tap) borrow() *bufio.Reader {
	if t.br == nil {
		t.lay(t.pool.get(t.size))
	}
	return t.br
}

func (t *tap) lay(br *bufio.Reader) {
	t.br = br
	br.Reset((*spout)(t))
}

// grow brings what is in a small buffer into one of full size. False: it has that.
func (t *tap) grow() bool {
	if t.br.Size() >= t.size {
		return false
	}
	here, _ := t.br.Peek(t.br.Buffered())
	t.over = bytes.Clone(here)
	t.drop()
	t.lay(t.pool.full(t.size))
	return true
}

// rest gives the buffer back when nothing is in it.
func (t *tap) rest() {
	if t.br != nil && t.br.Buffered() == 0 {
		t.drop()
	}
}

// drop gives it back with whatever is in it.
func (t *tap) drop() {
	if t.br != nil {
		t.pool.put(t.br)
		t.br = nil
	}
}

// Buffered, Peek, Discard, ReadSlice and Read are those of bufio.Reader.
func (t *tap) Buffered() int {
	if t.br == nil {
		return 0
	}
	return t.br.Buffered()
}

// Peek see Buffered.
func (t *tap) Peek(n int) ([]byte, error) {
	b, err := t.borrow().Peek(n)
	if err == bufio.ErrBufferFull && t.grow() {
		b, err = t.br.Peek(n)
	}
	return b, err
}

// Discard see Buffered.
func (t *tap) Discard(n int) (int, error) { return t.borrow().Discard(n) }

// ReadSlice see Buffered. It must not meet a kernel that is asked without waiting.
func (t *tap) ReadSlice(end byte) ([]byte, error) { return t.borrow().ReadSlice(end) }

// Read see Buffered. What fills the buffer passes it by.
func (t *tap) Read(p []byte) (int, error) {
	if len(p) >= smallReader && t.Buffered() == 0 {
		return (*spout)(t).Read(p)
	}
	return t.borrow().Read(p)
}

// buffered is what is read through a buffer: a *tap, or a *bufio.Reader.
type buffered interface {
	io.Reader
	Buffered() int
	Peek(int) ([]byte, error)
	Discard(int) (int, error)
	ReadSlice(byte) ([]byte, error)
}

// spout is where the buffer of a tap is filled.
type spout tap

func (s *spout) Read(p []byte) (int, error) {
	if n := copy(p, s.over); n > 0 {
		s.over = s.over[n:]
		return n, nil
	}
	if s.fd < 0 {
		return s.source.Read(p)
	}
	if s.fd == dry {
		return 0, syscall.EAGAIN
	}
	n, err := readNow(s.fd, p)
	s.came += n
	return n, err
}

// smallReader is the size that holds the head of nearly every request.
const smallReader = 4 << 10

// readerPool keeps buffers that nobody has borrowed: small ones, and ones of full
// size, which is the same for all unless two servers of a test differ.
type readerPool struct {
	plenty int64 // so many of full size may be in use before small ones are given

	used        atomic.Int64 // those of full size
	small, wide sync.Pool
}

func (p *readerPool) get(size int) *bufio.Reader {
	if size > smallReader && p.used.Load() < p.plenty {
		return p.full(size)
	}
	if size < smallReader {
		return bufio.NewReaderSize(nil, size)
	}
	if br, ok := p.small.Get().(*bufio.Reader); ok {
		return br
	}
	return bufio.NewReaderSize(nil, smallReader)
}

func (p *readerPool) full(size int) *bufio.Reader {
	p.used.Add(1)
	if br, ok := p.wide.Get().(*bufio.Reader); ok && br.Size() == size {
		return br
	}
	return bufio.NewReaderSize(nil, size)
}

func (p *readerPool) put(br *bufio.Reader) {
	br.Reset(nil)
	switch size := br.Size(); {
	case size > smallReader:
		p.used.Add(-1)
		p.wide.Put(br)
	case size == smallReader:
		p.small.Put(br)
	}
}
