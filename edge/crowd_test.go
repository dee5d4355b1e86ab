package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

func anyCrowd() *crowd { return newCrowd(0, nil) }

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
	crowd.endAll()
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

func TestCrowd_EndsTheSilentFirstAndThenAll(t *testing.T) {
	t.Parallel()
	l := newPoor(t, 0, nil)
	crowd := anyCrowd()
	a := newAcceptor(t.Context(), l, crowd, &conf.Clients{MaxHeader: 1 << 10}, zerolog.Nop())
	defer a.release()
	var here, there [3]net.Conn
	for i := range here {
		var err error
		if there[i], err = net.Dial("tcp", l.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer there[i].Close()
		if here[i], err = a.Accept(); err != nil {
			t.Fatal(err)
		}
		defer here[i].Close()
	}
	for i := range 2 {
		_, _ = there[i].Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		_, _ = here[i].Read(make([]byte, 1))
	}
	here[0].Close()
	if len(crowd.clients) != 2 {
		t.Errorf("%d in the crowd", len(crowd.clients))
	}
	crowd.endSilent()
	if _, err := there[2].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent one goes on: %v", err)
	}
	if _, err := here[1].Write([]byte("x")); err != nil {
		t.Errorf("one that spoke was ended: %v", err)
	}
	crowd.endAll()
	if _, err := here[1].Write([]byte("x")); err == nil {
		t.Error("one is still there")
	}
}

// size is how many are connected.
func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.clients)
}

// ending begins a Shutdown that hears everybody out for as long as a test may take.
func (w *edgeWorld) ending() (ended chan error) {
	w.t.Helper()
	w.server.crowd.lastWords = patience
	ended = make(chan error, 1)
	go func() { ended <- w.server.Shutdown(w.t.Context()) }()
	eventually(w.t, "nobody accepts", func() bool { return w.server.crowd.accepting.Load() == 0 })
	return ended
}

func TestShutdown_WhoWasLetInIsHeardOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(saying(t, "fine"))
	v, own, half := w.dial(), w.dial(), w.dial()
	half.say("GET / HTTP/1.1\r\nHo") // a head in two pieces
	eventually(t, "all are let in", func() bool { return w.server.crowd.size() == 3 })
	ended := w.ending()
	v.get("/")
	own.say("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
	half.say("st: alice.notes.example.test\r\n\r\n")
	for _, c := range []struct {
		v      *visitorConn
		status int
		text   string
	}{{v, 200, "fine"}, {own, 404, "Not found"}, {half, 200, "fine"}} {
		if h := c.v.hear("GET").wants(t, c.status, c.text); !h.Close {
			t.Errorf("%d: it is not told that the connection ends: %v", c.status, h.Header)
		}
		c.v.ends()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShutdown_AHandshakeUnderWayIsHeardOut(t *testing.T) {
	t.Parallel()
	for proto, version := range map[string]string{"http/1.1": "HTTP/1.1", protoH2: "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			w, a, address := secured(t, saying(t, "fine"))
			socket, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			eventually(t, "it is let in", w.server.crowd.silent)
			ended := w.ending()
			secured := tls.Client(socket, &tls.Config{ServerName: aliceHost, RootCAs: a.pool, NextProtos: []string{proto}})
			if got := askOnce(t, secured); got != version+" 200 fine" {
				t.Errorf("got %q", got)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// askOnce makes one request of alice on a connection.
func askOnce(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}}
	defer client.CloseIdleConnections()
	r, err := client.Get("https://" + aliceHost + "/")
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(r.Proto, " ", r.StatusCode, " ", string(b))
}

// Whoever goes on saying nothing, or says it slowly, holds nobody up.
func TestShutdown_TheSlowAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	w, a, address := secured(t, saying(t, "fine"))
	plain := w.dial()
	plain.say("GET / HTTP/1.1\r\nHost: ")
	mute, err := net.Dial("tcp", address) // no handshake
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	slow := []net.Conn{plain, mute}
	for _, proto := range []string{"http/1.1", protoH2} {
		slow = append(slow, a.mustDial(address, aliceHost, func(c *tls.Config) { c.NextProtos = []string{proto} }))
	}
	half := a.mustDial(address, aliceHost)
	half.say("GET / HTT")
	slow = append(slow, half)
	eventually(t, "all are let in", func() bool { return w.server.crowd.size() == len(slow) })
	w.server.crowd.lastWords = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Errorf("it waited for them: %v", err)
	}
	for i, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if rest, err := io.ReadAll(c); os.IsTimeout(err) {
			t.Errorf("number %d goes on: %q, %v", i, rest, err)
		}
	}
}

func TestCrowd_IsHeardOutForSoLongAndNoLonger(t *testing.T) {
	for what, c := range map[string]struct {
		silent, accepting bool
		speaks            time.Duration // 0 = never
		ends              time.Duration // of the context
		want              time.Duration
	}{
		"nobody there":                     {ends: time.Minute},
		"one that never says a word":       {silent: true, ends: time.Minute, want: lastWords},
		"one that speaks":                  {silent: true, speaks: 103 * time.Millisecond, ends: time.Minute, want: 105 * time.Millisecond},
		"a listener that is slow to close": {accepting: true, speaks: 103 * time.Millisecond, ends: time.Minute, want: 105 * time.Millisecond},
		"a shutdown in a hurry":            {silent: true, ends: 10 * time.Millisecond, want: 10 * time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crowd, one, spoke := anyCrowd(), &client{}, &client{}
				spoke.begun.Store(true)
				crowd.clients[spoke] = struct{}{}
				if c.silent {
					crowd.clients[one] = struct{}{}
				}
				if c.accepting {
					crowd.accepting.Add(1)
				}
				if c.speaks > 0 {
					time.AfterFunc(c.speaks, func() {
						one.begun.Store(true)
						crowd.accepting.Store(0)
					})
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.ends)
				defer cancel()
				began := time.Now()
				crowd.hearOut(ctx)
				if took := time.Since(began); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
			})
		})
	}
}
