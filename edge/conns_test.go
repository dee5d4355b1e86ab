package edge

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// echoing answers each byte with itself.
func echoing(t *testing.T, network string) *backend {
	return newBackend(t, network, func(_ *backend, c net.Conn, br *bufio.Reader) { _, _ = io.Copy(c, br) })
}

func poolTo(t *testing.T, b *backend) *conns {
	c := NewConns(b.endpoint, conf.Front{}).(*conns)
	t.Cleanup(func() { c.Close() })
	return c
}

func dialled(t *testing.T, c *conns) *upstream {
	t.Helper()
	u, err := c.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

func TestConns_TheLastOnePutIsTheFirstOneTaken(t *testing.T) {
	t.Parallel()
	c := poolTo(t, echoing(t, "unix"))
	a, b := dialled(t, c), dialled(t, c)
	c.put(a, time.Now())
	c.put(b, time.Now())
	if first, second, third := c.rested(time.Now()), c.rested(time.Now()), c.rested(time.Now()); first != b || second != a || third != nil {
		t.Error("not last in, first out")
	}
	if !a.reused || !b.reused {
		t.Error("a connection does not know that it was used before")
	}
}

func TestConns_OneThatDiedWhileItRestedIsNotGiven(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		for name, end := range map[string]func(c net.Conn){
			"closed":        func(c net.Conn) { c.Close() },
			"spoke unasked": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Bye\r\n\r\n") },
		} {
			t.Run(network+" "+name, func(t *testing.T) {
				t.Parallel()
				done := make(chan struct{})
				b := newBackend(t, network, func(_ *backend, c net.Conn, br *bufio.Reader) {
					end(c)
					close(done)
					_, _ = io.Copy(io.Discard, br)
				})
				c := poolTo(t, b)
				u := dialled(t, c)
				<-done
				eventually(t, "the end arrives", func() bool { return !u.stands() })
				c.push(&resting{u: u, since: time.Now().Add(-2 * peekAfter)})
				if c.rested(time.Now()) != nil {
					t.Error("a dead connection was given")
				}
				if _, err := u.Write([]byte("x")); err == nil {
					t.Error("it was not closed")
				}
			})
		}
	}
}

func TestConns_AKilledOneIsNotKept(t *testing.T) {
	t.Parallel()
	c := poolTo(t, echoing(t, "unix"))
	u := dialled(t, c)
	u.kill()
	u.kill()
	c.put(u, time.Now())
	if c.rested(time.Now()) != nil {
		t.Error("a killed connection was kept")
	}
}

func TestConns_CloseClosesWhatIdlesAndWhatComesBack(t *testing.T) {
	t.Parallel()
	b := echoing(t, "unix")
	c := poolTo(t, b)
	idle, busy := dialled(t, c), dialled(t, c)
	c.put(idle, time.Now())
	c.Close()
	eventually(t, "the idle one is closed", func() bool { return b.alive() == 1 })
	if _, err := busy.Write([]byte("x")); err != nil {
		t.Errorf("one in use was closed: %v", err)
	}
	c.put(busy, time.Now())
	eventually(t, "the other is closed", func() bool { return b.alive() == 0 })
}

func TestConns_NoneIdlesForLong(t *testing.T) {
	t.Parallel()
	b := echoing(t, "unix")
	c := poolTo(t, b)
	for range 3 {
		c.put(dialled(t, c), time.Now())
		c.put(dialled(t, c), time.Now())
		eventually(t, "what idles is closed", func() bool { return c.idle.Load() == nil && b.alive() == 0 })
	}
}

// closing is a connection that does something when it is closed.
type closing struct {
	net.Conn
	before func()
}

func (c closing) Close() error { c.before(); return c.Conn.Close() }

// put between sweep's look and its "nothing idles": the connection would stay for ever.
func TestConns_WhatIsPutDuringASweepIsSweptLater(t *testing.T) {
	t.Parallel()
	b := echoing(t, "unix")
	c := poolTo(t, b)
	old, young := dialled(t, c), dialled(t, c)
	c.sweeping.Store(true) // the sweep below is the one that is due
	c.push(&resting{u: newUpstream(closing{old, func() { c.put(young, time.Now()) }}), since: time.Now().Add(-2 * idleTime)})
	c.sweep()
	if c.idle.Load() == nil {
		t.Fatal("the one that was put is not there")
	}
	eventually(t, "it is swept", func() bool { return c.idle.Load() == nil && b.alive() == 0 })
}

func TestConns_NothingIsKeptWhileANewOneStarves(t *testing.T) {
	t.Parallel()
	b := echoing(t, "unix")
	c := poolTo(t, b)
	idle, busy := dialled(t, c), dialled(t, c)
	c.put(idle, time.Now())
	c.strain()
	eventually(t, "the idle one is closed", func() bool { return b.alive() == 1 })
	c.put(busy, time.Now())
	eventually(t, "the one that came back is closed", func() bool { return b.alive() == 0 })
	c.strained.Add(-1)
	c.put(dialled(t, c), time.Now())
	if c.rested(time.Now()) == nil {
		t.Error("nothing is kept afterwards")
	}
}

func TestConns_OneConnectionHasOneUserAtATime(t *testing.T) {
	t.Parallel()
	c := poolTo(t, echoing(t, "unix"))
	var users sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 300 {
				u := c.rested(time.Now())
				if u == nil {
					var err error
					if u, err = c.dial(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
				n, _ := users.LoadOrStore(u, new(atomic.Int64))
				if n.(*atomic.Int64).Add(1) != 1 {
					t.Error("two users at once")
				}
				n.(*atomic.Int64).Add(-1)
				c.put(u, time.Now())
			}
		})
	}
	wg.Wait()
}

func TestConns_NobodyListensIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	for _, e := range []sandbox.Endpoint{{Network: "unix", Address: t.TempDir() + "/none"}, {Network: "tcp", Address: closedPort(t)}} {
		if _, err := NewConns(e, conf.Front{}).(*conns).dial(t.Context()); err == nil {
			t.Errorf("%v: dialled", e)
		}
	}
}

// closedPort is a loopback address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
