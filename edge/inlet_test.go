package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tenement/conf"
)

// soon is a time limit that a test waits out.
const soon = 150 * time.Millisecond

// limited serves with limits of the test's.
func limited(t *testing.T, change func(*conf.Clients)) *edgeWorld {
	return newWorld(t, func(o *ServerOptions) { change(&o.Clients) })
}

func TestInlet_ASlowHeadEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.HeaderTimeout = soon })
	w.tenant(saying(t, "fine"))
	for name, before := range map[string]string{"first": "", "later": "GET / HTTP/1.1\r\n" + toAlice + "\r\n"} {
		v := w.dial()
		if before != "" {
			v.say(before)
			v.hear("GET").wants(t, 200, "fine")
		}
		v.say("GET / HTTP/1.1\r\n")
		stop := make(chan struct{})
		go func() { // a byte now and then does not help
			for {
				select {
				case <-stop:
					return
				case <-time.After(soon / 5):
					if _, err := v.Write([]byte("X")); err != nil {
						return
					}
				}
			}
		}()
		if h := v.hear("GET").wants(t, 408, "Request timeout"); !h.Close {
			t.Errorf("%s: nobody says that the connection ends", name)
		}
		close(stop)
	}
}

func TestInlet_ASilentClientIsLeftWithoutAWord(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.HeaderTimeout, c.IdleTimeout = soon, soon })
	w.tenant(saying(t, "fine"))
	w.dial().ends() // never says anything
	v := w.dial()
	v.get("/")
	v.hear("GET").wants(t, 200, "fine")
	v.ends() // idles
}

func TestInlet_AnIdleClientMayIdleLongerThanAHeadMayTake(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.HeaderTimeout = soon })
	w.tenant(saying(t, "fine"))
	v := w.dial()
	for range 2 {
		v.get("/")
		v.hear("GET").wants(t, 200, "fine")
		time.Sleep(2 * soon)
	}
}

func TestInlet_ASlowBodyEndsForBothSides(t *testing.T) {
	for name, framing := range map[string]string{"length": "Content-Length: 100000\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := limited(t, func(c *conf.Clients) { c.BodyTimeout, c.MinRate = soon, 1000 })
			ended := make(chan error, 1)
			w.tenant(newBackend(t, "unix", func(_ *backend, _ net.Conn, br *bufio.Reader) {
				r, err := http.ReadRequest(br)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
				}
				ended <- err
			}))
			v := w.dial()
			v.say("POST / HTTP/1.1\r\n", toAlice, framing)
			stop := make(chan struct{})
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(soon / 5):
						if _, err := v.Write([]byte("1\r\nx\r\n")); err != nil { // far from 1000 bytes a second
							return
						}
					}
				}
			}()
			v.hear("POST").wants(t, 408, "Request timeout")
			close(stop)
			if err := <-ended; err == nil {
				t.Error("the tenant believes it has all")
			}
		})
	}
}

// What counts is the client's own slowness: a tenant that takes its time, and a
// body that flows, are no offence however long it takes.
func TestInlet_ALongBodyThatFlowsArrives(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.BodyTimeout, c.MinRate = soon, 100 })
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		time.Sleep(3 * soon) // reads nothing meanwhile
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			_, _ = io.WriteString(c, ok(fmt.Sprint(n)))
		}
	}))
	v := w.dial()
	const pieces, piece = 40, 100 << 10
	v.say("POST / HTTP/1.1\r\n", toAlice, fmt.Sprintf("Content-Length: %d\r\n\r\n", pieces*piece))
	go func() {
		for range pieces {
			if _, err := v.Write(make([]byte, piece)); err != nil {
				return
			}
			time.Sleep(soon / 10)
		}
	}()
	v.hear("POST").wants(t, 200, fmt.Sprint(pieces*piece))
}

