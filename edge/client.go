package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// client is a visitor's connection. Forwarded answers are written straight to
// it; the empty answer that fasthttp then writes for itself is swallowed.
type client struct {
	net.Conn
	swallow bool        // the next Write is fasthttp's own
	ended   atomic.Bool // a Read met the end, or an error
	lingers bool        // what the client still sends is read away before the end
	begun   atomic.Bool // it has said something
	crowd   *crowd
}

// crowd is every client that is connected, for the end of the server.
type crowd struct {
	mu      sync.Mutex
	clients map[*client]struct{}
}

func (c *crowd) join(v *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients[v] = struct{}{}
}

func (c *crowd) leave(v *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clients, v)
}

// end closes the connections of those who have said nothing yet, or of all.
func (c *crowd) end(all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range c.clients {
		if all || !v.begun.Load() {
			v.Conn.Close()
		}
	}
}

// lingerTime is how long a client may go on sending what nobody wants.
const lingerTime = time.Second

// Read notes the end: fasthttp's body reader takes an early end for a whole
// message, the forwarder must not.
func (c *client) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.begun.Load() {
		c.begun.Store(true)
	}
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

// Write is what fasthttp calls; with ReduceMemoryUsage once for each answer.
func (c *client) Write(p []byte) (int, error) {
	if c.swallow {
		c.swallow = false
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// send writes what the edge has to say itself.
func (c *client) send(p []byte) error {
	_, err := c.Conn.Write(p)
	return err
}

// Close ends the connection. Bytes left unread would make the kernel reset it,
// and a reset overtakes the answer that a client in mid-upload has yet to read.
func (c *client) Close() error {
	c.crowd.leave(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.lingers && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}

// abort ends a connection so that the client cannot take what it got for whole.
func (c *client) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
	c.lingers = false
	c.Conn.Close()
}

// acceptor hands visitors' connections to the server. It survives the want of
// file descriptors: a spare one is kept to turn the excess away with a 503.
type acceptor struct {
	net.Listener
	log   zerolog.Logger
	base  context.Context // ends a pause
	crowd *crowd
	spare int // a descriptor; -1 = none
}

// Pauses between tries to accept when the kernel has no room.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// newAcceptor wraps a listener; release gives the spare descriptor back.
func newAcceptor(base context.Context, l net.Listener, c *crowd, log zerolog.Logger) *acceptor {
	return &acceptor{Listener: l, log: log, base: base, crowd: c, spare: openSpare()}
}

// release is called when nobody accepts any more.
func (a *acceptor) release() {
	if a.spare >= 0 {
		syscall.Close(a.spare)
		a.spare = -1
	}
}

func openSpare() int {
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Accept is called by one goroutine.
func (a *acceptor) Accept() (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		conn, err := a.Listener.Accept()
		if err == nil {
			c := &client{Conn: conn, crowd: a.crowd}
			a.crowd.join(c)
			return c, nil
		}
		if !scarce(err) || a.base.Err() != nil {
			return nil, err
		}
		a.log.Warn().Err(err).Msg("cannot accept a connection")
		a.turnAway()
		select {
		case <-time.After(pause):
		case <-a.base.Done():
		}
	}
}

// scarce reports errors that pass.
func scarce(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

const turnedAway = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// maxTurnedAway bounds how many are turned away before descriptors are tried again.
const maxTurnedAway = 64

// turnAway answers those who wait with the spare descriptor, one by one.
func (a *acceptor) turnAway() {
	d, ok := a.Listener.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return
	}
	defer func() { _ = d.SetDeadline(time.Time{}) }()
	for range maxTurnedAway {
		a.release()
		if err := d.SetDeadline(time.Now().Add(firstPause)); err != nil {
			return
		}
		conn, err := a.Listener.Accept()
		if err == nil {
			a.refuse(conn)
		}
		if a.spare = openSpare(); err != nil || a.spare < 0 {
			return
		}
	}
}

// refuse reads what has come of a request, so that the answer is not lost with it.
func (a *acceptor) refuse(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(firstPause))
	_, _ = conn.Read(make([]byte, 4<<10))
	_, _ = conn.Write([]byte(turnedAway))
	conn.Close()
}
