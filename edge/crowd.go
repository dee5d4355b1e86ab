package edge

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is every client that is connected, for the end of the server and so
// that no address holds all places.
type crowd struct {
	perAddress int                   // 0 = no limit
	exempt     func(netip.Addr) bool // who is not counted: trusted proxies; nil = nobody
	lastWords  time.Duration

	accepting atomic.Int32 // listeners that may still bring somebody

	mu      sync.Mutex
	clients map[*client]struct{}
	from    map[netip.Prefix]int // connections of those who are counted
}

func newCrowd(perAddress int, exempt func(netip.Addr) bool) *crowd {
	return &crowd{perAddress: perAddress, exempt: exempt, lastWords: lastWords, clients: map[*client]struct{}{}, from: map[netip.Prefix]int{}}
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

// At the end of the server whoever was let in and has not asked for anything yet
// may still do so for lastWords: nobody else would answer them.
const (
	lastWords = time.Second
	listening = 5 * time.Millisecond // how often it is looked whether all have asked
)

// hearOut returns when everybody who was let in has asked for something, or when
// their time is over, or ctx. The listeners are being closed meanwhile.
func (c *crowd) hearOut(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.lastWords)
	defer cancel()
	look := time.NewTicker(listening)
	defer look.Stop()
	for c.accepting.Load() > 0 || c.silent() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// silent reports whether somebody has not asked for anything yet.
func (c *crowd) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range c.clients {
		if !v.begun.Load() {
			return true
		}
	}
	return false
}

// endIdle closes the connections that wait between two requests past the server.
func (c *crowd) endIdle() { c.end(func(v *client) bool { return v.rest.close() }) }

// endSilent closes those on which nothing was asked.
func (c *crowd) endSilent() { c.end(func(v *client) bool { return !v.begun.Load() }) }

func (c *crowd) endAll() { c.end(func(*client) bool { return true }) }

func (c *crowd) end(whom func(*client) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range c.clients {
		if whom(v) {
			v.Conn.Close()
		}
	}
}
