package sandbox

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/rs/zerolog"

	"tenement/sandbox/egress"
)

// networks gives processes network namespaces of their own, and what leads out
// of them: at NetworkPrivate a link to the internet and a resolver, which are
// kept with the namespace in its pool, and what one process alone is given.
type networks struct {
	id        string
	log       zerolog.Logger
	upstreams *egress.Upstreams

	mu     sync.Mutex
	pools  map[Network]*netPool // filled from their first use on
	opened bool
	way    *egress.Network // nil: there is none, and lacks says why
	lacks  error
}

func newNetworks(id string, log zerolog.Logger) *networks {
	return &networks{id: id, log: log, upstreams: egress.NewUpstreams(), pools: map[Network]*netPool{}}
}

// OpenEgress gives the processes that are started at NetworkPrivate from now on
// a way to the internet, by addresses of a /16 of a range, and makes networks
// ready for them. Without it they have their loopback, a resolver and HostPorts.
// Its error says what the host lacks; only the first call does anything.
func (e *Engine) OpenEgress(of netip.Prefix) error { return e.networks.open(of) }

func (w *networks) open(of netip.Prefix) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.opened {
		w.opened = true
		w.way, w.lacks = egress.Open(egress.Options{ID: w.id, Range: of, Log: w.log})
		w.fill(NetworkPrivate) // before the first wake
	}
	return w.lacks
}

// take gives a namespace that nobody has used; the caller closes it.
func (w *networks) take(s Spec) (*netns, error) {
	w.mu.Lock()
	pool := w.fill(s.Network)
	w.mu.Unlock()
	n, err := pool.take()
	if err != nil {
		return nil, err
	}
	if err := n.grant(s.HostPorts, s.Allow); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// fill is the pool of a kind of network, filled from now on. mu is held.
func (w *networks) fill(kind Network) *netPool {
	p := w.pools[kind]
	if p == nil {
		way, outfit := w.way, alone
		if kind == NetworkPrivate {
			outfit = func(n *netns) error { return n.connect(way, w.upstreams) }
		}
		p = newNetPool(outfit)
		w.pools[kind] = p
	}
	return p
}

// alone is the outfit of a namespace with nothing but its loopback.
func alone(*netns) error { return nil }

// close is for when no process needs a network any more.
func (w *networks) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pools {
		p.close()
	}
	clear(w.pools)
	if w.way == nil {
		return nil
	}
	way := w.way
	w.way, w.lacks = nil, errors.New("the engine is closed")
	return way.Close()
}

// connect gives a new namespace what everybody at NetworkPrivate has.
func (n *netns) connect(way *egress.Network, u *egress.Upstreams) error {
	return n.use(func(fd int) (err error) {
		if way != nil {
			if n.link, err = way.Attach(fd); err != nil {
				return err
			}
		}
		n.dns, err = egress.ServeDNS(fd, u)
		return err
	})
}

// grant gives a namespace what its process is to have beside that.
func (n *netns) grant(ports []uint16, allow []netip.AddrPort) error {
	if len(allow) > 0 {
		if n.link == nil {
			return errors.New("it is allowed addresses, and has no way out")
		}
		if err := n.link.Allow(allow); err != nil {
			return err
		}
	}
	if len(ports) == 0 {
		return nil
	}
	return n.use(func(fd int) (err error) {
		n.ports, err = egress.RelayPorts(fd, ports)
		return err
	})
}

// cut ends what leads out of a namespace.
func (n *netns) cut() {
	if n.ports != nil {
		n.ports.Close()
	}
	if n.dns != nil {
		n.dns.Close()
	}
	if n.link != nil {
		n.link.Drop()
	}
}
