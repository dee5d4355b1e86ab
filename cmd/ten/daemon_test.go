package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"tenement/actors"
)

func TestDaemon_TheFirstStartWritesAnAdminTokenAndSaysWhere(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	token := strings.TrimSpace(w.read("data/api_token"))
	if w.host.options.AdminToken != token || len(token) < 32 {
		t.Errorf("the tree got %q, the file holds %q", w.host.options.AdminToken, token)
	}
	var log buffer
	dir := t.TempDir()
	got, err := adminToken(dir, zerolog.New(&log))
	if err != nil || !strings.Contains(log.String(), dir+"/api_token") || strings.Contains(log.String(), got) {
		t.Errorf("%v, logged %s", err, log.String())
	}
	if again, err := adminToken(dir, zerolog.Nop()); again != got || err != nil {
		t.Errorf("the second start has another: %v", err)
	}
}

func TestDaemon_ATokenThatWasTakenAwayStaysAway(t *testing.T) {
	w := newWorld(t)
	w.write("data/"+registryName, "")
	var log buffer
	token, err := adminToken(filepath.Join(w.dir, "data"), zerolog.New(&log))
	if token != "" || err != nil || !strings.Contains(log.String(), "token-gen") {
		t.Errorf("%q, %v, logged %s", token, err, log.String())
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data", tokenName)); err == nil {
		t.Error("a new one was written")
	}
}

// start tries to start a daemon in a world and gives its error.
func (w *world) start(o daemonOptions) error {
	a, _, _ := w.app()
	place, err := a.place()
	if err != nil {
		return err
	}
	o.place, o.domain = place, "localhost"
	d, err := a.startDaemon(o)
	if err == nil {
		_ = d.stop(context.Background())
	}
	return err
}

func TestDaemon_WhatKeepsItFromStartingIsSaidAndLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		about string
		spoil func(w *world)
		o     daemonOptions
		says  string
	}{
		{"port in use", func(*world) {}, daemonOptions{listen: listenOptions{bind: loopback, port: port}}, "choose another with --port"},
		{"port in use, any address", func(*world) {}, daemonOptions{listen: listenOptions{port: port}}, "choose another with --port"},
		{"no such address", func(*world) {}, daemonOptions{listen: listenOptions{bind: []string{"192.0.2.1"}}}, "cannot listen"},
		{"data directory a file", func(w *world) { w.write("data", "") }, daemonOptions{}, "cannot make the data directory"},
		{"run directory a file", func(w *world) { w.write("run", "") }, daemonOptions{}, "cannot use the run directory"},
		{"control socket a file", func(w *world) { w.write("run/"+controlName, "") }, daemonOptions{listen: onLoopback}, "is not a socket"},
		{"token unreadable", func(w *world) { w.write("data/api_token/x", "") }, daemonOptions{listen: onLoopback}, "cannot read the token"},
	} {
		t.Run(c.about, func(t *testing.T) {
			w := newWorld(t)
			c.spoil(w)
			if err := w.start(c.o); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q", err, c.says)
			}
			if w.host.options.Config != nil {
				t.Error("a tree was made all the same")
			}
			lock, err := lockData(filepath.Join(w.dir, "data"))
			if err == nil {
				lock.Close()
			} else if strings.Contains(err.Error(), "in use") {
				t.Error("the lock is still held")
			}
		})
	}
}

