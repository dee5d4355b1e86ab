package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/http2"

	"tenement/actors"
)

// h2World is a world whose tenant alice is reached by HTTP/2.
type h2World struct {
	*edgeWorld
	client  *http.Client
	ca      *testCA
	address string
}

func newH2World(t *testing.T, b *backend, change ...func(*ServerOptions)) *h2World {
	t.Helper()
	w := &h2World{edgeWorld: newWorld(t, change...), ca: newTestCA(t)}
	if b != nil {
		w.tenant(b)
	}
	w.address = w.listenTLS(w.ca.serves(zerolog.Nop(), w.ca.issue("site", "*.notes.example.test", "example.test")))
	transport := &http.Transport{
		ForceAttemptHTTP2: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: w.ca.pool},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", w.address)
		},
	}
	w.client = &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(transport.CloseIdleConnections)
	return w
}

// do asks alice by HTTP/2.
func (w *h2World) do(method, path string, body io.Reader, change ...func(*http.Request)) (*http.Response, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "https://"+aliceHost+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range change {
		f(r)
	}
	return w.client.Do(r)
}

func (w *h2World) must(method, path string, body io.Reader, change ...func(*http.Request)) heard {
	w.t.Helper()
	r, err := w.do(method, path, body, change...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	if r.ProtoMajor != 2 {
		w.t.Errorf("it is %s", r.Proto)
	}
	b, err := io.ReadAll(r.Body)
	return heard{Response: r, text: string(b), err: err}
}

func TestH2_ARequestIsTheSameToATenant(t *testing.T) {
	heads := make(chan string, 1)
	w := newH2World(t, newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		head, _ := rawHead(br)
		heads <- head
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Odd: 1\r\nx-odd: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\r\nhello")
	}))
	r := w.must("GET", "/a%20b?q=1", nil, func(r *http.Request) {
		r.Header["X-B"] = []string{"2", "3"}
		r.Header.Set("X-A", "1")
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		r.Header.Set("X_Under", "1")
		r.Header.Set("Cookie", "a=1; b=2")
	}).wants(t, 200, "hello")
	if got := r.Header.Values("X-Odd"); !slices.Equal(got, []string{"1", "2"}) || r.Header.Get("X-Hop") != "" || len(r.Header.Values("Content-Type")) > 0 {
		t.Errorf("the client saw %v", r.Header)
	}
	head := <-heads
	for _, want := range []string{"GET /a%20b?q=1 HTTP/1.1\r\nHost: " + aliceHost + "\r\n", "X-A: 1\r\n", "X-B: 2\r\nX-B: 3\r\n", "Cookie: a=1; b=2\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("the tenant did not see %q:\n%s", want, head)
		}
	}
	if strings.Contains(head, "192.0.2.1") || strings.Contains(head, "X_Under") || strings.Contains(head, "chunked") {
		t.Errorf("the tenant saw\n%s", head)
	}
}

func TestH2_TheEdgesOwnAnswersAndTheAPI(t *testing.T) {
	w := newH2World(t, nil, func(o *ServerOptions) { o.HSTS = time.Hour })
	r := w.must("GET", "/", nil).wants(t, 404, "Not found")
	if r.Header.Get("Strict-Transport-Security") != "max-age=3600" {
		t.Errorf("%v", r.Header)
	}
	api := func(r *http.Request) { r.URL.Host, r.Host = "example.test", "example.test" }
	w.must("POST", "/api/x", strings.NewReader("{}"), api).wants(t, 200, "api POST /api/x")
	if r := w.must("HEAD", "/api/x", nil, api); r.StatusCode != 200 || r.text != "" {
		t.Errorf("%d %q", r.StatusCode, r.text)
	}
}

func TestH2_ManyRequestsShareAConnection(t *testing.T) {
	w := newH2World(t, answering(t, "unix", func(r *http.Request, body string) string { return ok(r.URL.Path + " " + body) }))
	w.must("GET", "/", nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r, err := w.do("POST", fmt.Sprint("/", i), strings.NewReader(strings.Repeat("x", i)))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if want := fmt.Sprint("/", i, " ", strings.Repeat("x", i)); string(b) != want || err != nil {
				t.Errorf("%q, %v, want %q", b, err, want)
			}
		})
	}
	wg.Wait()
}

func TestH2_BodiesOfEveryFramingArriveWhole(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 60_000) // 960 KB, several windows
	w := newH2World(t, answering(t, "unix", func(r *http.Request, body string) string {
		if r.URL.Path == "/chunks" {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
		if r.URL.Path == "/close" {
			return "HTTP/1.0 200 OK\r\n\r\n"
		}
		return ok(fmt.Sprint(r.ContentLength, " ", r.TransferEncoding, " ", len(body)))
	}))
	w.must("POST", "/", strings.NewReader(big)).wants(t, 200, fmt.Sprint(len(big), " [] ", len(big)))
	w.must("POST", "/", io.MultiReader(strings.NewReader(big))).wants(t, 200, fmt.Sprint("-1 [chunked] ", len(big)))
	w.must("POST", "/", nil).wants(t, 200, "0 [] 0")
	w.must("POST", "/chunks", strings.NewReader(big)).wants(t, 200, big)
}

