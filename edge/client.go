package edge

import (
	"errors"
	"net"
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
}

// Read notes the end: fasthttp's body reader takes an early end for a whole
// message, the forwarder must not.
func (c *client) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
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

// abort ends a connection so that the client cannot take what it got for whole.
func (c *client) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
	c.Close()
}

// acceptor hands visitors' connections to the server. It survives the want of
// file descriptors: a spare one is kept to turn the excess away with a 503.
type acceptor struct {
	net.Listener
	log   zerolog.Logger
	spare int
}

// Pauses between tries to accept when the kernel has no room.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

func newAcceptor(l net.Listener, log zerolog.Logger) *acceptor {
	return &acceptor{Listener: l, log: log, spare: openSpare()}
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
			return &client{Conn: conn}, nil
		}
		if !scarce(err) {
			return nil, err
		}
		a.log.Warn().Err(err).Msg("cannot accept a connection")
		a.turnAway()
		time.Sleep(pause)
	}
}

// scarce reports errors that pass.
func scarce(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

const turnedAway = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// turnAway answers one visitor with the spare descriptor.
func (a *acceptor) turnAway() {
	if a.spare >= 0 {
		syscall.Close(a.spare)
		a.spare = -1
	}
	if d, ok := a.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(time.Now().Add(firstPause))
		if conn, err := a.Listener.Accept(); err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(firstPause))
			_, _ = conn.Write([]byte(turnedAway))
			conn.Close()
		}
		_ = d.SetDeadline(time.Time{})
	}
	a.spare = openSpare()
}

// Close ends the listener and gives the spare back.
func (a *acceptor) Close() error {
	return a.Listener.Close()
}
