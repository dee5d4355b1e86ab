package edge

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"tenement/conf"
)

// inlet reads from a client.
type inlet struct {
	tap
	conn   net.Conn
	limits *conf.Clients

	headLen int // of the head that was given out, which still stands in the buffer

	reading deadline
	paced   bool          // a body is being read
	left    time.Duration // to wait for the rest of the quota
	moved   int           // bytes of the quota
}

// inlets are the buffers of clients: small until a head turns out to be large.
var inlets readerPool

func (in *inlet) prepare(conn net.Conn, limits *conf.Clients) {
	in.conn, in.limits = conn, limits
	in.fit(waitable(conn), (*pacedConn)(in), &inlets, limits.MaxHeader)
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
	if in.Buffered() > 0 {
		return nil
	}
	if err := in.reading.set(in.conn.SetReadDeadline, time.Now(), timeout); err != nil {
		return err
	}
	return in.tap.await()
}

// pacedConn is a client's connection, whose reads wait for as long as the client
// may take.
type pacedConn inlet

func (c *pacedConn) Read(p []byte) (n int, err error) {
	if !c.paced {
		return c.conn.Read(p)
	}
	in := (*inlet)(c)
	if err := in.pace(); err != nil {
		return 0, err
	}
	began := time.Now()
	n, err = c.conn.Read(p)
	in.spend(n, time.Since(began))
	return n, err
}

// wait is such a read by a RawConn's callback.
func (in *inlet) wait(try func(uintptr) bool) error {
	if err := in.pace(); err != nil {
		return err
	}
	began := time.Now()
	in.came = 0
	err := in.raw.Read(try)
	in.spend(in.came, time.Since(began))
	return err
}

func (in *inlet) pace() error { return in.reading.set(in.conn.SetReadDeadline, time.Now(), in.left) }

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

// findHead waits until a whole head is in the buffer. With a fault it gives the
// first byte, which makes the server answer; nothing when the client just left.
func (in *inlet) findHead(limits *conf.Clients) ([]byte, *fault) {
	for searched, waited := 0, false; ; {
		in.skipEmptyLines()
		b, _ := in.Peek(in.Buffered())
		if end := headEnd(b, max(0, searched-2)); end > 0 {
			in.headLen = end
			return b[:end], nil
		}
		searched = len(b)
		if searched >= in.size {
			return b[:1], tooLong(b)
		}
		if !waited { // most heads come in one piece
			if err := in.reading.set(in.conn.SetReadDeadline, time.Now(), limits.HeaderTimeout); err != nil {
				return b[:min(1, searched)], &fault{400, err.Error()}
			}
			waited = true
		}
		if _, err := in.Peek(searched + 1); err != nil {
			b, _ = in.Peek(min(1, in.Buffered()))
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
		b, _ := in.Peek(min(2, in.Buffered()))
		switch {
		case len(b) > 0 && b[0] == '\n':
			_, _ = in.Discard(1)
		case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
			_, _ = in.Discard(2)
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
	head, _ := in.Peek(in.headLen)
	_, _ = in.Discard(in.headLen)
	in.headLen = 0
	return head
}

// body reads a body of this length.
func (in *inlet) body(length int64) bodyReader {
	in.paced, in.left, in.moved = true, in.limits.BodyTimeout, 0
	return newBodyReader(&in.tap, length)
}

// drain gives what has come and was not read yet.
func (in *inlet) drain() []byte {
	b, _ := in.Peek(in.Buffered())
	_, _ = in.Discard(len(b))
	return b
}

// setFree lets reads wait for as long as they like.
func (in *inlet) setFree() error {
	in.paced = false
	return in.reading.set(in.conn.SetReadDeadline, time.Now(), 0)
}

// cutOff ends a read that waits, and all that come.
func (in *inlet) cutOff() {
	in.reading.cut.Store(true)
	_ = in.conn.SetReadDeadline(past)
}
