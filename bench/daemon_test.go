package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener that is dialed within the process, where time is a test's.
type pipes struct {
	coming chan net.Conn
	ended  chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.coming:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

func (p *pipes) dial() (net.Conn, error) {
	here, there := net.Pipe()
	p.coming <- there
	return here, nil
}

// fakeTen is a daemon whose tenants wake in a time that is known.
type fakeTen struct {
	start  time.Duration // of a tenant, until its first byte
	rest   time.Duration // from there until its last
	fails  map[int]int   // status of the n-th visit that is no 200
	delete int           // status of the answer to a stop that fails
	say    string        // the API's answer about tenants; "" = who is awake, truly

	mu     sync.Mutex
	visits int
	awake  map[string]bool // by tenant
	warm   int             // visits that found theirs awake
}

// serve gives the fake as the bench sees a daemon; it ends with the test's bubble.
func (f *fakeTen) serve(t *testing.T) *daemon {
	f.awake = map[string]bool{}
	l := &pipes{coming: make(chan net.Conn), ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET localhost/health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("DELETE localhost/api/instances/{name}", f.sleep)
	mux.HandleFunc("GET localhost/api/instances", f.list)
	mux.HandleFunc("GET /", f.visit)
	server := &http.Server{Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	control := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return l.dial() }}
	t.Cleanup(func() {
		control.CloseIdleConnections()
		server.Close()
		<-ended
	})
	return &daemon{dial: l.dial, control: &http.Client{Transport: control, Timeout: time.Minute}}
}

func (f *fakeTen) sleep(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delete == 0 {
		f.awake[r.PathValue("name")] = false
	}
	w.WriteHeader(max(f.delete, http.StatusNoContent))
}

func (f *fakeTen) list(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	say := f.say
	if say == "" {
		var all []string
		for name, awake := range f.awake {
			if awake {
				all = append(all, `{"id":"`+name+`","listen":"unix:/run/x"}`)
			}
		}
		say = "[" + strings.Join(all, ",") + "]"
	}
	_, _ = io.WriteString(w, say)
}

func (f *fakeTen) visit(w http.ResponseWriter, r *http.Request) {
	id, service, _ := strings.Cut(strings.TrimSuffix(r.Host, ".localhost"), ".")
	f.mu.Lock()
	f.visits++
	status, fails := f.fails[f.visits]
	awake := f.awake[service+":"+id]
	f.awake[service+":"+id] = true
	if awake {
		f.warm++
	}
	f.mu.Unlock()
	if !awake {
		time.Sleep(f.start)
	}
	if fails {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Length", "4")
	_, _ = io.WriteString(w, "he")
	_ = http.NewResponseController(w).Flush()
	time.Sleep(f.rest)
	_, _ = io.WriteString(w, "y\n")
}

// A tenant whose start takes 100 ms is reported as 100 ms ± 1, and what a slower one
// takes over it as what it takes: in time that passes for nobody else.
func TestWake_AKnown100MillisecondStartIsReportedAsThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick, slow := &fakeTen{start: 100 * time.Millisecond, rest: time.Second}, &fakeTen{start: 130 * time.Millisecond}
		a, b := &cold{daemon: quick.serve(t), unsure: map[string]bool{}}, &cold{daemon: slow.serve(t), unsure: map[string]bool{}}
		found := takeTurns(50, 3, []subject{{"known", func() (float64, error) { return a.wake("app") }}, {"slow", func() (float64, error) { return b.wake("app") }}})
		r := found[0].result("an app that takes 100 ms", "process", "ms")
		for what, v := range map[string]number{"median": r.Value, "p90": r.P90, "p99": r.P99, "lower quartile": r.Low, "upper quartile": r.High} {
			if v < 99 || v > 101 {
				t.Errorf("%s: %v ms, want 100 ± 1", what, v)
			}
		}
		if r.Runs != 50 || r.Failures != 0 || quick.warm+slow.warm != 0 || quick.visits != 53 {
			t.Errorf("%d runs, %d failures, %d visits, %d of them warm", r.Runs, r.Failures, quick.visits, quick.warm+slow.warm)
		}
		if extra := median(found[1].over(found[0])); extra < 29 || extra > 31 {
			t.Errorf("30 ms more are reported as %v", extra)
		}
	})
}

// A warm answer never passes for a cold one: whom a failed sample may have left
// awake is put to sleep first.
func TestWake_AfterAFailureTheTenantIsPutToSleepFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTen{start: 100 * time.Millisecond, fails: map[int]int{2: 503}}
		c := &cold{daemon: f.serve(t), unsure: map[string]bool{}}
		found := takeTurns(5, 0, []subject{{"it", func() (float64, error) { return c.wake("app") }}})
		if r := found[0].result("", "", "ms"); r.Failures != 1 || r.Runs != 4 || r.Value < 99 || len(found[0].good()) != 4 {
			t.Errorf("%+v", r)
		}
		for _, ms := range found[0].good() {
			if ms < 99 || ms > 101 {
				t.Errorf("a warm answer was taken for a cold one: %v ms", ms)
			}
		}
		if f.warm != 0 {
			t.Errorf("%d visits found it awake", f.warm)
		}
		f.delete = http.StatusConflict
		if _, err := c.wake("app"); err == nil || !strings.Contains(err.Error(), "cannot stop app:one: 409 Conflict") {
			t.Errorf("a tenant that does not sleep: %v", err)
		}
		if _, err := c.wake("app"); err == nil {
			t.Error("it was left awake, and cannot be put to sleep: its next wake is no wake")
		}
	})
}

func TestBatch_IsTheMedianOfWarmRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTen{start: 250 * time.Microsecond, fails: map[int]int{2*warmBatch + 3: 500}}
		d := f.serve(t)
		c, err := d.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if us, err := batch(c, "one.app.localhost"); err != nil || us != 0 {
			t.Errorf("all but the first take no time, so that the median is none: %v us, %v", us, err)
		}
		if f.warm != warmBatch-1 {
			t.Errorf("%d of %d were warm", f.warm, warmBatch)
		}
		if _, err := batch(c, "one.app.localhost"); err != nil {
			t.Error(err)
		}
		if _, err := batch(c, "one.app.localhost"); err == nil || !strings.Contains(err.Error(), "a warm request failed") || !strings.Contains(err.Error(), "status 500") {
			t.Errorf("%v", err)
		}
	})
}

func TestGet_StopsTheClockAtTheFirstByteAndSaysWhatWentWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := func(parts ...string) (took time.Duration, err error) {
			visitor, server := net.Pipe()
			defer visitor.Close()
			go func() { // ends with the connection
				defer server.Close()
				_, _ = server.Read(make([]byte, 512))
				for _, part := range parts {
					time.Sleep(10 * time.Millisecond)
					if _, err := io.WriteString(server, part); err != nil {
						return
					}
				}
				if len(parts) == 0 {
					_, _ = server.Read(make([]byte, 1))
				}
			}()
			began := time.Now()
			first, err := get(visitor, "a.localhost", "/x")
			if first.IsZero() {
				return 0, err
			}
			return first.Sub(began), err
		}
		if took, err := answers("H", "TTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "o", "k"); err != nil || took != 10*time.Millisecond {
			t.Errorf("%v, %v", took, err)
		}
		if _, err := answers("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "cut"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("an answer that ends early: %v", err)
		}
		if _, err := answers("SSH-2.0-x\r\n\r\n"); err == nil {
			t.Error("what is no HTTP passes")
		}
		_, err := answers("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		if err == nil || err.Error() != "a.localhost/x: status 503" || !isRefusal(err) {
			t.Errorf("%v", err)
		}
		if _, err := answers("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"); err == nil || isRefusal(err) {
			t.Errorf("a 502 is no refusal: %v", err)
		}
		began := time.Now()
		if _, err := answers(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 30*time.Second {
			t.Errorf("who never answers is waited for %v: %v", time.Since(began), err)
		}
	})
}

func TestEndpoint_IsWhereATenantListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTen{}
		d := f.serve(t)
		for _, c := range []struct{ say, network, address, err string }{
			{`[{"id":"b:x","listen":"unix:/run/b"},{"id":"a:x","listen":"unix:/run/a"}]`, "unix", "/run/a", ""},
			{`[{"id":"a:x","listen":"127.0.0.1:4000"}]`, "tcp", "127.0.0.1:4000", ""},
			{`[{"id":"a:xy","listen":"127.0.0.1:4000"}]`, "", "", "a:x does not run"},
			{`[]`, "", "", "a:x does not run"},
			{`nonsense`, "", "", "invalid character"},
		} {
			f.say = c.say
			network, address, err := d.endpoint("a:x")
			if network != c.network || address != c.address || (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %q %q %v", c.say, network, address, err)
			}
		}
	})
}

// stub is a daemon that is a script.
func stub(t *testing.T, script string) *daemon {
	t.Helper()
	b := &bench{work: t.TempDir(), tmpfs: t.TempDir(), ten: t.TempDir() + "/ten"}
	if err := os.WriteFile(b.ten, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDaemon_SaysWhyItDidNotStart(t *testing.T) {
	t.Parallel()
	d := stub(t, "echo the port is in use >&2; exit 1")
	if _, err := d.start(); err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "the port is in use") {
		t.Errorf("%v", err)
	}
	if err := d.stop(); err != nil {
		t.Errorf("what does not run is stopped: %v", err)
	}
	if err := d.verb("register", "a:b"); err == nil || !strings.Contains(err.Error(), "cannot ten register: exit status 1: the port is in use") {
		t.Errorf("%v", err)
	}
	d.ten = "/no/such/ten"
	if _, err := d.start(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := d.sleep("a:b"); err == nil || !strings.Contains(err.Error(), "ctl.sock") {
		t.Errorf("without a control socket: %v", err)
	}
	if _, _, err := d.endpoint("a:b"); err == nil || !strings.Contains(err.Error(), "ctl.sock") {
		t.Errorf("without a control socket: %v", err)
	}
	if n := d.started("a"); n != -1 {
		t.Errorf("who does not say has counted %v wakes", n)
	}
}

func TestRegister_NamesTenantsInBoundedCommandLines(t *testing.T) {
	t.Parallel()
	d := stub(t, `echo "$# $2 $(eval echo \${$#})" >>calls`)
	if err := d.register("app", 4001); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(d.dir + "/calls")
	if want := "2001 app:t00000 app:t01999\n2001 app:t02000 app:t03999\n2 app:t04000 app:t04000\n"; err != nil || string(calls) != want {
		t.Errorf("%q, want %q: %v", calls, want, err)
	}
	d = stub(t, "echo full >&2; exit 1")
	if err := d.register("app", 1); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v", err)
	}
}
