package sandbox

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// greeting listens on a port of the host's loopback and greets everybody, until
// the test ends.
func greeting(t *testing.T) (port uint16) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ended by the cleanup
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "the host's")
			c.Close()
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func newNets(t *testing.T) *networks {
	t.Helper()
	if unix.Geteuid() != 0 {
		t.Skip("network namespaces are made by root only: run as root")
	}
	return newEngine(t, Options{}).networks
}

func TestNetworks_AProcessHasThePortsThatItIsGiven(t *testing.T) {
	w := newNets(t)
	port := greeting(t)
	for kind, hasResolver := range map[Network]bool{NetworkPrivate: true, NetworkNone: false} {
		n, err := w.take(Spec{Network: kind, HostPorts: []uint16{port}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if text, err := io.ReadAll(c); string(text) != "the host's" || err != nil {
			t.Errorf("%s: got %q, %v", kind, text, err)
		}
		c.Close()
		resolver, err := n.dial(t.Context(), netip.MustParseAddrPort("127.0.0.53:53"))
		if (err == nil) != hasResolver {
			t.Errorf("%s: its resolver answers: %v", kind, err)
		}
		if err == nil {
			resolver.Close()
		}
		n.close()
	}
}

// Nothing is left of what a start that failed was granted.
func TestNetworks_WhatCannotBeGrantedIsSaid(t *testing.T) {
	w := newNets(t)
	port := greeting(t)
	allow := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:5432")}
	if _, err := w.take(Spec{Network: NetworkPrivate, Allow: allow, HostPorts: []uint16{port}}); err == nil || err.Error() != "it is allowed addresses, and has no way out" {
		t.Errorf("got %v", err)
	}
	_, err := w.take(Spec{Network: NetworkPrivate, HostPorts: []uint16{port, port}})
	if !errors.Is(err, unix.EADDRINUSE) || !strings.HasPrefix(err.Error(), "cannot open the host's port "+strconv.Itoa(int(port))+" to a network namespace: ") {
		t.Errorf("got %v", err)
	}
}

func TestNetworks_TheFirstFailureIsRemembered(t *testing.T) {
	w := newNets(t)
	w.id = "x" // no daemon's: nothing is set on this machine
	for range 2 {
		if err := w.open(netip.MustParsePrefix("10.208.0.0/12")); err == nil || err.Error() != `the id "x" is too short` {
			t.Errorf("got %v", err)
		}
		w.id = "0123456789"
	}
	if w.pools[NetworkPrivate] == nil {
		t.Error("no networks are made ready")
	}
}

func TestNetworks_APoolFillsBehindItsUsers(t *testing.T) {
	w := newNets(t)
	n, err := w.take(Spec{Network: NetworkPrivate})
	if err != nil {
		t.Fatal(err)
	}
	n.close()
	pool := w.pools[NetworkPrivate]
	eventually(t, "the pool to fill", func() bool { return len(pool.ready) == netPoolSize-1 })
}

// What fails between the network and the cgroup gives the network back.
func TestNetworks_AStartThatFailsEarlyKeepsNone(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inNamespace(t, character(t, "hangs"))
	s.Listen, s.Socket = ListenFD, filepath.Join(s.RunDir, strings.Repeat("x", 200)) // no address of a socket is so long
	p := newProcess(e, s, Events{})
	if err := p.begin(); err == nil || !strings.Contains(err.Error(), "cannot listen on") {
		t.Fatal(err)
	}
	if p.tree != nil {
		t.Error("it had a cgroup already")
	}
	if err := p.inside.net.file.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("its network is open: %v", err)
	}
}
