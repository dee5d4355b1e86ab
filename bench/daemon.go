package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// daemon is `ten serve` with a directory of its own.
type daemon struct {
	ten, dir string
	run      string // its run directory, on a tmpfs as /run is on a VPS
	port     int
	cmd      *exec.Cmd
	exited   chan error // what it ended with
	log      bytes.Buffer
	dial     func() (net.Conn, error) // a visitor's connection
	control  *http.Client
}

// newDaemon writes a tenement.toml; nothing runs yet.
func newDaemon(b *bench, services string) (*daemon, error) {
	dir, err := os.MkdirTemp(b.work, "d")
	if err != nil {
		return nil, err
	}
	run, err := os.MkdirTemp(b.tmpfs, "ten")
	if err != nil {
		return nil, err
	}
	d := &daemon{ten: b.ten, dir: dir, run: run}
	d.dial = func() (net.Conn, error) { return dialPort(fmt.Sprint(d.port)) }
	d.control = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(run, "ctl.sock"))
	}}}
	toml := fmt.Sprintf("[settings]\nbind = \"127.0.0.1\"\ndata_dir = %q\nrun_dir = %q\n%s", dir+"/data", run, services)
	return d, os.WriteFile(dir+"/tenement.toml", []byte(toml), 0o600)
}

// start runs it and says how long /health took to answer.
func (d *daemon) start() (time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	d.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	d.log.Reset()
	d.cmd = exec.Command(d.ten, "serve", "-p", fmt.Sprint(d.port))
	d.cmd.Dir, d.cmd.Stderr = d.dir, &d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // nothing outlives a bench that is killed
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		return 0, err
	}
	cmd, exited := d.cmd, make(chan error, 1)
	d.exited = exited
	go func() { exited <- cmd.Wait() }() // ends with the process
	for time.Since(began) < 30*time.Second {
		select {
		case err := <-exited:
			d.cmd = nil
			return 0, fmt.Errorf("the daemon ended: %v:\n%s", err, d.log.String())
		default:
		}
		c, err := d.dial()
		if err != nil {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		defer c.Close()
		if _, err := get(c, "localhost", "/health"); err != nil {
			return 0, err
		}
		return time.Since(began), nil
	}
	d.stop()
	return 0, fmt.Errorf("the daemon did not answer in 30 s:\n%s", d.log.String())
}

// stop ends it as a service manager does.
func (d *daemon) stop() error {
	if d.cmd == nil {
		return nil
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(30*time.Second, func() { d.cmd.Process.Kill() })
	defer late.Stop()
	err := <-d.exited
	d.cmd = nil
	d.control.CloseIdleConnections()
	return err
}

func dialPort(port string) (net.Conn, error) {
	return net.DialTimeout("tcp", "127.0.0.1:"+port, 5*time.Second)
}

// verb runs ten against this daemon.
func (d *daemon) verb(args ...string) error {
	cmd := exec.Command(d.ten, args...)
	cmd.Dir = d.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot ten %s: %w: %s", args[0], err, out)
	}
	return nil
}

// sleep stops a tenant; it is asleep when this returns.
func (d *daemon) sleep(name string) error {
	r, err := http.NewRequest(http.MethodDelete, "http://localhost/api/instances/"+name, nil)
	if err != nil {
		return err
	}
	resp, err := d.control.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("cannot stop %s: %s", name, resp.Status)
	}
	return nil
}

// endpoint is where a running tenant was found listening.
func (d *daemon) endpoint(name string) (network, address string, err error) {
	resp, err := d.control.Get("http://localhost/api/instances")
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	var all []struct{ ID, Listen string }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		return "", "", err
	}
	for _, one := range all {
		address = strings.TrimPrefix(one.Listen, "unix:")
		switch {
		case one.ID != name:
		case strings.HasPrefix(address, "/"):
			return "unix", address, nil
		default:
			return "tcp", address, nil
		}
	}
	return "", "", errors.New(name + " does not run")
}

// get asks an open connection for a page, of which it reads all, and says when
// its first byte came.
func get(c net.Conn, host, path string) (first time.Time, err error) {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return first, err
	}
	in := bufio.NewReader(c)
	if _, err := in.Peek(1); err != nil {
		return first, err
	}
	first = time.Now()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return first, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return first, err
	}
	if resp.StatusCode != http.StatusOK {
		return first, &statusError{host + path, resp.StatusCode}
	}
	return first, nil
}

// statusError is an answer that is not what was asked for.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: status %d", e.url, e.code) }

// isRefusal reports a 503, which says that there is no room.
func isRefusal(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusServiceUnavailable
}
