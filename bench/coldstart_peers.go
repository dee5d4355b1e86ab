package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tenement/bench/peers"
)

// spacing is the pause before each start where starts are spaced.
const spacing = time.Second

// wsgi is the callable that uWSGI serves, as a tenant and as a vassal.
const wsgi = "wsgi:application"

// uwsgiTenants is uWSGI as a tenant; none where it is not installed.
func (c *cold) uwsgiTenants() []program {
	if _, err := peers.Find("uwsgi"); err != nil {
		c.found.skip(err.Error())
		return nil
	}
	return []program{{name: "uWSGI", commands: map[string]string{"fd": peers.UWSGI(3, wsgi)}}}
}

// peers compares cold starts with those who start on demand too.
func (c *cold) peers() error {
	if err := c.emperor(); err != nil {
		return err
	}
	return c.activate()
}

// emperor: the same uWSGI with the same callable, as a vassal on demand and as a
// tenant, back to back and spaced.
func (c *cold) emperor() error {
	if len(c.uwsgiTenants()) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp(c.tmpfs, "e")
	if err != nil {
		return err
	}
	e, err := peers.StartEmperor(dir, c.apps(), wsgi, []string{"one"})
	if err != nil {
		return err
	}
	defer func() { _ = e.Stop() }() // measured already
	c.found.version(e.Name, e.Version)
	subjects := []subject{
		{e.Name, func() (float64, error) { return vassal(e, "one") }},
		{ours, func() (float64, error) { return c.wake(key("uWSGI", "fd", "process")) }},
	}
	c.against("cold start, uWSGI, back to back", takeTurns(pick(c.bench, 5, 50), 1, subjects), e.Name)
	for i, one := range subjects {
		subjects[i].sample = func() (float64, error) {
			time.Sleep(spacing)
			return one.sample()
		}
	}
	if !c.brief {
		c.against("cold start, uWSGI, spaced by 1 s", takeTurns(pick(c.bench, 5, 30), 1, subjects), e.Name)
	}
	return nil
}

// against reports a peer and ours, and our share of the peer's time at p50 and p95.
func (c *cold) against(what string, found []series, peer string) {
	c.found.add(found[0].result(what, peer, "ms"))
	c.found.add(found[1].result(what, ours, "ms"))
	for name, q := range map[string]float64{"p50": 0.5, "p95": 0.95} {
		c.found.add(result{Name: what + ", " + name + ": " + ours + " / " + peer, Unit: "x", Aim: 1, Runs: len(found[1].good()), Failures: found[1].failed,
			Value: number(quantile(found[1].good(), q) / quantile(found[0].good(), q))})
	}
}

// vassal is a visitor's wait, in ms; the vassal has ended when it returns.
func vassal(e *peers.Emperor, name string) (float64, error) {
	took, err := vassalAnswer(e, name)
	if err != nil {
		return 0, err
	}
	return milliseconds(took), e.Sleep(name)
}

// vassalAnswer connects, which wakes the vassal, and waits for the first byte.
func vassalAnswer(e *peers.Emperor, name string) (time.Duration, error) {
	began := time.Now()
	c, err := net.Dial("unix", e.Socket(name))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	first, err := get(c, "localhost", "/")
	return first.Sub(began), err
}

// activate: systemd's socket activation of the smallest apps, without a proxy in
// between: the least that a service manager could take.
func (c *cold) activate() error {
	if _, err := peers.Find("systemd-socket-activate"); err != nil {
		c.found.skip(err.Error())
		return nil
	}
	for _, p := range []program{{name: "Go", commands: map[string]string{"fd": "./tiny-go"}}} {
		service := key(p.name, "fd", "process")
		found := takeTurns(pick(c.bench, 10, 50), 2, []subject{
			{"systemd-socket-activate", func() (float64, error) { return c.activated(p.commands["fd"]) }},
			{ours, func() (float64, error) { return c.wake(service) }},
		})
		c.found.add(found[0].result("cold start, "+p.name+", beside systemd-socket-activate", "systemd-socket-activate", "ms"))
		c.found.add(found[1].result("cold start, "+p.name+", beside systemd-socket-activate", ours, "ms"))
	}
	return nil
}

// activated is a visitor's wait, in ms.
func (c *cold) activated(command string) (float64, error) {
	socket := filepath.Join(c.tmpfs, "activated.sock")
	cmd, err := peers.Activate(socket, []string{filepath.Join(c.apps(), command)}, c.apps())
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait() // killed
	}()
	began := time.Now()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	first, err := get(conn, "localhost", "/")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.Join(errors.New("not answered in 30 s"), err)
	}
	return milliseconds(first.Sub(began)), err
}
