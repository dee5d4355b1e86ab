package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tenement/actors"
	"tenement/conf"
)

// One connection, every kind of answer: fasthttp's own empty one must neither
// reach the visitor nor take the next answer with it.
func TestServer_AnswersOfEveryKindTakeTurnsOnOneConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
		switch r.URL.Path {
		case "/none":
			return "HTTP/1.1 204 No Content\r\n\r\n"
		case "/chunks":
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
		case "/head":
			return "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
		}
		return ok("tenant " + r.URL.Path + body)
	}))
	steps := []struct {
		method, request string
		status          int
		text            string
	}{
		{"GET", "GET /a HTTP/1.1\r\n" + toAlice + "\r\n", 200, "tenant /a"},
		{"GET", "GET / HTTP/1.1\r\nHost: nobody.example.org\r\n\r\n", 404, "Not found"},
		{"GET", "GET /none HTTP/1.1\r\n" + toAlice + "\r\n", 204, ""},
		{"GET", "GET /health HTTP/1.1\r\nHost: example.test\r\n\r\n", 200, "api GET /health"},
		{"HEAD", "HEAD /head HTTP/1.1\r\n" + toAlice + "\r\n", 200, ""},
		{"POST", "POST /b HTTP/1.1\r\n" + toAlice + "Content-Length: 3\r\n\r\nxyz", 200, "tenant /bxyz"},
		{"GET", "GET / HTTP/1.1\r\nHost: x.notes.example.test\r\n\r\n", 404, "Not found"},
		{"GET", "GET /chunks HTTP/1.1\r\n" + toAlice + "\r\n", 200, "one"},
		{"POST", "POST /api HTTP/1.1\r\nHost: example.test\r\nContent-Length: 2\r\n\r\nhi", 200, "api POST /api"},
		{"POST", "POST /c HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "tenant /chi"},
	}
	v := w.dial()
	for round := range 3 {
		for i := range steps {
			s := steps[(i*(round+1)*3+round)%len(steps)] // another order each time
			v.say(s.request)
			v.hear(s.method).wants(t, s.status, s.text)
		}
	}
	v.say("G(T / HTTP/1.1\r\n\r\n")
	v.hear("GET").wants(t, 400, "Bad request")
	v.ends()

	// And all at once, each whole request before the answer to the one before.
	all := ""
	for _, s := range steps {
		all += s.request
	}
	v = w.dial()
	v.say(all + "nonsense\r\n\r\n")
	for _, s := range steps {
		v.hear(s.method).wants(t, s.status, s.text)
	}
	v.hear("GET").wants(t, 400, "Bad request")
	v.ends()
}

// On DOMAIN itself it is the API that takes the body.
func TestServer_AnUploadToTheAPIGetsTheWordItWaitsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.dial()
	for range 3 {
		v.say("POST /api HTTP/1.1\r\nHost: example.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		if head, err := rawHead(v.br); err != nil || head != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Fatalf("got %q, %v", head, err)
		}
		v.say("hi")
		v.hear("POST").wants(t, 200, "api POST /api")
	}
	v.say("POST /api HTTP/1.1\r\nHost: example.test\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
	v.hear("POST").wants(t, 200, "api POST /api") // nothing is waited for
}

func TestServer_AConnectionThatEndsSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(saying(t, "fine"))
	for _, request := range []string{
		"GET / HTTP/1.1\r\n" + toAlice + "Connection: close\r\n\r\n",
		"GET / HTTP/1.0\r\n" + toAlice + "Connection: keep-alive\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 5\r\n\r\nhello", // a body that nobody took
		"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 100000000\r\n\r\n" + strings.Repeat("x", 9000),
	} {
		v := w.dial()
		v.say(request)
		if h := v.hear("GET"); !h.Close {
			t.Errorf("%.60q: nobody said that the connection ends: %v", request, h.Header)
		}
		v.ends()
	}
}

func TestServer_AnAPICallHasItsBodyWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.api = answerAPI(func(_ context.Context, c *Call) Reply {
		return Reply{Status: 200, Body: []byte(fmt.Sprint(len(c.Body), " ", c.Query.Get("q"), " ", c.Authorization, " ", c.Path))}
	})
	head := "POST /api/a%20b?q=1%2B2 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\n"
	w.ask("POST", head+"Content-Length: 5\r\n\r\nhello").wants(t, 200, "5 1+2 Bearer t /api/a b")
	w.ask("POST", head+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").wants(t, 200, "5 1+2 Bearer t /api/a b")
	for _, broken := range []string{"Content-Length: 9000\r\n\r\n" + strings.Repeat("x", 8999), "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"} {
		v := w.dial()
		v.say(head, broken)
		_ = v.Conn.(*net.TCPConn).CloseWrite()
		if h := v.hear("POST"); h.StatusCode != 400 {
			t.Errorf("%.40q: got %d %q", broken, h.StatusCode, h.text)
		}
	}
	w.ask("GET", "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n").wants(t, 400, "Bad request")
	w.ask("GET", "GET /?%zz HTTP/1.1\r\nHost: localhost\r\n\r\n").wants(t, 400, "Bad request")
}

