package edge

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

// awaitBytes returns when something can be read, and reads nothing of it.
func awaitBytes(t *testing.T, c net.Conn) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n > 0 || err != syscall.EAGAIN
	})
}

// A process that is killed closes its connections with the request still in the
// queue: nobody can have processed it, and the next process gets it. What takes
// more than a head, or changes something, is not sent again all the same.
func TestForward_WhatNobodyReadGoesToTheNextProcess(t *testing.T) {
	for name, c := range map[string]struct {
		method, rest string
		status       int
		text         string
	}{
		"GET":            {"GET", "\r\n", 200, "fine"},
		"HEAD":           {"HEAD", "\r\n", 200, ""},
		"POST":           {"POST", "Content-Length: 2\r\n\r\nhi", 502, "Bad gateway"},
		"DELETE":         {"DELETE", "\r\n", 502, "Bad gateway"},
		"GET and a body": {"GET", "Content-Length: 2\r\n\r\nhi", 502, "Bad gateway"},
	} {
		for _, network := range []string{"unix", "tcp"} {
			t.Run(name+" "+network, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				dying := newBackend(t, network, func(_ *backend, c net.Conn, _ *bufio.Reader) { awaitBytes(t, c) })
				d := w.tenant(dying)
				next := newBackend(t, network, func(_ *backend, c net.Conn, br *bufio.Reader) {
					if _, err := rawHead(br); err == nil {
						_, _ = io.WriteString(c, ok("fine"))
					}
				})
				w.host.wake = func(context.Context, *actors.Door) (*actors.Way, error) {
					d.Open(w.host.way(2, next))
					return d.Enter(), nil
				}
				h := w.ask(c.method, c.method+" / HTTP/1.1\r\n"+toAlice+c.rest)
				h.wants(t, c.status, c.text)
				if failed := w.host.failed.Load() == 1; failed != (c.status == 200) {
					t.Errorf("reported as failed: %v", failed)
				}
			})
		}
	}
}

// One whose every process goes without a word is given up.
func TestForward_WhatNoProcessReadsIsABadGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var came atomic.Int64
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, _ *bufio.Reader) {
		awaitBytes(t, c)
		came.Add(1)
	})
	d := w.tenant(b)
	w.host.wake = func(context.Context, *actors.Door) (*actors.Way, error) { return d.Enter(), nil }
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 502, "Bad gateway")
	if n := came.Load(); n != maxWakes+1 {
		t.Errorf("tried %d times, want %d", n, maxWakes+1)
	}
}

// A tenant that closed in good order before the request came, between our look
// and our write, has not read it; TCP tells by a reset behind the end.
func TestUpstream_WhatCameAfterAnOrderlyEndIsUnread(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write  bool
		unread bool
	}{"written after it": {true, true}, "nothing written": {false, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			b := newBackend(t, "tcp", func(_ *backend, c net.Conn, _ *bufio.Reader) {
				c.Close()
				close(closed)
			})
			pool := NewConns(b.endpoint, conf.Front{}).(*conns)
			defer pool.Close()
			u, err := pool.dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			<-closed
			awaitBytes(t, u.Conn) // the end has come
			if c.write {
				if _, err := u.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
			}
			_, err = u.Read(make([]byte, 1))
			if err != io.EOF {
				t.Fatalf("%v, want the end", err)
			}
			if got := u.unread(err); got != c.unread {
				t.Errorf("unread: %v, want %v", got, c.unread)
			}
		})
	}
}
