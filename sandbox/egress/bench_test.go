package egress

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
)

// What is done ahead of a wake: a namespace's way out, its resolver.
func BenchmarkAttach(b *testing.B) {
	n := benchNetwork(b)
	var all []int
	for range b.N {
		all = append(all, newNetns(b))
	}
	b.ResetTimer()
	for _, netns := range all {
		if _, err := n.Attach(netns); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServeDNS(b *testing.B) {
	u := NewUpstreams()
	var all []int
	for range b.N {
		all = append(all, newNetns(b))
	}
	b.ResetTimer()
	for _, netns := range all {
		d, err := ServeDNS(netns, u)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(d.Close)
	}
}

// What a wake waits for, if its service names addresses or ports.
func BenchmarkAllow(b *testing.B) {
	n := benchNetwork(b)
	l, err := n.Attach(newNetns(b))
	if err != nil {
		b.Fatal(err)
	}
	targets := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:5432")}
	for b.Loop() {
		if err := l.Allow(targets); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		l.Drop()
		b.StartTimer()
	}
}

func BenchmarkRelayPorts(b *testing.B) {
	netns := newNetns(b)
	for b.Loop() {
		p, err := RelayPorts(netns, []uint16{5432})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.Close()
		b.StartTimer()
	}
}

// A connection to the host's loopback and one byte back, through the relay and
// without it.
func BenchmarkHostPort(b *testing.B) {
	needRoot(b)
	l, err := net.Listen("tcp4", "127.0.0.1:5432")
	if err != nil {
		b.Fatal(err)
	}
	serveAll(b, l, func(c net.Conn) { _, _ = c.Write([]byte("x")) })
	relayed := newNetns(b)
	p, err := RelayPorts(relayed, []uint16{5432})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	for name, netns := range map[string]int{"direct": home(b), "relayed": relayed} {
		b.Run(name, func(b *testing.B) {
			if err := inside(netns, func() error {
				for b.Loop() {
					c, err := net.Dial("tcp4", "127.0.0.1:5432")
					if err != nil {
						return err
					}
					_, err = io.ReadFull(c, make([]byte, 1))
					if err = errors.Join(err, c.Close()); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	needRoot(b)
	path := filepath.Join(b.TempDir(), "resolv.conf")
	writeServers(b, path, "127.0.0.77")
	startUpstream(b, &upstream{address: "127.0.0.77"}, "198.51.100.7")
	netns := newNetns(b)
	d, err := serve(netns, path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.Close)
	for b.Loop() {
		exchange(b, netns, "udp", query(9, "www", "example", "org"))
	}
}

func benchNetwork(b *testing.B) *Network {
	needRoot(b)
	return openNetwork(b, Options{})
}
