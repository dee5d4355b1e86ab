package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxRelayed bounds the connections of one tenant; further ones wait in the
	// backlog of its listener.
	maxRelayed = 128
	// dialTimeout is for a loopback: only a full backlog takes time.
	dialTimeout = 5 * time.Second
	// acceptPause is for a daemon that is out of file descriptors.
	acceptPause = 100 * time.Millisecond
)

// loopbacks are both, as programs try them.
var loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// Ports are ports of the host's loopback that appear on a namespace's: the
// daemon relays connections, there is no route.
type Ports struct {
	listeners []net.Listener
	slots     chan struct{}
	ctx       context.Context
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// RelayPorts listens in a network namespace until Close.
func RelayPorts(netns int, ports []uint16) (*Ports, error) {
	p := &Ports{slots: make(chan struct{}, maxRelayed)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	err := inside(netns, func() error {
		for _, port := range ports {
			for _, addr := range loopbacks {
				l, err := listen(netip.AddrPortFrom(addr, port))
				if addr.Is6() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) {
					continue // a kernel without IPv6
				}
				if err != nil {
					return fmt.Errorf("cannot open the host's port %d to a network namespace: %w", port, err)
				}
				p.listeners = append(p.listeners, l)
			}
		}
		return nil
	})
	if err != nil {
		p.Close()
		return nil, err
	}
	for _, l := range p.listeners {
		port := l.Addr().(*net.TCPAddr).Port
		p.running.Go(func() { p.serve(l, strconv.Itoa(port)) }) // ended by Close
	}
	return p, nil
}

// Close ends the listeners and cuts every connection.
func (p *Ports) Close() {
	p.cancel()
	for _, l := range p.listeners {
		l.Close()
	}
	p.running.Wait()
}

func (p *Ports) serve(l net.Listener, port string) {
	for {
		c, err := accept(p.ctx, l)
		if err != nil {
			return
		}
		select {
		case p.slots <- struct{}{}:
		case <-p.ctx.Done():
			c.Close()
			return
		}
		p.running.Go(func() { // ended by Close, by way of ctx
			defer func() { <-p.slots }()
			p.relay(c, port)
		})
	}
}

// relay joins a tenant's connection to one of the host's.
func (p *Ports) relay(tenant net.Conn, port string) {
	host, err := p.dial(port)
	if err != nil { // a reset is what comes nearest to a refused connection
		_ = tenant.(*net.TCPConn).SetLinger(0)
		tenant.Close()
		return
	}
	both := func() { tenant.Close(); host.Close() }
	defer both()
	defer context.AfterFunc(p.ctx, both)()
	var back sync.WaitGroup
	back.Go(func() { pass(tenant, host) }) // ends with either connection
	pass(host, tenant)
	back.Wait()
}

func (p *Ports) dial(port string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	var errs []error
	for _, addr := range loopbacks {
		c, err := dialer.DialContext(p.ctx, "tcp", net.JoinHostPort(addr.String(), port))
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// pass copies one direction. An end is passed on as such, since protocols use
// it; anything else ends both directions.
func pass(to, from net.Conn) {
	if _, err := io.Copy(to, from); err == nil && to.(*net.TCPConn).CloseWrite() == nil {
		return
	}
	to.Close()
	from.Close()
}

// listen opens a TCP listener in the calling thread's namespace. Multipath TCP
// would keep the kernel from copying by itself.
func listen(at netip.AddrPort) (net.Listener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	return c.Listen(context.Background(), "tcp", at.String())
}

// accept waits out what passes; its error is the end of the listener.
func accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for {
		c, err := l.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return c, err
		}
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
