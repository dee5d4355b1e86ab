package edge

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestListenUnix_ReplacesWhatADeadDaemonLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != unixMode {
		t.Errorf("%v, %v: not everybody may connect", info.Mode(), err)
	}
	if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), "another daemon answers on "+path) {
		t.Errorf("a second daemon: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false) // as one that was killed
	first.Close()
	second, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the file is still there")
	}
}

func TestListenUnix_WhatIsInTheWayIsNamed(t *testing.T) {
	dir := t.TempDir()
	for path, says := range map[string]string{
		dir:                           "is not a socket: remove it",
		filepath.Join(dir, "no", "s"): "no such file or directory",
	} {
		if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), "cannot listen on unix:"+path) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// overUnix asks alice's backend by a Unix socket and gives the X-Forwarded
// headers it saw.
func overUnix(t *testing.T, trusted bool) http.Header {
	w := newWorld(t, func(o *ServerOptions) { o.TrustUnix = trusted })
	seen := make(chan http.Header, 1)
	w.tenant(answering(t, "unix", func(r *http.Request, _ string) string { seen <- r.Header; return ok("") }))
	path := filepath.Join(t.TempDir(), "s")
	l, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	t.Cleanup(func() { w.end(); <-served })
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	v := &visitorConn{Conn: c, t: t, br: bufio.NewReader(c)}
	v.say("GET / HTTP/1.1\r\nHost: alice.notes.example.test\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n")
	v.hear("GET").wants(t, 200, "")
	return <-seen
}

func TestUnix_AProxyIsBelievedOnlyWhenTrustedProxiesSaysSo(t *testing.T) {
	for trusted, want := range map[bool]string{true: "192.0.2.7 https", false: "unknown http"} {
		h := overUnix(t, trusted)
		if got := h.Get("X-Forwarded-For") + " " + h.Get("X-Forwarded-Proto"); got != want {
			t.Errorf("trusted %v: the tenant saw %q, want %q", trusted, got, want)
		}
	}
}
