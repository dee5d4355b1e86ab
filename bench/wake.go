package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// warmBatch requests make one sample of a warm request: their median.
const warmBatch = 100

// wake measures, in turns and in ms, an app started bare (A) and woken by the
// daemon (B), from the start or the request to the first byte of the answer.
func wake(b *bench, d *daemon, a app) (p pairs, failures int) {
	for range b.runs {
		own, err := bareStart(b, a)
		if err != nil {
			failures++
			continue
		}
		woken, err := coldWake(d)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			failures++
			continue
		}
		p.A, p.B = append(p.A, milliseconds(own)), append(p.B, milliseconds(woken))
	}
	return p, failures
}

// bareStart is what the app takes by itself: the visitor is already connected
// and waits in the backlog.
func bareStart(b *bench, a app) (took time.Duration, err error) {
	path := filepath.Join(b.work, "bare.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	cmd := exec.Command(a.path)
	cmd.ExtraFiles = []*os.File{file}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	first, err := get(c, "localhost", "/")
	cmd.Process.Kill()
	cmd.Wait()
	return first.Sub(began), err
}

// coldWake is what a visitor waits who finds the tenant asleep.
func coldWake(d *daemon) (time.Duration, error) {
	if err := d.sleep("tiny:one"); err != nil {
		if err := d.verb("register", "tiny:one"); err != nil {
			return 0, err
		}
	}
	c, err := d.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := get(c, "localhost", "/health"); err != nil { // connected and known
		return 0, err
	}
	began := time.Now()
	first, err := get(c, "one.tiny.localhost", "/")
	return first.Sub(began), err
}

// warm measures, in turns and in µs, a request over a kept connection straight
// to the tenant (A) and by way of the daemon (B).
func warm(b *bench, d *daemon) (p pairs, failures int, err error) {
	through, err := d.dial()
	if err != nil {
		return p, 0, err
	}
	defer through.Close()
	for range b.runs {
		byDaemon, failed := batch(through)
		failures += failed
		direct, err := directBatch(d)
		if err != nil {
			failures++
			continue
		}
		p.A, p.B = append(p.A, direct), append(p.B, byDaemon)
	}
	if len(p.A) == 0 {
		return p, failures, errors.New("no warm request was answered")
	}
	return p, failures, nil
}

// directBatch measures the tenant, which is awake, without the daemon.
func directBatch(d *daemon) (float64, error) {
	network, address, err := d.endpoint("tiny:one")
	if err != nil {
		return 0, err
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	took, failed := batch(c)
	if failed > 0 {
		return 0, errors.New("a direct request failed")
	}
	return took, nil
}

// batch is the median of some requests over one connection, in µs.
func batch(c net.Conn) (took float64, failures int) {
	var samples []float64
	for range warmBatch {
		began := time.Now()
		first, err := get(c, "one.tiny.localhost", "/")
		if err != nil {
			failures++
			break
		}
		samples = append(samples, float64(first.Sub(began))/float64(time.Microsecond))
	}
	return median(samples), failures
}