func TestClient_WhoDoesNotReadIsLeft(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.WriteTimeout, c.MinRate = soon, 1000 })
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		block := make([]byte, 64<<10)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	d := w.tenant(b)
	v := w.dial()
	_ = v.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	v.get("/")
	eventually(t, "somebody is inside", func() bool { return b.conns.Load() == 1 })
	eventually(t, "the tenant is rid of them", func() bool { return d.Inflight() == 0 && b.alive() == 0 })
}

func TestClient_WhoReadsSlowlyButEnoughGetsAll(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.WriteTimeout, c.MinRate = 4*soon, 1000 })
	const all = 8 << 20
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", all))
		_, _ = c.Write(make([]byte, all))
	}))
	v := w.dial()
	_ = v.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	v.get("/")
	r, err := http.ReadResponse(v.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // stalls that are longer than the kernel's buffers last
		if _, err := io.CopyN(io.Discard, r.Body, all/10); err != nil {
			t.Fatal(err)
		}
		time.Sleep(soon)
	}
	if n, err := io.Copy(io.Discard, r.Body); err != nil || n != all-8*(all/10) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestInlet_WhatIsTooMuchIsNamed(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.MaxHeader, c.MaxURL, c.MaxHeaders = 2048, 100, 5 })
	b := saying(t, "fine")
	w.tenant(b)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a long target":           {"GET /" + strings.Repeat("x", 100) + " HTTP/1.1\r\n" + toAlice + "\r\n", 414},
		"a line without end":      {"GET /" + strings.Repeat("x", 3000), 414},
		"a long line with end":    {"GET /" + strings.Repeat("x", 3000) + " HTTP/1.1\r\n" + toAlice + "\r\n", 414},
		"a long header":           {"GET / HTTP/1.1\r\n" + toAlice + "X: " + strings.Repeat("x", 2048) + "\r\n\r\n", 431},
		"a header without end":    {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 2048), 431},
		"many headers":            {"GET / HTTP/1.1\r\n" + toAlice + strings.Repeat("X: y\r\n", 5) + "\r\n", 431},
		"as many as there may be": {"GET / HTTP/1.1\r\n" + toAlice + strings.Repeat("X: y\r\n", 4) + "\r\n", 200},
		"as long as it may be":    {"GET /" + strings.Repeat("x", 99) + " HTTP/1.1\r\n" + toAlice + "\r\n", 200},
		"a head of exactly that":  {exactly(2048), 200},
		"one byte more":           {exactly(2049), 431},
	} {
		v := w.dial()
		v.say(c.request)
		if h := v.hear("GET"); h.StatusCode != c.status || h.Close != (c.status != 200) {
			t.Errorf("%s: got %d, close %t", name, h.StatusCode, h.Close)
		}
		v.Close()
	}
	if n := b.requests.Load(); n != 3 {
		t.Errorf("%d came through", n)
	}
}

// exactly is a good head of n bytes.
func exactly(n int) string {
	head := "GET / HTTP/1.1\r\n" + toAlice + "X: "
	return head + strings.Repeat("x", n-len(head)-4) + "\r\n\r\n"
}

