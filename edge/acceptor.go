package edge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// crowd is every client that is connected, for the end of the server and so
// that no address holds all places.
type crowd struct {
	perAddress int                   // 0 = no limit
	exempt     func(netip.Addr) bool // who is not counted: trusted proxies; nil = nobody

	mu      sync.Mutex
	clients map[*client]struct{}
	from    map[netip.Prefix]int // connections of those who are counted
}

func newCrowd(perAddress int, exempt func(netip.Addr) bool) *crowd {
	return &crowd{perAddress: perAddress, exempt: exempt, clients: map[*client]struct{}{}, from: map[netip.Prefix]int{}}
}

// join lets a client in. False: its address has all the connections it may have.
func (c *crowd) join(v *client) bool {
	v.place = c.place(v.remote)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.place.IsValid() {
		if c.from[v.place] >= c.perAddress {
			return false
		}
		c.from[v.place]++
	}
	c.clients[v] = struct{}{}
	return true
}

// place is what counts as one address: a household has an IPv6 network of 64
// bits. Invalid: not counted. Whoever comes by loopback is a proxy or the operator.
func (c *crowd) place(a netip.Addr) netip.Prefix {
	if c.perAddress == 0 || !a.IsValid() || a.IsLoopback() || c.exempt != nil && c.exempt(a) {
		return netip.Prefix{}
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

func (c *crowd) leave(v *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, in := c.clients[v]; !in {
		return
	}
	delete(c.clients, v)
	if v.place.IsValid() {
		if c.from[v.place]--; c.from[v.place] == 0 {
			delete(c.from, v.place)
		}
	}
}

// end closes the connections of those who have said nothing yet or wait between
// two requests past the server, or of all.
func (c *crowd) end(all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range c.clients {
		if all || !v.begun.Load() || v.rest.close() {
			v.Conn.Close()
		}
	}
}

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
