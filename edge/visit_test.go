package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tenement/actors"
	"tenement/conf"
)

func TestVisit_ANameLeadsToItsTenantAndNobodyElses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"notes:alice", "notes:bob", "shop:alice"} {
		d := w.host.door(name)
		d.Open(w.host.way(1, saying(t, name)))
	}
	w.host.apex = func(service string) (*actors.Door, error) {
		if service != "notes" {
			return nil, actors.ErrUnknownService
		}
		return w.host.Door("notes", "bob"), nil
	}
	for host, want := range map[string]string{
		"alice.notes.example.test":        "notes:alice",
		"BOB.Notes.Example.Test.:80":      "notes:bob",
		"alice.shop.example.test":         "shop:alice",
		"notes.example.test":              "notes:bob",
		"shop.example.test":               "",
		"carol.notes.example.test":        "",
		"x.alice.notes.example.test":      "",
		"alice.notes.example.test.evil":   "",
		"-.notes.example.test":            "",
		"..":                              "400",
		"../x.notes.example.test":         "400",
		"alice.notes.example.test/x":      "400",
		"evil@alice.notes.example.test":   "400",
		"alice.notes.example.test:x":      "400",
		strings.Repeat("a.", 300) + "b":   "400",
		"alice.notes.example.test, b":     "400",
		"alice.notes.example.test\x00":    "400",
		"\"alice.notes.example.test\"":    "400",
		"älice.notes.example.test":        "400",
		"alice%2e.notes.example.test":     "400",
		"127.0.0.1":                       "api GET /",
		"localhost":                       "api GET /",
		"EXAMPLE.test":                    "api GET /",
		"[::1]:80":                        "api GET /",
		"169.254.169.254":                 "api GET /",
		strings.Repeat("a", 64) + ".test": "400",
	} {
		h := w.ask("GET", "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		switch want {
		case "":
			h.wants(t, 404, "Not found")
		case "400":
			h.wants(t, 400, "Bad request")
		default:
			h.wants(t, 200, want)
		}
	}
}

func TestVisit_RequestsThatReadTwoWaysAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := saying(t, "fine")
	w.tenant(b)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"absolute, other host": {"GET http://evil.test/ HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"absolute, other port": {"GET http://alice.notes.example.test:81/ HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"absolute, userinfo":   {"GET http://x@alice.notes.example.test/ HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"absolute, ftp":        {"GET ftp://alice.notes.example.test/ HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"asterisk":             {"GET * HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"no slash":             {"GET x HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"CONNECT":              {"CONNECT alice.notes.example.test:80 HTTP/1.1\r\n" + toAlice + "\r\n", 405},
		"CONNECT with a path":  {"CONNECT / HTTP/1.1\r\n" + toAlice + "\r\n", 405},
		"TRACE":                {"TRACE / HTTP/1.1\r\n" + toAlice + "\r\n", 405},
		"the last of hops":     {"OPTIONS / HTTP/1.1\r\n" + toAlice + "Max-Forwards: 0\r\n\r\n", 204},
		"HTTP/2.0":             {"GET / HTTP/2.0\r\n" + toAlice + "\r\n", 505},
		"HTTP/1.2":             {"GET / HTTP/1.2\r\n" + toAlice + "\r\n", 505},
		"HTTP/0.9":             {"GET /\r\n" + toAlice + "\r\n", 400},
		"no host":              {"GET / HTTP/1.1\r\nX: 1\r\n\r\n", 400},
		"no host in 1.0":       {"GET / HTTP/1.0\r\nX: 1\r\n\r\n", 400},
		"empty host":           {"GET / HTTP/1.1\r\nHost: \r\n\r\n", 400},
		"two hosts":            {"GET / HTTP/1.1\r\n" + toAlice + "Host: bob.notes.example.test\r\n\r\n", 400},
		"twice the same host":  {"GET / HTTP/1.1\r\n" + toAlice + toAlice + "\r\n", 400},
		"two lengths":          {"POST / HTTP/1.1\r\n" + toAlice + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"length list":          {"POST / HTTP/1.1\r\n" + toAlice + "Content-Length: 1, 1\r\n\r\na", 400},
		"signed length":        {"POST / HTTP/1.1\r\n" + toAlice + "Content-Length: +1\r\n\r\na", 400},
		"length and chunks":    {"POST / HTTP/1.1\r\n" + toAlice + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"chunked twice":        {"POST / HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"chunks in 1.0":        {"POST / HTTP/1.0\r\n" + toAlice + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"unknown coding":       {"POST / HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		"space before a colon": {"POST / HTTP/1.1\r\n" + toAlice + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
		"folded coding":        {"POST / HTTP/1.1\r\n" + toAlice + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
		"NUL in a value":       {"GET / HTTP/1.1\r\n" + toAlice + "X: a\x00b\r\n\r\n", 400},
		"CR in a value":        {"GET / HTTP/1.1\r\n" + toAlice + "X: a\rb\r\n\r\n", 400},
		"a line without colon": {"GET / HTTP/1.1\r\n" + toAlice + "nonsense\r\n\r\n", 400},
		"an empty name":        {"GET / HTTP/1.1\r\n" + toAlice + ": x\r\n\r\n", 400},
		"a huge head":          {"GET / HTTP/1.1\r\n" + toAlice + "X: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", 431},
		"1000 headers":         {"GET / HTTP/1.1\r\n" + toAlice + strings.Repeat("X-Header: 0123456789\r\n", 1000) + "\r\n", 431},
		"too many nominations": {"GET / HTTP/1.1\r\n" + toAlice + "Connection: " + strings.Repeat("a,", 1000) + "b\r\n\r\n", 400},
		"control byte in path": {"GET /\x01 HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"fragment":             {"GET /a#b HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"space in path":        {"GET /a b HTTP/1.1\r\n" + toAlice + "\r\n", 400},
		"an impossible method": {"G(T / HTTP/1.1\r\n" + toAlice + "\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			v := w.dial()
			v.say(c.request)
			if h := v.hear("GET"); h.StatusCode != c.status {
				t.Errorf("got %d %q, want %d", h.StatusCode, h.text, c.status)
			}
		})
	}
	if n := b.requests.Load(); n != 0 {
		t.Errorf("%d of them reached the tenant", n)
	}
}

func TestVisit_GoodRequestsOfEveryFormPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(answering(t, "unix", func(r *http.Request, _ string) string { return ok(r.Method + " " + r.RequestURI) }))
	for request, want := range map[string]string{
		"GET http://alice.notes.example.test/x?y HTTP/1.1\r\n":       "GET /x?y",
		"GET HTTP://ALICE.notes.example.test:80 HTTP/1.1\r\n":        "GET /",
		"GET http://alice.notes.example.test?q HTTP/1.1\r\n":         "GET /?q",
		"OPTIONS * HTTP/1.1\r\n":                                     "OPTIONS *",
		"OPTIONS http://alice.notes.example.test HTTP/1.1\r\n":       "OPTIONS *",
		"GET /%2e%2e/a?b=c HTTP/1.1\r\n":                             "GET /%2e%2e/a?b=c",
		"GET //x HTTP/1.1\r\n":                                       "GET //x",
		"GET /ü HTTP/1.1\r\n":                                        "GET /ü",
		"GET /x HTTP/1.0\r\n":                                        "GET /x",
		"PROPFIND /x HTTP/1.1\r\n":                                   "PROPFIND /x",
		"GET /x HTTP/1.1\r\nConnection: a, b, close, keep-alive\r\n": "GET /x",
	} {
		w.ask("GET", request+toAlice+"\r\n").wants(t, 200, want)
	}
}

func TestVisit_ASleeperIsWokenAndTheRequestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.host.door("notes:alice")
	b := saying(t, "awake")
	release := make(chan struct{})
	w.host.wake = func(ctx context.Context, d *actors.Door) (*actors.Way, error) {
		select {
		case <-release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return d.Enter(), nil
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 200, "awake")
		})
	}
	eventually(t, "50 wait", func() bool { return w.host.wakes.Load() == 50 })
	d.Open(w.host.way(1, b))
	close(release)
	all.Wait()
	if n := b.requests.Load(); n != 50 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestVisit_RefusalsBecomeTheContractsAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.door("notes:alice")
	for name, c := range map[string]struct {
		err        error
		status     int
		text       string
		retryAfter string
	}{
		"held":        {&actors.Refusal{Cause: actors.CauseHeld, Reason: "secret"}, 503, "Service temporarily unavailable", ""},
		"failed":      {&actors.Refusal{Cause: actors.CauseFailed, RetryAfter: time.Minute, Reason: "secret"}, 503, "Service temporarily unavailable", "60"},
		"backoff":     {&actors.Refusal{Cause: actors.CauseBackoff, RetryAfter: 1200 * time.Millisecond, Reason: "secret"}, 503, "Service temporarily unavailable", "2"},
		"soon":        {&actors.Refusal{Cause: actors.CauseQueueFull, RetryAfter: time.Millisecond, Reason: "secret"}, 503, "Service temporarily unavailable", "1"},
		"never ready": {&actors.Refusal{Cause: actors.CauseStartTimeout, Reason: "secret"}, 504, "Gateway timeout", ""},
		"forgotten":   {actors.ErrUnknownTenant, 404, "Not found", ""},
		"other":       {errors.New("secret: disk full"), 503, "Service temporarily unavailable", "1"},
	} {
		w.host.wake = func(context.Context, *actors.Door) (*actors.Way, error) { return nil, c.err }
		h := w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, c.status, c.text)
		if got := h.Header.Get("Retry-After"); got != c.retryAfter {
			t.Errorf("%s: Retry-After %q, want %q", name, got, c.retryAfter)
		}
		if strings.Contains(h.text, "secret") {
			t.Errorf("%s: the visitor is told why: %q", name, h.text)
		}
	}
	if !strings.Contains(w.log.String(), "secret: disk full") {
		t.Error("the operator is not told why")
	}
}