func TestVisit_ABodyThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes", Front: conf.Front{MaxBody: 1000}}}
	b := answering(t, "unix", func(_ *http.Request, body string) string { return ok(fmt.Sprint(len(body))) })
	w.tenant(b)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"length":       {"Content-Length: 1001\r\n\r\n", 413},
		"chunked":      {"Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + strings.Repeat("x", 500) + "\r\n1f5\r\n", 413},
		"just fits":    {"Content-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000), 200},
		"chunks do":    {"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + strings.Repeat("x", 1000) + "\r\n0\r\n\r\n", 200},
		"asked before": {"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", 413},
	} {
		v := w.dial()
		v.say("POST / HTTP/1.1\r\n", toAlice, c.request)
		if h := v.hear("POST"); h.StatusCode != c.status {
			t.Errorf("%s: got %d", name, h.StatusCode)
		}
	}
	if n := b.requests.Load(); n != 2 {
		t.Errorf("%d came through whole", n)
	}
}

func TestServer_AConnectionServesSoManyRequestsAndSaysSo(t *testing.T) {
	t.Parallel()
	w := limited(t, func(c *conf.Clients) { c.RequestsPerConn = 3 })
	w.tenant(saying(t, "fine"))
	for _, last := range []string{"GET / HTTP/1.1\r\n" + toAlice + "\r\n", "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"} {
		v := w.dial()
		for range 2 {
			v.get("/")
			if h := v.hear("GET").wants(t, 200, "fine"); h.Close {
				t.Error("it ends too early")
			}
		}
		v.say(last)
		if h := v.hear("GET"); !h.Close {
			t.Errorf("%q: nobody says that it ends", last)
		}
		v.ends()
	}
}

func TestInlet_HeadsAreFoundInAnyPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(answering(t, "unix", func(r *http.Request, body string) string { return ok(r.URL.Path + body) }))
	all := "\r\n\n\r\nGET /a HTTP/1.1\r\n" + toAlice + "\r\n" +
		"POST /b HTTP/1.1\r\n" + toAlice + "Content-Length: 6\r\n\r\n\r\n\r\n\r\n" + // the body looks like ends of heads
		"POST /c HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n" +
		"GET /d HTTP/1.1\r\n" + toAlice + "\r\n"
	for _, size := range []int{1, 2, 3, 7, 50, len(all)} {
		v := w.dial()
		go func() {
			for rest := []byte(all); len(rest) > 0; {
				n := min(size, len(rest))
				if _, err := v.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		for _, want := range []string{"/a", "/b\r\n\r\n\r\n", "/c\r\n\r\n", "/d"} {
			if h := v.hear("GET"); h.StatusCode != 200 || h.text != want {
				t.Fatalf("pieces of %d: got %d %q, want %q", size, h.StatusCode, h.text, want)
			}
		}
	}
}

func TestInlet_AHeadEndsWhereItsFirstEmptyLineDoes(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "\n": 0, "a\r\n": 0, "a\n\r": 0, "a\r\n\r\nb": 5, "a\n\nb": 3, "a\n\r\nb": 4, "a\r\n\nb": 4, "a\nb\n\r\r\n": 0, "a\r\n \r\n\r\n": 8, "\r\n\r\n": 4,
	} {
		for from := range len(in) + 1 {
			if from > 0 && want > 0 && from > want-3 {
				continue // would begin behind the end of the last line
			}
			if got := headEnd([]byte(in), from); got != want && (from == 0 || want > 0) {
				t.Errorf("%q from %d: %d, want %d", in, from, got, want)
			}
		}
	}
}

// Whatever comes in whatever pieces: the head that is found is the same.
func FuzzInlet_AHeadIsFoundInAnyPieces(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody"), uint8(3))
	f.Add([]byte("\r\n\nGET / HTTP/1.1\nHost: a\n\n\n"), uint8(1))
	f.Add([]byte("\r\r\nX\n\r\r\n\n"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		limits := &conf.Clients{MaxHeader: 1024}
		find := func(step int) ([]byte, int) {
			here, there := net.Pipe()
			defer here.Close()
			go func() {
				defer there.Close()
				for rest := in; len(rest) > 0; {
					n := min(step, len(rest))
					if _, err := there.Write(rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
			}()
			c := newClient(here, anyCrowd(), limits)
			if err := c.nextHead(); err != nil || c.fault != nil {
				return nil, 0
			}
			return bytes.Clone(c.head), c.in.headLen
		}
		whole, n := find(max(1, len(in)))
		pieces, m := find(int(size) + 1)
		if !bytes.Equal(whole, pieces) || n != m {
			t.Fatalf("%q: %q at once, %q in pieces of %d", in, whole, pieces, size+1)
		}
		if len(whole) > 0 && !bytes.HasSuffix(whole, []byte("\n\n")) && !bytes.HasSuffix(whole, []byte("\n\r\n")) {
			t.Fatalf("%q: %q is no head", in, whole)
		}
	})
}
