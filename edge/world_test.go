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
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// loopback is trusted by tests whose visitors are proxies.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// patience is how long a test waits for what must happen; it says nothing about
// speed.
const patience = 20 * time.Second

// TestMain fails the package when its tests leave goroutines or sockets behind.
func TestMain(m *testing.M) {
	before := sockets()
	code := m.Run()
	if code == 0 {
		if left := leftovers(before); left != "" {
			fmt.Fprintln(os.Stderr, "the tests left behind:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftovers waits until nothing of this package runs and no socket is open, and
// tells what is there if that does not come.
func leftovers(before int) string {
	var left string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		left = ""
		buf := make([]byte, 8<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "tenement/edge.") && !strings.Contains(g, "TestMain") {
				left += g + "\n\n"
			}
		}
		if after := sockets(); after > before {
			left += fmt.Sprintf("%d sockets, %d before\n", after, before)
		}
		if left == "" {
			return ""
		}
	}
	return left
}

func sockets() int {
	n := 0
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// houses is a Host with real doors and no processes: a test opens doors itself,
// or says what a wake does.
type houses struct {
	Host // what these tests do not ask: nil, and so a panic

	config  *conf.Config
	mu      sync.Mutex
	doors   map[conf.Instance]*actors.Door
	domains map[string]conf.Instance
	pools   []io.Closer
	wake    func(ctx context.Context, d *actors.Door) (*actors.Way, error)
	create  func(name conf.Instance) (*actors.Door, error)
	apex    func(service string) (*actors.Door, error)
	wakes   atomic.Int64
	failed  atomic.Int64 // ConnFailed reports
}

func (h *houses) Config() *conf.Config { return h.config }

func (h *houses) Door(service, id string) *actors.Door {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doors[conf.Instance{Service: service, ID: id}]
}

func (h *houses) Wake(ctx context.Context, d *actors.Door) (*actors.Way, error) {
	h.wakes.Add(1)
	if h.wake == nil {
		return nil, &actors.Refusal{Cause: actors.CauseHeld, Reason: "held"}
	}
	return h.wake(ctx, d)
}

func (h *houses) ConnFailed(*actors.Door, uint64) { h.failed.Add(1) }

func (h *houses) Create(_ context.Context, name conf.Instance) (*actors.Door, error) {
	if h.create == nil {
		return nil, actors.ErrUnknownTenant
	}
	return h.create(name)
}

func (h *houses) Domain(name string) (conf.Instance, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	instance, ok := h.domains[name]
	return instance, ok
}

// domain leads a domain of a customer's own to a tenant.
func (h *houses) domain(name, tenant string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.domains == nil {
		h.domains = map[string]conf.Instance{}
	}
	h.domains[name] = apiName(tenant)
}

func (h *houses) Apex(service string) (*actors.Door, error) {
	if h.apex == nil {
		return nil, actors.ErrUnknownService
	}
	return h.apex(service)
}

// door registers a tenant, asleep.
func (h *houses) door(name string) *actors.Door {
	h.mu.Lock()
	defer h.mu.Unlock()
	instance, err := conf.ParseInstance(name)
	if err != nil {
		panic(err)
	}
	d := actors.NewDoor(instance)
	h.doors[d.Name()] = d
	return d
}

// way makes a way to a backend.
func (h *houses) way(generation uint64, b *backend) *actors.Way {
	pool := NewConns(b.endpoint, conf.Front{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pools = append(h.pools, pool)
	return &actors.Way{Generation: generation, Endpoint: b.endpoint, RequestTimeout: patience, Conns: pool}
}

// answerAPI answers calls as a test wants it.
type answerAPI func(ctx context.Context, c *Call) Reply

func (f answerAPI) Serve(ctx context.Context, c *Call) Reply { return f(ctx, c) }

// edgeWorld is a server on loopback before a fake host.
type edgeWorld struct {
	t      testing.TB
	host   *houses
	server *Server
	addr   string
	log    *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newWorld serves the domain "example.test" until the test ends. The API
// answers "api METHOD PATH".
func newWorld(t testing.TB, change ...func(*ServerOptions)) *edgeWorld {
	t.Helper()
	w := &edgeWorld{t: t, log: &syncBuffer{}, host: &houses{config: &conf.Config{}, doors: map[conf.Instance]*actors.Door{}}}
	o := ServerOptions{Host: w.host, Domain: "example.test", Log: zerolog.New(w.log), Clients: conf.DefaultClients()}
	for _, f := range change {
		f(&o)
	}
	var err error
	if w.server, err = NewServer(o); err != nil {
		t.Fatal(err)
	}
	w.server.api = answerAPI(func(_ context.Context, c *Call) Reply {
		return Reply{Status: 200, ContentType: "text/plain", Body: []byte("api " + c.Method + " " + c.Path)}
	})
	w.addr = w.listen()
	t.Cleanup(w.end)
	return w
}

func (w *edgeWorld) listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	w.t.Cleanup(func() {
		select {
		case err := <-served:
			if err != nil {
				w.t.Errorf("Serve ended with %v", err)
			}
		case <-time.After(patience):
			w.t.Error("Serve did not return after Shutdown")
		}
	})
	return l.Addr().String()
}

// end shuts down without patience for what a test left open.
func (w *edgeWorld) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		w.t.Errorf("Shutdown: %v", err)
	}
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	for _, p := range w.host.pools {
		p.Close()
	}
	for name, d := range w.host.doors {
		eventually(w.t, name.String()+" is left by everybody", func() bool { return d.Inflight() == 0 })
	}
}

// tenant registers notes:alice, awake behind a backend.
func (w *edgeWorld) tenant(b *backend) *actors.Door {
	d := w.host.door("notes:alice")
	d.Open(w.host.way(1, b))
	return d
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// visitorConn is a raw client.
type visitorConn struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

func (w *edgeWorld) dial() *visitorConn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	w.t.Cleanup(func() { c.Close() })
	return &visitorConn{Conn: c, t: w.t, br: bufio.NewReader(c)}
}

func (v *visitorConn) say(parts ...string) {
	v.t.Helper()
	if _, err := io.WriteString(v, strings.Join(parts, "")); err != nil {
		v.t.Fatalf("cannot send: %v", err)
	}
}

// get asks alice for path, keeping the connection.
func (v *visitorConn) get(path string) {
	v.t.Helper()
	v.say("GET ", path, " HTTP/1.1\r\nHost: alice.notes.example.test\r\n\r\n")
}

// heard is one answer as a visitor got it.
type heard struct {
	*http.Response
	text string
	err  error // of the body
}

// hear reads one answer to the end of its body.
func (v *visitorConn) hear(method string) heard {
	v.t.Helper()
	r, err := http.ReadResponse(v.br, &http.Request{Method: method})
	if err != nil {
		v.t.Fatalf("no answer: %v", err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return heard{Response: r, text: string(b), err: err}
}

// wants checks status and body.
func (h heard) wants(t testing.TB, status int, text string) heard {
	t.Helper()
	if h.err != nil {
		t.Errorf("the body ended with %v", h.err)
	}
	if h.StatusCode != status || strings.TrimSpace(h.text) != text {
		t.Errorf("got %d %q, want %d %q", h.StatusCode, clipText(h.text), status, text)
	}
	return h
}

// ends checks that the server closed the connection in good order.
func (v *visitorConn) ends() {
	v.t.Helper()
	if n, err := v.br.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		v.t.Errorf("the connection goes on: %d bytes, %v", n, err)
	}
}

// ask is one request on a connection of its own.
func (w *edgeWorld) ask(method, raw string) heard {
	w.t.Helper()
	v := w.dial()
	defer v.Close()
	v.say(raw)
	return v.hear(method)
}

// backend is a tenant's server made of raw sockets. serve is called for each
// connection; the connection is closed when it returns.
type backend struct {
	t        testing.TB
	endpoint sandbox.Endpoint
	listener net.Listener
	conns    atomic.Int64
	requests atomic.Int64
	wg       sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// newBackend listens on a Unix socket, or on loopback TCP.
func newBackend(t testing.TB, network string, serve func(b *backend, c net.Conn, br *bufio.Reader)) *backend {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "edge")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, listener: l, open: map[net.Conn]bool{}, endpoint: sandbox.Endpoint{Network: network, Address: l.Addr().String()}}
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.conns.Add(1)
			b.hold(c, true)
			b.wg.Go(func() {
				defer b.hold(c, false)
				defer c.Close()
				serve(b, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *backend) hold(c net.Conn, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if open {
		b.open[c] = true
	} else {
		delete(b.open, c)
	}
}

// alive is how many connections the backend has open.
func (b *backend) alive() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open)
}

// stop ends the backend as a dying process does.
func (b *backend) stop() {
	b.listener.Close()
	b.mu.Lock()
	for c := range b.open {
		c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

// answering serves each request with answer; "" of it ends the connection. The
// request's body is read first.
func answering(t testing.TB, network string, answer func(r *http.Request, body string) string) *backend {
	return newBackend(t, network, func(b *backend, c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			b.requests.Add(1)
			text := answer(r, string(body))
			if text == "" {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	})
}

// saying answers everything with text, on kept connections.
func saying(t testing.TB, text string) *backend {
	return answering(t, "unix", func(*http.Request, string) string { return ok(text) })
}

// ok is a plain answer.
func ok(text string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

// rawHead reads one request's head as it came, with the empty line.
func rawHead(br *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := br.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}