func TestVisit_AnUnknownNameIsCreatedOnlyByTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked []conf.Instance
	b := saying(t, "new")
	w.host.create = func(name conf.Instance) (*actors.Door, error) {
		asked = append(asked, name)
		switch name.Service {
		case "notes":
			d := w.host.door(name.String())
			d.Open(w.host.way(1, b))
			return d, nil
		case "full":
			return nil, errors.New("disk full")
		}
		return nil, actors.ErrUnknownService
	}
	w.ask("GET", "GET / HTTP/1.1\r\nHost: carol.notes.example.test\r\n\r\n").wants(t, 200, "new")
	w.ask("GET", "GET / HTTP/1.1\r\nHost: carol.full.example.test\r\n\r\n").wants(t, 503, "Service temporarily unavailable")
	w.ask("GET", "GET / HTTP/1.1\r\nHost: carol.none.example.test\r\n\r\n").wants(t, 404, "Not found")
	w.ask("GET", "GET / HTTP/1.1\r\nHost: -x.notes.example.test\r\n\r\n").wants(t, 404, "Not found")
	if len(asked) != 3 || asked[0] != (conf.Instance{Service: "notes", ID: "carol"}) {
		t.Errorf("asked for %v", asked)
	}
}

// refuses gives a way that nobody listens on any more.
func (w *edgeWorld) refuses(generation uint64) *actors.Way {
	b := saying(w.t, "")
	b.stop()
	return w.host.way(generation, b)
}

func TestVisit_ADeadProcessIsReportedAndTheTenantWokenOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.host.door("notes:alice")
	d.Open(w.refuses(1))
	b := answering(t, "unix", func(_ *http.Request, body string) string { return ok("second " + body) })
	w.host.wake = func(_ context.Context, d *actors.Door) (*actors.Way, error) {
		d.Open(w.host.way(2, b))
		return d.Enter(), nil
	}
	// The body was not touched yet, so that a POST may try again as well.
	w.ask("POST", "POST / HTTP/1.1\r\n"+toAlice+"Content-Length: 4\r\n\r\nbody").wants(t, 200, "second body")
	if w.host.failed.Load() != 1 || w.host.wakes.Load() != 1 {
		t.Errorf("%d reports, %d wakes", w.host.failed.Load(), w.host.wakes.Load())
	}
}

func TestVisit_ATenantThatKeepsRefusingIsABadGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.host.door("notes:alice")
	d.Open(w.refuses(1))
	w.host.wake = func(_ context.Context, d *actors.Door) (*actors.Way, error) {
		d.Open(w.refuses(2))
		return d.Enter(), nil
	}
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 502, "Bad gateway")
	if n := w.host.wakes.Load(); n != maxWakes {
		t.Errorf("%d wakes for one request", n)
	}
}

// A backlog that is full for a moment is no dead process (connect(2): EAGAIN).
func TestVisit_AFullBacklogIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: dir + "/s"}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "")
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	filler, err := net.Dial("unix", dir+"/s") // the one place there is
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	b := &backend{}
	b.endpoint.Network, b.endpoint.Address = "unix", dir+"/s"
	w.tenant(b)
	v := w.dial()
	v.get("/")
	time.Sleep(20 * time.Millisecond) // the request has met the full backlog, or will: both are fine
	var served sync.WaitGroup
	served.Go(func() {
		for range 2 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			br := bufio.NewReader(c)
			if _, err := rawHead(br); err == nil {
				_, _ = io.WriteString(c, ok("at last"))
			}
			c.Close()
		}
	})
	filler.Close()
	v.hear("GET").wants(t, 200, "at last")
	l.Close()
	served.Wait()
	if w.host.failed.Load() != 0 {
		t.Error("a busy tenant was reported as dead")
	}
}

