package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"tenement/conf"
)

// client is a visitor's connection. It finds the heads of requests itself and
// gives the server those and nothing else: bodies are read, and answers written,
// past it. The empty answer that it then writes for itself is swallowed.
type client struct {
	net.Conn
	crowd  *crowd
	limits *conf.Clients
	place  netip.Prefix // where the crowd counts it
	at     entrance

	in       inlet
	begun    atomic.Bool // it has asked for something
	remote   netip.Addr  // where it comes from
	named    namedHost   // what its last request called us
	requests int         // that were taken over
	sent     int64       // bytes

	rest  restState
	dead  error  // why nothing comes any more
	head  []byte // what the server may still read
	owed  bool   // a head was given out and its request not taken over yet
	fault *fault // why there is no further head

	sink    sink
	out     outlet
	writing deadline
	swallow bool // the next Write is the server's own
	lingers bool // what the client still sends is read away before the end
}

func newClient(conn net.Conn, crowd *crowd, limits *conf.Clients) *client {
	c := &client{Conn: conn, crowd: crowd, limits: limits}
	c.remote = remoteOf(conn)
	c.in.prepare(conn, limits)
	c.sink.fit(conn, c.in.raw)
	return c
}

// lingerTime is how long a client may go on sending what nobody wants.
const lingerTime = time.Second

// errTwoReadings is a request whose head ends in one place for the server and in
// another for us: nobody knows what it says.
var errTwoReadings = errors.New("the end of the head is ambiguous")

// Read gives the server the next head, which it waits for. With a broken one the
// server gets the first byte and then the error, so that it answers.
func (c *client) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		switch {
		case c.dead != nil:
			return 0, c.dead
		case c.fault != nil:
			return 0, c.fault
		case c.owed:
			c.fault = &fault{400, errTwoReadings.Error()}
			return 0, c.fault
		}
		if err := c.nextHead(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// nextHead waits for a whole head.
func (c *client) nextHead() error {
	idle := c.limits.IdleTimeout
	if !c.begun.Load() {
		idle = c.limits.HeaderTimeout
	}
	if err := c.in.await(idle); err != nil {
		return err
	}
	head, f := c.in.findHead(c.limits)
	if f != nil && len(head) == 0 {
		return f // nothing that could be answered
	}
	c.begun.Store(true)
	c.head, c.fault, c.owed = head, f, true
	return nil
}

// take gives the handler the header lines of the request that the server has
// read; they live until the body is read, or until done.
func (c *client) take() []byte {
	c.owed = false
	c.requests++
	head := c.in.takeHead()
	_, lines, _ := bytes.Cut(head, []byte("\n"))
	return lines
}

// takeWhole is take for a head that the server has not read.
func (c *client) takeWhole() {
	c.head = nil
	c.take()
}

// done ends a request.
func (c *client) done() { c.in.rest() }

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// Write is what the server calls, once for each answer. Between a head and its
// handler it says "100 Continue" by itself, which is the tenant's to say.
func (c *client) Write(p []byte) (int, error) {
	if c.swallow || c.owed && bytes.Equal(p, continueLine) {
		c.swallow = false
		return len(p), nil
	}
	if err := c.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send writes to the client, for as long as it takes enough in WriteTimeout.
func (c *client) send(p []byte) error { return c.sendFrom(time.Now(), p) }

// sendFrom is send for who knows the time.
func (c *client) sendFrom(now time.Time, p []byte) error {
	for ; ; now = time.Now() {
		if err := c.writing.set(c.Conn.SetWriteDeadline, now, c.limits.WriteTimeout); err != nil {
			return err
		}
		n, err := c.sink.write(p)
		c.sent += int64(n)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || c.writing.cut.Load() || n < quota(c.limits.MinRate, c.limits.WriteTimeout) {
			return err
		}
		p = p[n:]
	}
}

// mute ends what is being written, and all that would be.
func (c *client) mute() {
	c.writing.cut.Store(true)
	_ = c.Conn.SetWriteDeadline(past)
}

// Close ends the connection. Bytes left unread would make the kernel reset it,
// and a reset overtakes the answer that a client in mid-upload has yet to read.
func (c *client) Close() error {
	c.crowd.leave(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.lingers && half.CloseWrite() == nil {
		_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}

// abort ends a connection so that the client cannot take what it got for whole.
func (c *client) abort() {
	socket := socketOf(c.Conn) // below TLS: its close_notify would be an orderly end
	if tcp, ok := socket.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
	c.lingers = false
	socket.Close()
}

// deadline is that of one direction of a connection. It is moved only when that
// makes a difference: moving it on each request would cost more than reading one.
type deadline struct {
	at  time.Time
	cut atomic.Bool // somebody else has ended this direction
}

// past is a deadline that has been.
var past = time.Unix(1, 0)

// set moves the deadline to a time from now; 0 = none.
func (d *deadline) set(move func(time.Time) error, now time.Time, in time.Duration) error {
	var at time.Time
	if in > 0 {
		at = now.Add(in)
		if later := at.Sub(d.at); later >= 0 && later <= in/16 {
			return nil
		}
	}
	if at.Equal(d.at) {
		return nil
	}
	d.at = at
	if err := move(at); err != nil {
		return err
	}
	if d.cut.Load() {
		return move(past)
	}
	return nil
}

// quota is how many bytes have to move in a time.
func quota(rate int, in time.Duration) int {
	return int(int64(rate) * int64(in/time.Millisecond) / 1000)
}