func TestServer_RepliesCarryTheHeadersOfTheirStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status := 0
	w.server.api = answerAPI(func(context.Context, *Call) Reply {
		return Reply{Status: status, ContentType: "application/json", Body: []byte("{}"), RetryAfter: 1500 * time.Millisecond}
	})
	v := w.dial()
	for _, c := range []struct {
		status      int
		name, value string
	}{{401, "WWW-Authenticate", "Bearer"}, {405, "Allow", "GET"}, {503, "Retry-After", "2"}, {200, "Content-Type", "application/json"}} {
		status = c.status
		v.say("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if h := v.hear("GET").wants(t, c.status, "{}"); h.Header.Get(c.name) != c.value {
			t.Errorf("%d: %s is %q", c.status, c.name, h.Header.Get(c.name))
		}
	}
}

// streaming is an API that sends what comes.
func streaming(lines <-chan string) answerAPI {
	return func(context.Context, *Call) Reply {
		return Reply{Status: 200, ContentType: "text/event-stream", Stream: func(ctx context.Context, w StreamWriter) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case line, more := <-lines:
					if !more {
						return errors.New("broken")
					}
					_, _ = io.WriteString(w, line)
					if err := w.Flush(); err != nil {
						return err
					}
				}
			}
		}}
	}
}

func TestServer_AStreamIsSentAsItComesAndEndsWithTheServer(t *testing.T) {
	for version, ending := range map[string]error{"1.1": nil, "1.0": nil} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			lines := make(chan string)
			w.server.api = streaming(lines)
			v := w.dial()
			v.say("GET /api/logs/stream HTTP/", version, "\r\nHost: localhost\r\n\r\n")
			r, err := http.ReadResponse(v.br, nil) // before the first line
			if err != nil || r.StatusCode != 200 || !r.Close {
				t.Fatalf("got %v, %v", r, err)
			}
			for _, line := range []string{"one", "two"} {
				lines <- line
				got := make([]byte, 3)
				if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != line {
					t.Fatalf("got %q, %v", got, err)
				}
			}
			if err := w.server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if rest, err := io.ReadAll(r.Body); len(rest) != 0 || err != ending {
				t.Errorf("it ended with %q, %v", rest, err)
			}
		})
	}
}

func TestServer_AStreamThatBreaksDoesNotLookWhole(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "1.0"} {
		w := newWorld(t)
		lines := make(chan string, 1)
		lines <- "one"
		close(lines)
		w.server.api = streaming(lines)
		v := w.dial()
		v.say("GET /api/logs/stream HTTP/", version, "\r\nHost: localhost\r\n\r\n")
		if got, err := io.ReadAll(v.br); err == nil {
			t.Errorf("an orderly end in %s: %q", version, got)
		}
	}
}

func TestServer_ACallerWhoLeavesEndsItsStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ended := make(chan struct{})
	w.server.api = answerAPI(func(context.Context, *Call) Reply {
		return Reply{Status: 200, Stream: func(ctx context.Context, _ StreamWriter) error {
			<-ctx.Done()
			close(ended)
			return nil
		}}
	})
	v := w.dial()
	v.say("GET /api/logs/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := http.ReadResponse(v.br, nil); err != nil {
		t.Fatal(err)
	}
	v.Close()
	<-ended
}

func TestServer_ShutdownLetsWorkEndAndEndsWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release, inside := make(chan struct{}), make(chan struct{})
	w.tenant(answering(t, "unix", func(r *http.Request, _ string) string {
		if r.URL.Path == "/slow" {
			close(inside)
			<-release
		}
		return ok("done")
	}))
	w.host.door("notes:asleep")
	waiting := make(chan struct{})
	w.host.wake = func(ctx context.Context, _ *actors.Door) (*actors.Way, error) {
		close(waiting)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	silent, idle, slow, sleeper := w.dial(), w.dial(), w.dial(), w.dial()
	idle.get("/")
	idle.hear("GET").wants(t, 200, "done")
	slow.get("/slow")
	<-inside
	sleeper.say("GET / HTTP/1.1\r\nHost: asleep.notes.example.test\r\n\r\n")
	<-waiting
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(context.Background()) }()
	sleeper.hear("GET").wants(t, 503, "Service temporarily unavailable")
	silent.ends() // soon, for it never says a word
	idle.ends()
	select {
	case err := <-ended:
		t.Fatalf("Shutdown left a request behind: %v", err)
	default:
	}
	close(release)
	slow.hear("GET").wants(t, 200, "done")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", w.addr); err == nil {
		t.Error("it still takes connections")
	}
}

