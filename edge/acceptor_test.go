package edge

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// from is a listener whose visitors come from where the test says.
type from struct{ c chan net.Conn }

func (f from) Accept() (net.Conn, error) {
	c, ok := <-f.c
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (f from) Close() error   { return nil }
func (f from) Addr() net.Addr { return &net.TCPAddr{} }

// comer is a connection that seems to come from an address.
type comer struct {
	net.Conn
	addr net.Addr
}

func (c comer) RemoteAddr() net.Addr { return c.addr }

// comes makes a visitor and gives the visitor's end.
func (f from) comes(t *testing.T, addr string) net.Conn {
	t.Helper()
	here, there := pairOf(t)
	f.c <- comer{here, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))}
	return there
}

func TestCrowd_OneAddressHasOnlySoManyConnections(t *testing.T) {
	t.Parallel()
	l := from{make(chan net.Conn, 16)}
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	crowd := newCrowd(2, trusted.Contains)
	a := newAcceptor(t.Context(), l, crowd, &conf.Clients{MaxHeader: 1024}, zerolog.Nop())
	defer a.release()
	accepts := func() net.Conn {
		t.Helper()
		c, err := a.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, addr := range []string{"203.0.113.1", "203.0.113.1", "203.0.113.2", "2001:db8::1", "2001:db8::ffff"} {
		l.comes(t, addr)
		accepts()
	}
	for range 5 { // a proxy brings everybody, and so does one on this machine
		for _, addr := range []string{"10.1.2.3", "127.0.0.1", "::1"} {
			l.comes(t, addr)
			accepts()
		}
	}
	for _, addr := range []string{"203.0.113.1", "2001:db8::2"} { // an IPv6 network is one household
		visitor := l.comes(t, addr)
		other := l.comes(t, "203.0.113.9")
		next := accepts()
		if got := next.(*client).remote; got.String() != "203.0.113.9" {
			t.Errorf("%v was let in", got)
		}
		next.Close()
		other.Close()
		_ = visitor.SetDeadline(time.Now().Add(patience))
		if got, _ := io.ReadAll(visitor); !strings.HasPrefix(string(got), "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n") {
			t.Errorf("the excess got %q", got)
		}
	}
	crowd.end(true)
	for c := range crowd.clients {
		c.Close()
		c.Close() // counted once
	}
	if len(crowd.from) != 0 {
		t.Errorf("%v are counted though nobody is there", crowd.from)
	}
}

func TestCrowd_APlaceIsFreeAgainAfterwards(t *testing.T) {
	t.Parallel()
	l := from{make(chan net.Conn, 16)}
	a := newAcceptor(context.Background(), l, newCrowd(1, nil), &conf.Clients{MaxHeader: 1024}, zerolog.Nop())
	defer a.release()
	for range 3 {
		l.comes(t, "203.0.113.1")
		c, err := a.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}