func TestH2_TrailersInterimAnswersAndEventsPass(t *testing.T) {
	next := make(chan struct{})
	seen := make(chan http.Header, 1)
	w := newH2World(t, newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- r.Trailer
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
		<-next
		_, _ = io.WriteString(c, "5\r\nfirst\r\n")
		<-next
		_, _ = io.WriteString(c, "6\r\nsecond\r\n0\r\nX-Sum: 42\r\n\r\n")
	}))
	var hints []string
	r, err := w.do("POST", "/", io.MultiReader(strings.NewReader("hi")), func(r *http.Request) {
		r.Trailer = http.Header{"X-Client-Sum": {"7"}}
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		}}))
	})
	if err != nil { // the head comes before any of the body
		t.Fatal(err)
	}
	defer r.Body.Close()
	next <- struct{}{}
	b := make([]byte, 100)
	if n, err := r.Body.Read(b); string(b[:n]) != "first" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	next <- struct{}{}
	if rest, err := io.ReadAll(r.Body); string(rest) != "second" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if r.Trailer.Get("X-Sum") != "42" || !slices.Equal(hints, []string{"103 </a.css>"}) || r.Header.Get("Link") != "" {
		t.Errorf("trailer %v, hints %q, header %v", r.Trailer, hints, r.Header)
	}
	if got := <-seen; got.Get("X-Client-Sum") != "7" {
		t.Errorf("the tenant saw the trailer %v", got)
	}
}

func TestH2_AnAnswerThatIsCutIsAReset(t *testing.T) {
	w := newH2World(t, newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		head, _ := rawHead(br)
		framing := "Content-Length: 100"
		if strings.Contains(head, "/chunks") {
			framing = "Transfer-Encoding: chunked"
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\n\r\n5\r\nhello\r\n")
	}))
	for _, path := range []string{"/chunks", "/length"} {
		r, err := w.do("GET", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var reset http2.StreamError
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Errorf("%s: an orderly end", path)
		} else if !errors.As(err, &reset) && !strings.Contains(err.Error(), "INTERNAL_ERROR") {
			t.Errorf("%s: %v", path, err)
		}
		r.Body.Close()
	}
}

func TestH2_AClientThatResetsEndsWhatItWaitedFor(t *testing.T) {
	asked, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	w := newH2World(t, newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		asked <- struct{}{}
		_, _ = br.ReadByte()
		ended <- struct{}{}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := w.do("GET", "/", nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
		failed <- err
	}()
	<-asked
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the tenant still works for nobody")
	}
}

func TestH2_AClientThatLeavesWhileATenantWakesStopsWaiting(t *testing.T) {
	w := newH2World(t, nil)
	d := w.host.door("notes:alice")
	waiting, gone := make(chan struct{}), make(chan struct{})
	w.host.wake = func(ctx context.Context, _ *actors.Door) (*actors.Way, error) {
		close(waiting)
		<-ctx.Done()
		close(gone)
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r, err := w.do("GET", "/", nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
		if err == nil {
			r.Body.Close()
		}
	}()
	<-waiting
	cancel()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("it still waits")
	}
	eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
}

func TestH2_AnUploadThatIsCutNeverLooksWhole(t *testing.T) {
	bodies := make(chan error, 1)
	w := newH2World(t, newBackend(t, "unix", func(_ *backend, _ net.Conn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		bodies <- err
	}))
	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	go func() {
		r, err := w.do("POST", "/", pr, func(r *http.Request) { *r = *r.WithContext(ctx) })
		if err == nil {
			r.Body.Close()
		}
	}()
	_, _ = io.WriteString(pw, "half")
	eventually(t, "the tenant is asked", func() bool { return w.host.Door("notes", "alice").Inflight() == 1 })
	cancel()
	if err := <-bodies; err == nil {
		t.Error("the tenant took half for the whole")
	}
	pw.Close()
}

func TestH2_ShutdownLetsAnswersEnd(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	w := newH2World(t, answering(t, "unix", func(*http.Request, string) string { close(asked); <-answer; return ok("late") }))
	got := make(chan heard, 1)
	go func() {
		r, err := w.do("GET", "/", nil)
		if err != nil {
			got <- heard{err: err, Response: &http.Response{}}
			return
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		got <- heard{Response: r, text: string(b), err: err}
	}()
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(t.Context()) }()
	eventually(t, "the end has begun", func() bool { return w.server.base.Err() != nil })
	close(answer)
	h := <-got
	h.wants(t, 200, "late")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestH2_AConnectionHasItsFillOfRequests(t *testing.T) {
	w := newH2World(t, saying(t, "hello"), func(o *ServerOptions) { o.Clients.RequestsPerConn = 3 })
	conns := map[string]bool{}
	for range 7 {
		w.must("GET", "/", nil, func(r *http.Request) {
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conns[i.Conn.LocalAddr().String()] = true }}))
		}).wants(t, 200, "hello")
	}
	if len(conns) != 3 {
		t.Errorf("7 requests took %d connections", len(conns))
	}
}
