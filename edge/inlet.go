package edge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"tenement/conf"
)

// inlet reads from a client. While the client idles it holds no buffer.
type inlet struct {
	conn   net.Conn
	raw    syscall.RawConn // nil: nothing can be waited for without a buffer (TLS)
	limits *conf.Clients
	lend   func(uintptr) bool // arrived, made once

	br      *bufio.Reader // nil while nothing has come
	fd      int           // while the kernel is asked without waiting
	peeked  error         // what it said
	headLen int           // of the head that was given out, which still stands in br

	reading deadline
	paced   bool          // a body is being read
	left    time.Duration // to wait for the rest of the quota
	moved   int           // bytes of the quota
}

func (in *inlet) prepare(conn net.Conn, limits *conf.Clients) {
	in.conn, in.raw, in.limits, in.fd = conn, waitable(conn), limits, -1
	in.lend = in.arrived
}

// waitable is a connection whose bytes are those of its socket. Below TLS they are
// not ours to read.
func waitable(conn net.Conn) syscall.RawConn {
	if _, plain := conn.(syscall.Conn); !plain {
		return nil
	}
	return rawConn(conn)
}

// await returns when there is something to read.
func (in *inlet) await(timeout time.Duration) error {
	in.paced = false
	if in.br != nil && in.br.Buffered() > 0 {
		return nil
	}
	if err := in.reading.set(in.conn.SetReadDeadline, timeout); err != nil {
		return err
	}
	err := in.peek()
	if err != nil {
		in.rest()
	}
	return err
}

func (in *inlet) peek() error {
	if in.raw == nil {
		in.borrow()
		_, err := in.br.Peek(1)
		return err
	}
	if err := in.raw.Read(in.lend); err != nil {
		return err
	}
	return in.peeked
}

// arrived tries to read into a borrowed buffer, which is given back when nothing
// is there. It runs inside a RawConn callback, where the descriptor is ours.
func (in *inlet) arrived(fd uintptr) bool {
	in.borrow()
	in.fd = int(fd)
	_, in.peeked = in.br.Peek(1)
	in.fd = -1
	if errors.Is(in.peeked, syscall.EAGAIN) {
		in.rest()
		return false
	}
	return true
}

func (in *inlet) borrow() {
	if in.br == nil {
		in.br = inlets.get(in.limits.MaxHeader)
		in.br.Reset(in)
	}
}

// rest gives the buffer back when nothing is in it.
func (in *inlet) rest() {
	if in.br != nil && in.br.Buffered() == 0 {
		inlets.put(in.br)
		in.br = nil
	}
}

// Read is what the buffer calls.
func (in *inlet) Read(p []byte) (int, error) {
	if in.fd >= 0 {
		return readNow(in.fd, p)
	}
	if !in.paced {
		return in.conn.Read(p)
	}
	if err := in.reading.set(in.conn.SetReadDeadline, in.left); err != nil {
		return 0, err
	}
	began := time.Now()
	n, err := in.conn.Read(p)
	in.spend(n, time.Since(began))
	return n, err
}

// spend counts what a wait brought, and what it took. Time in which the tenant
// does not take what has come is not the client's.
func (in *inlet) spend(n int, took time.Duration) {
	if in.limits.BodyTimeout == 0 {
		return
	}
	if in.moved += n; n > 0 && in.moved >= quota(in.limits.MinRate, in.limits.BodyTimeout) {
		in.moved, in.left = 0, in.limits.BodyTimeout
		return
	}
	in.left = max(in.left-took, time.Millisecond)
}

func readNow(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// findHead waits until a whole head is in the buffer. With a fault it gives the
// first byte, which makes the server answer; nothing when the client just left.
func (in *inlet) findHead(limits *conf.Clients) ([]byte, *fault) {
	for searched, waited := 0, false; ; {
		in.skipEmptyLines()
		b, _ := in.br.Peek(in.br.Buffered())
		if end := headEnd(b, max(0, searched-2)); end > 0 {
			in.headLen = end
			return b[:end], nil
		}
		searched = len(b)
		if searched >= in.br.Size() {
			return b[:1], tooLong(b)
		}
		if !waited { // most heads come in one piece
			if err := in.reading.set(in.conn.SetReadDeadline, limits.HeaderTimeout); err != nil {
				return b[:min(1, searched)], &fault{400, err.Error()}
			}
			waited = true
		}
		if _, err := in.br.Peek(searched + 1); err != nil {
			b, _ = in.br.Peek(min(1, in.br.Buffered()))
			return b, headFault(err)
		}
	}
}

func headFault(err error) *fault {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &fault{408, "the head did not come within client_header_timeout"}
	}
	return &fault{400, "the head was cut short: " + err.Error()}
}

func tooLong(b []byte) *fault {
	if bytes.IndexByte(b, '\n') < 0 {
		return &fault{414, "a request line longer than max_header_bytes"}
	}
	return &fault{431, "a head longer than max_header_bytes"}
}

// skipEmptyLines: RFC 9112, section 2.2, before a request line.
func (in *inlet) skipEmptyLines() {
	for in.headLen = 0; ; {
		b, _ := in.br.Peek(min(2, in.br.Buffered()))
		switch {
		case len(b) > 0 && b[0] == '\n':
			_, _ = in.br.Discard(1)
		case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
			_, _ = in.br.Discard(2)
		default:
			return
		}
	}
}

// headEnd is where the first empty line from here ends; 0 = not yet.
func headEnd(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch rest := b[from:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return from + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return from + 2
		}
	}
}

// takeHead gives the head again and steps over it: what follows is the body's.
// Its bytes stand until the buffer is filled anew.
func (in *inlet) takeHead() []byte {
	head, _ := in.br.Peek(in.headLen)
	_, _ = in.br.Discard(in.headLen)
	in.headLen = 0
	return head
}

// body reads a body of this length.
func (in *inlet) body(length int64) bodyReader {
	in.paced, in.left, in.moved = true, in.limits.BodyTimeout, 0
	return newBodyReader(in.br, length)
}

// drain gives what has come and was not read yet.
func (in *inlet) drain() []byte {
	b, _ := in.br.Peek(in.br.Buffered())
	_, _ = in.br.Discard(len(b))
	return b
}

// setFree lets reads wait for as long as they like.
func (in *inlet) setFree() error {
	in.paced = false
	return in.reading.set(in.conn.SetReadDeadline, 0)
}

// cutOff ends a read that waits, and all that come.
func (in *inlet) cutOff() {
	in.reading.cut.Store(true)
	_ = in.conn.SetReadDeadline(past)
}

// inletPool keeps the buffers of clients that idle. All have one size, unless two
// servers of a test differ.
type inletPool struct{ pool sync.Pool }

var inlets inletPool

func (p *inletPool) get(size int) *bufio.Reader {
	if br, ok := p.pool.Get().(*bufio.Reader); ok && br.Size() == size {
		return br
	}
	return bufio.NewReaderSize(nil, size)
}

func (p *inletPool) put(br *bufio.Reader) {
	br.Reset(nil)
	p.pool.Put(br)
}
