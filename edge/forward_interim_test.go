package edge

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

func TestForward_InterimAnswersArriveInTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		for {
			if _, err := rawHead(br); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Mine\r\nX-Mine: 1\r\nContent-Length: 5\r\n\r\n")
			_, _ = io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"+ok("at last"))
		}
	}))
	v := w.dial()
	for range 3 {
		v.get("/")
		for _, want := range []string{"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n"} {
			if got, err := rawHead(v.br); err != nil || got != want {
				t.Fatalf("got %q, %v, want %q", got, err, want)
			}
		}
		v.hear("GET").wants(t, 200, "at last")
	}
	// RFC 9110, section 15.2: none of them to a client of 1.0.
	w.ask("GET", "GET / HTTP/1.0\r\n"+toAlice+"\r\n").wants(t, 200, "at last")
}

func TestForward_AnInterimAnswerIsNotTheAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		heads  int
	}{
		"death after one":  {"HTTP/1.1 103 Early Hints\r\n\r\n", 1},
		"more than enough": {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1), maxInterim},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tenant(raw(t, c.answer))
			v := w.dial()
			v.get("/")
			for range c.heads {
				if head, err := rawHead(v.br); err != nil || !strings.HasPrefix(head, "HTTP/1.1 103 ") {
					t.Fatalf("got %q, %v", head, err)
				}
			}
			v.hear("GET").wants(t, 502, "Bad gateway")
		})
	}
}

func TestForward_AnExpectationIsTheTenantsToMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen, meet := make(chan string), make(chan bool)
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		for {
			head, err := rawHead(br)
			if err != nil {
				return
			}
			seen <- head
			if <-meet {
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			body := make([]byte, 2)
			if _, err := io.ReadFull(br, body); err != nil {
				return
			}
			_, _ = io.WriteString(c, ok("got "+string(body)))
		}
	})
	w.tenant(b)
	v := w.dial()
	for i := range 3 {
		v.say("POST / HTTP/1.1\r\n", toAlice, "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
		if head := <-seen; !strings.Contains(head, "\r\nExpect: 100-continue\r\n") {
			t.Fatalf("the tenant was not asked: %q", head)
		}
		meet <- i != 1
		if i != 1 { // the other time it says nothing, and the client loses patience
			if head, err := rawHead(v.br); err != nil || head != "HTTP/1.1 100 Continue\r\n\r\n" {
				t.Fatalf("got %q, %v", head, err)
			}
		}
		v.say("hi")
		if h := v.hear("POST").wants(t, 200, "got hi"); h.Close {
			t.Error("the connection ends")
		}
	}
	if n := b.conns.Load(); n != 1 {
		t.Errorf("%d connections to the tenant", n)
	}
}

// Without the 100 the body never comes: the connection is of no further use.
func TestForward_ARefusedExpectationEndsTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := make(chan error, 1)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
		_, err := br.ReadByte()
		body <- err
	}))
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if h := v.hear("POST").wants(t, 403, "no"); !h.Close {
		t.Error("nobody said that the connection ends")
	}
	v.ends()
	if err := <-body; err != io.EOF {
		t.Errorf("the tenant's connection goes on: %v", err)
	}
}

func TestForward_AnExpectationThatNobodyKnowsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := answering(t, "unix", nil)
	w.tenant(b)
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Expect: the-worst\r\nContent-Length: 2\r\n\r\nhi")
	v.hear("POST").wants(t, 417, "Expectation failed")
	if b.conns.Load() != 0 {
		t.Error("it came through")
	}
}

func TestForward_WhatATrailerMayNotSayIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := make(chan string, 1)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		body := newBodyReader(br, chunked)
		_, _ = io.ReadAll(&body)
		got <- string(body.trailer)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a\r\nTransfer-Encoding: x\r\n\r\n")
	}))
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"+
		"X-Sum: 8\r\nHost: evil\r\nX-Forwarded-For: 1.1.1.1\r\nContent-Length: 3\r\nX_Sum: 9\r\nAuthorization: x\r\nForwarded: x\r\n\r\n")
	if h := v.hear("POST").wants(t, 200, "hi"); h.Trailer.Get("X-Sum") != "7" || len(h.Trailer) != 1 {
		t.Errorf("the visitor's trailer is %v", h.Trailer)
	}
	if trailer := <-got; trailer != "X-Sum: 8\r\n" {
		t.Errorf("the tenant's trailer is %q", trailer)
	}
}
