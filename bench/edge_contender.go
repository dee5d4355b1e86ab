package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tenement/bench/peers"
)

// The names in the results.
const (
	ours       = "tenement"
	nginx      = "nginx"
	nginxTuned = "nginx, large buffers"
	goProxy    = "net/http ReverseProxy"
)

// benchHost is the tenant whom every request names; the peers serve any.
const benchHost = "alice.app.example.test"

// contender is a proxy that is measured, in front of a backend of its own.
type contender struct {
	name    string
	proxy   *peers.Proxy
	backend *exec.Cmd // nil where the backend is a tenant
}

// stop ends the proxy, and its backend.
func (c *contender) stop() error {
	err := c.proxy.Stop()
	if c.backend != nil {
		err = errors.Join(err, c.backend.Process.Kill())
		_ = c.backend.Wait() // killed
	}
	return err
}

// start runs everybody; who is not installed is named and left out.
func (e *edgeBench) start() error {
	e.subjects = nil
	for _, one := range []struct {
		name string
		run  func(dir string) (*contender, error)
	}{
		{ours, e.startTen}, {nginx, e.peer("nginx", false)}, {nginxTuned, e.peer("nginx", true)},
		{"haproxy", e.peer("haproxy", false)}, {"Caddy", e.peer("caddy", false)}, {goProxy, e.startReverse},
	} {
		if e.only != "" && e.only != one.name {
			continue
		}
		dir, err := os.MkdirTemp(e.work, "p")
		if err != nil {
			return err
		}
		c, err := one.run(dir)
		if errors.Is(err, peers.ErrMissing) {
			e.found.skip(err.Error())
			continue
		}
		if err != nil {
			for _, c := range e.subjects {
				_ = c.stop()
			}
			return fmt.Errorf("cannot start %s: %w", one.name, err)
		}
		c.name = one.name
		if c.proxy.Version != "" {
			e.found.version(one.name, c.proxy.Version)
		}
		e.subjects = append(e.subjects, c)
	}
	if len(e.subjects) == 0 {
		return fmt.Errorf("there is no proxy %q here", e.only)
	}
	return nil
}

func pinned(core string) []string { return []string{"taskset", "-c", core} }

// startTen runs ten with the backend as a tenant on the other core.
func (e *edgeBench) startTen(dir string) (*contender, error) {
	settings, port := "", 0
	if e.tls != nil {
		var err error
		if settings, port, err = e.tenTLS(); err != nil {
			return nil, err
		}
	}
	p, err := peers.StartTen(peers.TenOptions{
		Settings: settings, Port: port, Binary: e.ten, Dir: dir, Domain: "example.test", Wrap: pinned(proxyCore), Tenants: []string{"app:alice"},
		Services: fmt.Sprintf("[service.app]\ncommand = %q\nlisten = \"fd\"\nisolation = \"process\"\napex = \"none\"\nidle_timeout = 0\n", "taskset -c "+outerCore+" "+e.backend),
	})
	if err != nil {
		return nil, err
	}
	c := &contender{proxy: p}
	if e.tls == nil {
		var run loaded
		if run, err = c.load(e, 1, 2, 10, 1); err == nil && run.requests == 0 { // awake from here on
			err = errors.New("its tenant does not wake")
		}
	} else {
		_, err = c.h2load(e, protocols[0].flags, 1)
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// withBackend starts a backend, and then the proxy in front of its socket.
func (e *edgeBench) withBackend(dir string, proxy func(socket string) (*peers.Proxy, error)) (*contender, error) {
	socket := filepath.Join(dir, "b")
	args := append(pinned(outerCore), e.backend, socket)
	c := &contender{backend: exec.Command(args[0], args[1:]...)}
	if err := c.backend.Start(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, err := os.Stat(socket); err != nil && time.Now().Before(deadline); _, err = os.Stat(socket) {
		time.Sleep(time.Millisecond)
	}
	p, err := proxy(socket)
	if err != nil {
		_ = c.backend.Process.Kill()
		_ = c.backend.Wait()
		return nil, err
	}
	c.proxy = p
	return c, nil
}

func (e *edgeBench) peer(name string, tuned bool) func(dir string) (*contender, error) {
	return func(dir string) (*contender, error) {
		return e.withBackend(dir, func(socket string) (*peers.Proxy, error) {
			return peers.Start(name, peers.Options{Dir: dir, Backend: socket, Wrap: pinned(proxyCore), Tuned: tuned, TLS: e.tls})
		})
	}
}

func (e *edgeBench) startReverse(dir string) (*contender, error) {
	return e.withBackend(dir, func(socket string) (*peers.Proxy, error) {
		address, err := peers.FreeAddress()
		if err != nil {
			return nil, err
		}
		p := &peers.Proxy{Name: goProxy, Address: address}
		args := append(pinned(proxyCore), e.reverse, address, socket)
		if e.tls != nil {
			args = append(args, e.tls.Certificate, e.tls.Key)
		}
		return p, p.Run(args, os.Environ())
	})
}

// loaded is what one turn showed.
type loaded struct {
	requests, errors int
	quantiles        []float64 // p50, p99, p99.9 in us
	cpu              time.Duration
}

// load has a contender serve for some seconds; rate 0 = as fast as it can.
func (c *contender) load(e *edgeBench, connections int, seconds, rate float64, size int) (loaded, error) {
	before, err := c.cpu()
	if err != nil {
		return loaded{}, err
	}
	host, port, _ := strings.Cut(c.proxy.Address, ":")
	request := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", size, benchHost)
	args := append(pinned(outerCore), e.load, host, port, fmt.Sprint(connections), fmt.Sprint(seconds), fmt.Sprint(rate), request)
	line, err := output("", args[0], args[1:]...)
	if err != nil {
		return loaded{}, err
	}
	after, err := c.cpu()
	if err != nil {
		return loaded{}, err
	}
	run, err := parseLoad(line)
	run.cpu = after - before
	if run.requests == 0 {
		run.errors++ // nothing in all the time is a failure, and no reason to stop
	}
	return run, err
}

// parseLoad reads the line that load.c prints.
func parseLoad(line string) (run loaded, err error) {
	var seconds float64
	run.quantiles = make([]float64, 3)
	if _, err := fmt.Sscan(line, &run.requests, &run.errors, &seconds, &run.quantiles[0], &run.quantiles[1], &run.quantiles[2]); err != nil {
		return run, fmt.Errorf("cannot read %q: %w", line, err)
	}
	return run, nil
}

// cpu is what all processes of the proxy have used.
func (c *contender) cpu() (sum time.Duration, err error) {
	for _, pid := range c.proxy.Pids() {
		one, err := cpuTime(pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}
