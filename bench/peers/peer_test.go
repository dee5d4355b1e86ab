package peers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// behind starts a backend that says which host it was asked for.
func behind(t *testing.T, dir string) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "b")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host, " ", r.RequestURI) })}
	go s.Serve(l) // ends with Close
	t.Cleanup(func() { s.Close() })
	return socket
}

// Each peer that is installed forwards what it gets and ends when told; of one
// that is not, the error says how to get it.
func TestPeers_ForwardAndEnd(t *testing.T) {
	t.Parallel()
	for _, name := range Known {
		for _, tuned := range []bool{false, true} {
			dir := t.TempDir()
			p, err := Start(name, Options{Dir: dir, Backend: behind(t, dir), Tuned: tuned})
			if errors.Is(err, ErrMissing) && strings.Contains(err.Error(), "install") {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if p.Version == "unknown" {
				t.Errorf("%s: of which version?", name)
			}
			if got := ask(t, p.Address); got != "alice.test /a%2Fb" {
				t.Errorf("%s forwards %q", name, got)
			}
			pids := p.Pids()
			if err := p.Stop(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, p.Log())
			}
			for _, pid := range pids {
				if syscall.Kill(pid, 0) == nil {
					t.Errorf("%s left process %d", name, pid)
				}
			}
		}
	}
}

func ask(t *testing.T, address string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /a%2Fb HTTP/1.1\r\nHost: alice.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func TestPeers_WhatEndsAtOnceSaysWhy(t *testing.T) {
	t.Parallel()
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Name: "broken", Address: address}
	err = p.Run([]string{"sh", "-c", "echo no such key >&2; exit 3"}, os.Environ())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("%v", err)
	}
	if err := (&Proxy{Name: "none", Address: address}).Run([]string{"/no/such/program"}, nil); err == nil {
		t.Error("what is not there has started")
	}
}

func TestPeers_WhoIsNotInstalledIsNamed(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	t.Setenv("HOME", "/nowhere")
	if _, err := Find("caddy"); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "go install") {
		t.Errorf("%v", err)
	}
}
