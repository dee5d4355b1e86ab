package peers

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// module writes a WSGI module and gives its folder.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := "import os\ndef application(environ, start_response):\n    body = str(os.getpid()).encode()\n    start_response('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n"
	if err := os.WriteFile(filepath.Join(dir, "pid.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// visitSocket gives the body of a page; the visitor waits for up to a minute.
func visitSocket(t *testing.T, socket string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := make([]byte, 100)
	n, _ := resp.Body.Read(body)
	return string(body[:n])
}

// shortDir is a folder whose sockets' names are short enough.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A vassal starts with its first visitor, ends when told, and starts again; the
// Emperor leaves nothing.
func TestEmperor_StartsVassalsOnDemand(t *testing.T) {
	t.Parallel()
	e, err := StartEmperor(shortDir(t), module(t), "pid:application", []string{"one", "two"})
	if errors.Is(err, ErrMissing) {
		t.Skipf("uWSGI: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			e.Stop()
		}
	}()
	if err := e.Sleep("one"); err == nil {
		t.Error("a vassal that nobody woke was put to sleep")
	}
	first := visitSocket(t, e.Socket("one"))
	if err := e.Sleep("one"); err != nil {
		t.Fatal(err)
	}
	second := visitSocket(t, e.Socket("one"))
	if first == "" || first == second {
		t.Errorf("the vassal %q was not started anew: %q", first, second)
	}
	stopped = true
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(e.pidfile("one"))
	if pid := strings.TrimSpace(string(text)); pid != "" {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("the vassal %s is left", pid)
		}
	}
}

func TestActivate_StartsWithTheFirstVisitor(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	cmd, err := Activate(socket, []string{"/bin/sh", "-c", "touch started; exec sleep 600"}, dir)
	if errors.Is(err, ErrMissing) {
		t.Skipf("systemd-socket-activate: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	}()
	if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
		t.Error("it started before anybody came")
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not start when somebody comes")
		}
	}
}

func TestOnDemand_WhoIsNotInstalledIsNamed(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	t.Setenv("HOME", "/nowhere")
	for name, start := range map[string]func() error{
		"uwsgi-core":          func() error { _, err := StartEmperor(t.TempDir(), ".", "m", nil); return err },
		"apt-get install s6":  func() error { _, err := StartSupervisor("s6-svscan", t.TempDir(), 1, "true"); return err },
		"install supervisor":  func() error { _, err := StartSupervisor("supervisord", t.TempDir(), 1, "true"); return err },
		"apt-get install bub": func() error { _, err := Find("bwrap"); return err },
	} {
		if err := start(); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not say %q", err, name)
		}
	}
}