// fasthttp alone would wait 5 s for its first word.
func TestServer_ShutdownDoesNotWaitForTheSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent, spoke := w.dial(), w.dial()
	spoke.say("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n") // accepted after the other
	spoke.hear("GET").wants(t, 404, "Not found")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	silent.ends()
}

func TestServer_AShutdownInAHurryCutsOffWhoIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inside := make(chan struct{})
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		close(inside)
		_, _ = br.ReadByte() // never answers
	})
	w.tenant(b)
	v := w.dial()
	v.get("/")
	<-inside
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n, err := v.br.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes for a visitor who was cut off", n)
	}
	b.stop()
}

func TestServer_NothingIsLeftOfManyServers(t *testing.T) {
	var last int
	for round := range 6 {
		for range 5 {
			s, err := NewServer(ServerOptions{Host: &houses{config: &conf.Config{}}, Domain: "example.test", Clients: conf.DefaultClients()})
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- s.Serve(l) }()
			w := &edgeWorld{t: t, addr: l.Addr().String()}
			w.ask("GET", "GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n").wants(t, 404, "Not found")
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("a second Shutdown: %v", err)
			}
		}
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			last = len(entries)
		}
		if round > 1 && len(entries) > last+4 { // a leak of one a server would be 20
			t.Fatalf("%d descriptors after round %d, %d before", len(entries), round, last)
		}
	}
}

// Many visitors of every kind at once, some of whom leave: each gets its own answer.
func TestServer_EachVisitorGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
		if strings.HasSuffix(r.URL.Path, "7") {
			time.Sleep(watchAfter) // about when the watch begins
		}
		return ok(r.URL.Path + body)
	}))
	var all sync.WaitGroup
	for visitor := range 16 {
		all.Go(func() {
			v := w.dial()
			defer func() { v.Close() }()
			for i := range 60 {
				path := fmt.Sprintf("/%d-%d", visitor, i)
				switch i % 5 {
				case 0:
					v.get(path)
					v.hear("GET").wants(t, 200, path)
				case 1:
					v.say("POST ", path, " HTTP/1.1\r\n", toAlice, "Content-Length: 2\r\n\r\n:a")
					v.hear("POST").wants(t, 200, path+":a")
				case 2:
					v.say("POST ", path, " HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\n2\r\n:b\r\n0\r\n\r\n")
					v.hear("POST").wants(t, 200, path+":b")
				case 3:
					v.say("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
					v.hear("GET").wants(t, 404, "Not found")
				case 4:
					v.get(path)
					if i%2 == 0 {
						v.hear("GET").wants(t, 200, path)
						continue
					}
					v.Close() // without waiting
					v = w.dial()
				}
			}
		})
	}
	all.Wait()
	eventually(t, "the door is left by all", func() bool { return d.Inflight() == 0 })
}

// Whatever is plain to us is a request to fasthttp too, with the same parts and
// the same end: which of them reads it makes no difference.
func FuzzWarm_WhatIsPlainIsPlainToFasthttp(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "HEAD  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /\xff HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		end := headEnd(head, 0)
		if end == 0 || end > 16<<10 {
			return
		}
		head = head[:end]
		var r request
		if !r.plain(head) || r.check(&anyLimits) != nil {
			return
		}
		var h fasthttp.RequestHeader
		h.DisableNormalizing()
		br := bufio.NewReaderSize(bytes.NewReader(head), 16<<10)
		if err := h.Read(br); err != nil {
			t.Fatalf("%q is plain, but to fasthttp %v", head, err)
		}
		if rest, _ := io.ReadAll(br); len(rest) != 0 {
			t.Fatalf("%q has more than fasthttp reads: %q", head, rest)
		}
		length := int64(h.ContentLength())
		if length == -2 {
			length = noBody
		}
		target := h.RequestURI()
		if !bytes.Equal(h.Method(), r.method) || !bytes.Equal(target, r.target) || !h.IsHTTP11() || length != r.length || h.ConnectionClose() != r.nom.close {
			t.Fatalf("%q is %s %s with a body of %d here, and %s %s with %d to fasthttp", head, r.method, r.target, r.length, h.Method(), target, length)
		}
	})
}