func TestVisit_AVisitorWhoLeavesEndsTheWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.door("notes:alice")
	var ended atomic.Int64
	w.host.wake = func(ctx context.Context, _ *actors.Door) (*actors.Way, error) {
		<-ctx.Done()
		ended.Add(1)
		return nil, ctx.Err()
	}
	const n = 100
	for i := range n {
		v := w.dial()
		v.get("/")
		if i%2 == 0 {
			_ = v.Conn.(*net.TCPConn).SetLinger(0) // some crash, some hang up
		}
		eventually(t, "the request waits", func() bool { return w.host.wakes.Load() > int64(i) })
		v.Close()
	}
	eventually(t, "all waits ended", func() bool { return ended.Load() == n })
}

func TestVisit_AVisitorWhoLeavesEndsTheWorkAtTheTenant(t *testing.T) {
	for name, answer := range map[string]string{
		"before the head": "",
		"inside a stream": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := newBackend(t, "unix", func(b *backend, c net.Conn, br *bufio.Reader) {
				_, _ = rawHead(br)
				b.requests.Add(1)
				_, _ = io.WriteString(c, answer)
				_, _ = br.ReadByte() // until the edge hangs up
			})
			d := w.tenant(b)
			v := w.dial()
			v.get("/")
			eventually(t, "the tenant works", func() bool { return b.requests.Load() == 1 })
			if d.Inflight() != 1 {
				t.Errorf("%d inside", d.Inflight())
			}
			if answer != "" {
				if _, err := rawHead(v.br); err != nil {
					t.Fatal(err)
				}
			}
			v.Close()
			eventually(t, "the tenant's connection ends", func() bool { return b.alive() == 0 })
			eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
		})
	}
}

func TestVisit_APanicEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.host.door("notes:alice")
	d.Open(&actors.Way{Generation: 1, Conns: io.NopCloser(nil)}) // no pool of ours
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 500, "Internal server error")
	eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
	d.Open(w.host.way(2, saying(t, "fine")))
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 200, "fine")
	if !strings.Contains(w.log.String(), "visit.go") {
		t.Error("the log has no stack")
	}
}

func TestVisit_ADoorIsLeftOncePerRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(answering(t, "unix", func(r *http.Request, _ string) string {
		if r.URL.Path == "/die" {
			return ""
		}
		return ok("fine")
	}))
	v := w.dial()
	for _, path := range []string{"/", "/die", "/"} {
		v.get(path)
		v.hear("GET")
	}
	v.Close()
	eventually(t, "nobody is inside", func() bool { return d.Inflight() == 0 })
}

// Whoever is still inside when the time is over is cut off: nothing of an
// exchange outlives the server.
func TestVisit_ShutdownCutsOffWhoStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := make(chan struct{})
	defer close(silent)
	b := newBackend(t, "unix", func(b *backend, c net.Conn, br *bufio.Reader) {
		head, _ := rawHead(br)
		if strings.HasPrefix(head, "GET /stream ") {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
		}
		b.requests.Add(1)
		<-silent
	})
	d := w.tenant(b)
	stream, waiting := w.dial(), w.dial()
	stream.get("/stream")
	waiting.get("/")
	eventually(t, "both are inside", func() bool { return b.requests.Load() == 2 })
	w.end()
	if n := d.Inflight(); n != 0 {
		t.Errorf("%d still inside after Shutdown", n)
	}
	if got, err := io.ReadAll(stream.br); err == nil && strings.HasSuffix(string(got), "0\r\n\r\n") {
		t.Errorf("a stream that was cut off looks whole: %q", got)
	}
	if got, _ := io.ReadAll(waiting.br); strings.Contains(string(got), " 200 ") {
		t.Errorf("got %q", got)
	}
}

func TestVisit_ShutdownLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	b := answering(t, "unix", func(*http.Request, string) string {
		<-release
		return ok("fine")
	})
	d := w.tenant(b)
	idle, busy := w.dial(), w.dial()
	busy.get("/")
	eventually(t, "it is inside", func() bool { return d.Inflight() == 1 && b.conns.Load() == 1 })
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		down <- w.server.Shutdown(ctx)
	}()
	idle.ends() // at once, while the other one is served
	close(release)
	if h := busy.hear("GET").wants(t, 200, "fine"); h.StatusCode == 200 {
		busy.ends()
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if c, err := net.Dial("tcp", w.addr); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
}
