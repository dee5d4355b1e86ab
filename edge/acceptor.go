package edge

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// acceptor hands visitors' connections to the server. It survives the want of
// file descriptors: a spare one is kept to turn the excess away with a 503.
type acceptor struct {
	net.Listener
	log    zerolog.Logger
	base   context.Context // ends a pause
	crowd  *crowd
	limits *conf.Clients
	at     entrance // of the connections it makes
	spare  int      // a descriptor; -1 = none
	once   sync.Once
}

// Close ends the listener; who comes second to it finds it closed.
func (a *acceptor) Close() (err error) {
	a.once.Do(func() { err = a.Listener.Close() })
	return err
}

// Pauses between tries to accept when the kernel has no room.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// newAcceptor wraps a listener; release gives the spare descriptor back.
func newAcceptor(base context.Context, l net.Listener, c *crowd, limits *conf.Clients, log zerolog.Logger) *acceptor {
	return &acceptor{Listener: l, log: log, base: base, crowd: c, limits: limits, spare: openSpare()}
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
			c := newClient(a.at.secure(conn), a.crowd, a.limits)
			c.at = a.at
			if a.crowd.join(c) {
				return c, nil
			}
			go dismiss(conn, tooMany) // ends within firstPause or two
			pause = firstPause / 2
			continue
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

// What is said to a connection that is not served.
const (
	turnedAway = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	tooMany    = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

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
			dismiss(conn, turnedAway)
		}
		if a.spare = openSpare(); err != nil || a.spare < 0 {
			return
		}
	}
}

// dismiss reads what has come of a request, so that the answer is not lost with it.
func dismiss(conn net.Conn, answer string) {
	_ = conn.SetReadDeadline(time.Now().Add(firstPause))
	_ = conn.SetWriteDeadline(time.Now().Add(lingerTime)) // a new connection takes this much at once
	_, _ = conn.Read(make([]byte, 4<<10))
	_, _ = conn.Write([]byte(answer))
	conn.Close()
}
