package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mustListen(t *testing.T, o listenOptions) *listeners {
	t.Helper()
	l, err := listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func TestListen_EveryFamilyHasAListenerOfItsOwn(t *testing.T) {
	l := mustListen(t, listenOptions{})
	first := l.http[0].Addr().(*net.TCPAddr)
	if first.IP.To4() == nil || len(l.https)+len(l.redirect) > 0 {
		t.Errorf("the first is %s, of %+v", first, l)
	}
	for _, one := range l.http[1:] {
		if a := one.Addr().(*net.TCPAddr); a.Port != first.Port || a.IP.To4() != nil {
			t.Errorf("the other is %s, the first %s", a, first)
		}
	}
}

func TestListen_WithTLSEachAddressHasTwoPortsAndASocketIsPlain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := mustListen(t, listenOptions{bind: []string{"127.0.0.1", "unix:" + path}, tls: true})
	if len(l.https) != 1 || len(l.redirect) != 1 || len(l.http) != 1 || l.http[0].Addr().String() != path {
		t.Errorf("%+v", l)
	}
	if url := serverURL("example.com", l); !strings.HasPrefix(url, "https://example.com:") {
		t.Errorf("the daemon's URL is %s", url)
	}
}

func TestListen_WithoutAPortItIsKnownByItsSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := mustListen(t, listenOptions{bind: []string{"unix:" + path}})
	if url := serverURL("example.com", l); url != "unix:"+path {
		t.Errorf("the daemon's URL is %s", url)
	}
}

func TestListen_OneThatFailsClosesAllAndSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	for says, o := range map[string]listenOptions{
		"choose another with --port":         {bind: []string{"unix:" + path, "127.0.0.1"}, port: port},
		"choose another with tls.https_port": {bind: loopback, port: port, tls: true},
		"choose another with tls.http_port":  {bind: loopback, httpPort: port, tls: true},
		"this machine has no such address":   {bind: []string{"192.0.2.1"}},
		"is not a socket: remove it":         {bind: []string{"unix:" + dir}},
	} {
		if _, err := listen(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: got %v, want %q", o, err, says)
		}
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket before the one that failed is still there")
	}
	if err := listenError(syscall.EACCES, "--port"); !strings.Contains(err.Error(), "ports below 1024 need root") {
		t.Errorf("%v", err)
	}
}

// passedOf makes a passed socket of loopback, or of a Unix path.
func passedOf(t *testing.T, name, network, address string) passed {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return passed{name, l}
}

func TestListen_PassedSocketsAreTakenByTheirNames(t *testing.T) {
	dir := t.TempDir()
	all := func() []passed {
		return []passed{passedOf(t, "http", "tcp", "127.0.0.1:0"), passedOf(t, "https", "tcp", "127.0.0.1:0"), passedOf(t, "http", "unix", filepath.Join(dir, "s"))}
	}
	l := mustListen(t, listenOptions{tls: true, passed: all()})
	if len(l.redirect) != 1 || len(l.https) != 1 || len(l.http) != 1 || l.http[0].Addr().Network() != "unix" {
		t.Errorf("%+v", l)
	}
	l.close()
	l = mustListen(t, listenOptions{passed: []passed{passedOf(t, "http", "tcp", "127.0.0.1:0")}, bind: loopback})
	if len(l.http) != 2 {
		t.Errorf("beside bind: %+v", l)
	}
	one := passedOf(t, "http", "tcp", "127.0.0.1:0")
	l = mustListen(t, listenOptions{passed: []passed{one}, bind: loopback, port: one.listener.Addr().(*net.TCPAddr).Port})
	if len(l.http) != 1 {
		t.Errorf("what bind says and systemd bound already: %+v", l)
	}
	l = mustListen(t, listenOptions{passed: []passed{passedOf(t, "http", "unix", filepath.Join(dir, "u"))}, bind: []string{"unix:" + filepath.Join(dir, "u")}})
	if len(l.http) != 1 {
		t.Errorf("a Unix socket of bind's that systemd bound already: %+v", l)
	}
	given := all()
	if _, err := listen(listenOptions{passed: given}); err == nil || !strings.Contains(err.Error(), "TLS is off: set tls.enabled, or name it http") {
		t.Errorf("https without TLS: %v", err)
	}
	for _, p := range given {
		if c, err := net.Dial(p.listener.Addr().Network(), p.listener.Addr().String()); err == nil {
			c.Close()
			t.Errorf("%s is still open", p.listener.Addr())
		}
	}
}

func TestPassed_WhatIsNoneOfOursIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := func() *os.File {
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for says, c := range map[string]struct {
		files []*os.File
		names []string
	}{
		`named "web" as descriptor 4: set FileDescriptorName=`: {[]*os.File{file(), file()}, []string{"http", "web"}},
		`named "" as descriptor 4`:                             {[]*os.File{file(), file()}, []string{"http"}},
		`descriptor 3, named http, on which nothing can be`:    {[]*os.File{null}, []string{"http"}},
	} {
		if _, err := adoptFiles(c.files, c.names); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
		for _, f := range c.files {
			if f.Close() == nil {
				t.Error("a descriptor was left open")
			}
		}
	}
}

// socketUnit runs the real `ten serve` as systemd would, with a listener as
// descriptor 3.
func (w *world) socketUnit(l *net.TCPListener, count, names string) (cmd *exec.Cmd, stderr *buffer) {
	w.t.Helper()
	f, err := l.File()
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	cmd = exec.CommandContext(w.t.Context(), "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, binary(w.t))
	cmd.Env = []string{"LISTEN_FDS=" + count, "LISTEN_FDNAMES=" + names, "PATH=" + os.Getenv("PATH")}
	for k, v := range w.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	stderr = &buffer{}
	cmd.Stderr, cmd.ExtraFiles = stderr, []*os.File{f}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd, stderr
}

func TestPassed_SystemdsSocketIsServedAndNotHandedOn(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	w.write("tenement.toml", `
[service.notes]
command = "sh -c 'env; ls -l /proc/self/fd; exec sleep 1000'"
isolation = "process"
idle_timeout = 300
pass_env = ["LISTEN_FDS", "LISTEN_FDNAMES"]
[instances]
notes = ["alice"]
`)
	cmd, stderr := w.socketUnit(l, "1", "http")
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM) }()
	until(t, "the daemon serves", func() bool { return strings.Contains(stderr.String(), `"serving"`) })
	r, err := http.Get("http://" + l.Addr().String() + "/health")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); r.StatusCode != 200 || !bytes.Contains(body, []byte("ok")) {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	var logs string
	until(t, "the tenant has told what it got", func() bool {
		_, logs, _ = w.ten("logs", "notes:alice")
		return strings.Contains(logs, " 1 -> ")
	})
	if strings.Contains(logs, "LISTEN_") || strings.Contains(logs, "socket:") {
		t.Errorf("a tenant got systemd's socket or variables:\n%s", logs)
	}
}

func TestPassed_BadNewsFromSystemdStopsTheStart(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	for says, c := range map[string][2]string{
		`LISTEN_FDS="many": a number up to 64`: {"many", "http"},
		`named "web" as descriptor 3`:          {"1", "web"},
		`TLS is off: set tls.enabled`:          {"1", "https"},
	} {
		cmd, stderr := w.socketUnit(l, c[0], c[1])
		if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), says) {
			t.Errorf("%v, want %q:\n%s", err, says, stderr)
		}
	}
}

func TestPassed_AnotherProcesssSocketsAreLeftAlone(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	if all, err := takePassed(); len(all) > 0 || err != nil || os.Getenv("LISTEN_FDS") != "1" {
		t.Errorf("%v, %v", all, err)
	}
}

func TestServe_AnswersOnAUnixSocketBesideTCP(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.dir, "edge.sock")
	ctx, end := context.WithCancel(t.Context())
	_, code := w.serving(ctx, "--bind", "unix:"+path)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	r, err := client.Get("http://localhost/health")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		t.Errorf("status %d", r.StatusCode)
	}
	end()
	if got := <-code; got != 0 {
		t.Errorf("exit %d", got)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there")
	}
}
