package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// socketUnit is a daemon behind a socket that outlives it, as ten install has
// systemd make one.
func socketUnit(t *testing.T) (d *daemon, roots *x509.CertPool) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.File()
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	d = prepare(t, setup{
		settings: `tls.enabled = true
tls.certificates = [["DIR/site.pem", "DIR/site.key"]]`,
		services: character("web", "serves", `listen = "fd"`), files: []*os.File{file},
		wrap: []string{"/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=https exec "$0" "$@"`},
	})
	d.port = l.Addr().(*net.TCPAddr).Port
	return d, selfSigned(t, filepath.Join(d.dir, "site.pem"), filepath.Join(d.dir, "site.key"))
}

// serveUnit starts it and waits by the control socket until it answers.
func (d *daemon) serveUnit() {
	d.t.Helper()
	d.spawn()
	eventually(d.t, "the daemon answers", 60*time.Second, func() bool {
		if !d.running() {
			d.t.Fatalf("the daemon has ended:\n%s", d.output)
		}
		r, err := d.api("GET", "/health", "")
		return err == nil && r.status == http.StatusOK
	})
}

// heardOut is how long a daemon that ends still waits for the requests of
// connections that it took.
const heardOut = time.Second

// One new connection after another, while the daemon is restarted five times:
// nobody is refused, and no connection dies that was taken and had not asked yet.
func TestRestart_NewConnectionsAreAllAnswered(t *testing.T) {
	t.Parallel()
	const restarts, each = 5, 33
	d, roots := socketUnit(t)
	d.serveUnit()
	d.must("register", "web:alice")
	client := &http.Client{Timeout: 90 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"},
	}}
	var answered, failed, slow atomic.Int64
	visit := func() {
		began := time.Now()
		status, err := d.visit(client)
		switch {
		case err == nil && status == http.StatusOK:
			answered.Add(1)
		case err != nil && time.Since(began) > heardOut/2: // our own machine stood still: more was not promised
			slow.Add(1)
		default:
			failed.Add(1)
			t.Errorf("visit %d: %d, %v", answered.Load(), status, err)
		}
	}
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	over := make(chan struct{})
	go func() { // ends with ctx
		defer close(over)
		for ctx.Err() == nil {
			visit()
		}
	}()
	answers := func(more int64) { // and so the tenant is awake: who waits for a start is told 503 when the daemon ends
		before := answered.Load()
		eventually(t, fmt.Sprintf("%d more are answered", more), 60*time.Second, func() bool { return answered.Load() >= before+more || t.Failed() })
	}
	for range restarts {
		answers(each)
		d.terminate()
		d.serveUnit()
	}
	answers(each)
	enough()
	<-over
	t.Logf("%d answered over %d restarts, %d failed, %d excused: this machine stood still", answered.Load(), restarts, failed.Load(), slow.Load())
	if slow.Load() > restarts {
		t.Errorf("%d connections died", slow.Load())
	}
}

// visit makes one request of alice on a new connection.
func (d *daemon) visit(client *http.Client) (status int, err error) {
	r, err := http.NewRequest("GET", "https://"+d.address()+"/", nil)
	if err != nil {
		return 0, err
	}
	r.Host = d.host("web", "alice")
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, errors.Join(resp.Body.Close())
}