func TestDaemon_ATreeThatCannotBeMadeGivesEverythingBack(t *testing.T) {
	w := newWorld(t)
	a, _, _ := w.app()
	a.host = func(actors.Options) (host, error) { return nil, errors.New("the registry is damaged") }
	place, err := a.place()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.startDaemon(daemonOptions{place: place, listen: onLoopback}); err == nil || err.Error() != "the registry is damaged" {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Lstat(filepath.Join(w.dir, "run", controlName)); err == nil {
		t.Error("the control socket is still there")
	}
	w.daemon()
}

func TestDaemon_ASecondOneIsToldThePidOfTheFirst(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	if err := w.start(daemonOptions{listen: onLoopback}); err == nil || !strings.Contains(err.Error(), "in use by pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	w.wants(0, "notes:alice: healthy\n", "", "health", "notes:alice") // and the first answers still
}

// serving runs `ten serve` over the fake tree. The channel gives its exit code.
func (w *world) serving(ctx context.Context, args ...string) (stderr *buffer, code <-chan int) {
	w.t.Helper()
	a, _, errs := w.app()
	end := make(chan int, 1)
	go func() { end <- a.runContext(ctx, append([]string{"serve", "-p", "0", "--bind", "127.0.0.1"}, args...)) }()
	until(w.t, "the daemon serves", func() bool {
		if len(end) > 0 {
			w.t.Fatalf("serve ended: %s", errs)
		}
		return strings.Contains(errs.String(), `"serving"`)
	})
	w.url = lockedURL(filepath.Join(w.dir, "data"))
	return errs, end
}

func TestServe_ListensStartsAndStops(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	stderr, code := w.serving(ctx, "-d", "example.localhost")
	if !strings.HasPrefix(w.url, "http://example.localhost:") || w.host.options.Domain != "example.localhost" {
		t.Errorf("serves %s as %q", w.url, w.host.options.Domain)
	}
	if o := w.host.options; o.Conns == nil || o.Probe == nil || o.DataDir != w.dir+"/data" || o.RunDir != w.dir+"/run" || o.Config == nil {
		t.Errorf("the tree was given %+v", o)
	}
	if !strings.Contains(stderr.String(), "idle_timeout") {
		t.Errorf("the file's remarks are not in the log: %s", stderr)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(w.url, "http://"), ":")
	resp, err := http.Get("http://127.0.0.1:" + port + "/health")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("/health: %v, %v", resp, err)
	}
	resp.Body.Close()
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit %d: %s", got, stderr)
	}
	if got := w.host.all(); got != "start listed, shutdown" {
		t.Errorf("the tree was asked to %q", got)
	}
	if _, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		t.Error("the port is still open")
	}
	if _, err := os.Lstat(filepath.Join(w.dir, "run", controlName)); err == nil {
		t.Error("the control socket is still there")
	}
}

func TestServe_TenantsThatCannotStartKeepNobodyDown(t *testing.T) {
	w := newWorld(t)
	w.host.fail = errors.New("cannot start notes:x: disk full")
	ctx, stop := context.WithCancel(t.Context())
	stderr, code := w.serving(ctx)
	if !strings.Contains(stderr.String(), "disk full") {
		t.Errorf("logged %s", stderr)
	}
	w.host.mu.Lock()
	w.host.fail = nil
	w.host.mu.Unlock()
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit %d: %s", got, stderr)
	}
}

func TestServe_ATreeThatEndsByItselfEndsTheDaemonWithAnError(t *testing.T) {
	w := newWorld(t)
	stderr, code := w.serving(t.Context())
	close(w.host.done)
	if got := <-code; got != 1 || !strings.Contains(stderr.String(), "Error: the supervision tree ended by itself") {
		t.Errorf("exit %d: %s", got, stderr)
	}
}

func TestServe_SignalsStopItAndASecondOneDoesNotWait(t *testing.T) {
	w := newWorld(t)
	d := w.daemon()
	sigs := make(chan os.Signal, 2)
	sigs <- syscall.SIGTERM
	if err := d.wait(t.Context(), sigs); err != nil {
		t.Errorf("one signal: %v", err)
	}
	w = newWorld(t)
	d = w.daemon()
	w.host.hang = true
	sigs <- syscall.SIGINT
	sigs <- syscall.SIGINT
	if err := d.wait(t.Context(), sigs); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "cannot stop all tenants") {
		t.Errorf("two signals: %v", err)
	}
	w.host.mu.Lock()
	w.host.hang = false
	w.host.mu.Unlock()
}

func TestServe_AListenerThatBreaksEndsTheDaemonWithAnError(t *testing.T) {
	w := newWorld(t)
	d := w.daemon()
	d.failed <- errors.New("accept: too bad")
	if err := d.wait(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "a listener ended: accept: too bad") {
		t.Errorf("got %v", err)
	}
}
