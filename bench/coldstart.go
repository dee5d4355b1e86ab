package main

import (
	"os"
	"strings"
	"time"
)

// The bars of a wake over the app's own start, in ms.
var aimOverhead = map[string][2]float64{"process": {0.5, 3}, "namespace": {1, 5}} // p50, p99

// The bars of a whole cold wake at process, in ms; Python's is in its overhead.
var aimWake = map[string]float64{tinyC: 1, "Go": 3}

// coldstart measures what a visitor waits who finds a tenant asleep, beside the
// app started bare: every app, level and way to listen, and then with the page
// cache dropped.
func coldstart(b *bench) error {
	all, err := programs(b)
	if err != nil {
		return err
	}
	c := &cold{bench: b, levels: b.available()}
	if b.quick {
		all, c.levels = quickApps(all), withoutSandbox(c.levels)
	}
	if err := c.start(all); err != nil {
		return err
	}
	defer c.daemon.stop()
	if all[0].name == tinyC {
		if err := c.calibrate(); err != nil {
			return err
		}
	}
	for _, p := range all {
		for _, how := range listens {
			if p.commands[how] == "" || b.quick && how != p.best() {
				continue
			}
			if err := c.measure(p, how); err != nil {
				return err
			}
		}
	}
	if err := c.warm(all[0]); err != nil {
		return err
	}
	if err := c.dropped(all); err != nil {
		return err
	}
	return c.peers()
}

// quickApps is one of each kind.
func quickApps(all []program) (some []program) {
	for _, p := range all {
		if p.name == tinyC || p.name == "Go" || p.name == "Python http.server" {
			some = append(some, p)
		}
	}
	return some
}

func withoutSandbox(levels []string) []string {
	return levels[:min(len(levels), 2)]
}

// cold is the suite while it runs: one daemon with a service for each app, level
// and way to listen, each with one tenant.
type cold struct {
	*bench
	levels []string
	daemon *daemon
	unsure map[string]bool // tenants that may be awake, since a sample of theirs failed
}

// known is an app whose own start takes 100 ms, for certain.
var known = program{name: "known", commands: map[string]string{"fd": "./tiny-c 100"}}

func (c *cold) start(all []program) (err error) {
	var services strings.Builder
	tenants := []string{"register"}
	add := func(p program, how, level string) {
		name := key(p.name, how, level)
		services.WriteString(p.service(c.bench, name, how, level, ""))
		tenants = append(tenants, name+":one")
	}
	for _, p := range all {
		for how := range p.commands {
			for _, level := range c.levels {
				if how != "fd" || level != "sandbox" { // gVisor takes no descriptors
					add(p, how, level)
				}
			}
		}
	}
	if all[0].name == tinyC {
		add(known, "fd", "process")
	}
	for _, u := range c.uwsgiTenants() {
		add(u, "fd", "process")
	}
	c.unsure = map[string]bool{}
	if c.daemon, err = newDaemon(c.bench, services.String()); err != nil {
		return err
	}
	if _, err := c.daemon.start(); err != nil {
		return err
	}
	if err := c.daemon.verb(tenants...); err != nil {
		c.daemon.stop()
		return err
	}
	return nil
}

// calibrate holds the harness to what is known: an app that takes 100 ms is
// reported as 100 ms, whatever else is measured.
func (c *cold) calibrate() error {
	own, err := c.newBare(known, "fd")
	if err != nil {
		return err
	}
	found := takeTurns(pick(c.bench, 5, 50), 1, []subject{{"known", own.sample}, {"known, woken", func() (float64, error) { return c.wake("known-fd-process") }}})
	r := found[0].result("an app that takes 100 ms", "bare", "ms")
	r.Floor, r.Aim, r.Note = 99, 101, "whether the harness measures what there is"
	c.found.add(r)
	c.found.add(found[1].result("an app that takes 100 ms", "process", "ms"))
	return nil
}

// wake is what a visitor waits, in ms, whose connection is open; the tenant sleeps
// again when it returns.
func (c *cold) wake(service string) (float64, error) {
	tenant := service + ":one"
	if c.unsure[tenant] { // a warm answer must never pass for a cold one
		if _, _, err := c.daemon.endpoint(tenant); err == nil {
			if err := c.daemon.sleep(tenant); err != nil {
				return 0, err
			}
		}
	}
	c.unsure[tenant] = true
	conn, err := c.daemon.dial()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := get(conn, "localhost", "/health"); err != nil { // connected and known
		return 0, err
	}
	began := time.Now()
	first, err := get(conn, "one."+service+".localhost", "/")
	if err != nil {
		return 0, err
	}
	if err := c.daemon.sleep(tenant); err != nil {
		return 0, err
	}
	c.unsure[tenant] = false
	return milliseconds(first.Sub(began)), nil
}

// measure takes one app, listening one way, bare and at every level, in turns.
func (c *cold) measure(p program, how string) error {
	own, err := c.newBare(p, how)
	if err != nil {
		return err
	}
	subjects, at := []subject{{p.name + ", bare", own.sample}}, []string{}
	for _, level := range c.levels {
		if how == "fd" && level == "sandbox" {
			continue
		}
		service := key(p.name, how, level)
		at = append(at, level)
		subjects = append(subjects, subject{p.name + " at " + level, func() (float64, error) { return c.wake(service) }})
	}
	before, err := c.phases()
	if err != nil {
		return err
	}
	rounds := pick(c.bench, 15, 50)
	found := takeTurns(rounds, 3, subjects)
	after, err := c.phases()
	if err != nil {
		return err
	}
	what := p.name + ", " + how
	c.found.add(found[0].result("cold start, "+what, "bare", "ms"))
	for i, level := range at {
		c.add(p, what, level, found[i+1], found[0])
		mean, n := after.since(before, key(p.name, how, level))
		c.addPhases(what, level, mean, n)
	}
	return nil
}

// add reports one level beside the app's own start.
func (c *cold) add(p program, what, level string, woken, own series) {
	r := woken.result("cold start, "+what, level, "ms")
	if level == "process" {
		r.Aim = aimWake[p.name]
	}
	c.found.add(r)
	extra := distribution("wake overhead, "+what, level, "ms", woken.over(own))
	extra.Failures, extra.Note = woken.failed, "median of neighbours' differences"
	late := result{Name: "wake overhead p99, " + what, Subject: level, Value: extra.P99, Unit: "ms", Runs: extra.Runs, Failures: extra.Failures, Aim: aimOverhead[level][1]}
	extra.Aim = aimOverhead[level][0]
	if p.name == "Python http.server" && level == "process" {
		extra.Aim = 2
	}
	c.found.add(extra)
	c.found.add(late)
}

// dropped measures again with what the kernel has read thrown away before each
// start; what is mapped, such as the daemon itself, stays.
func (c *cold) dropped(all []program) error {
	if c.quick {
		c.found.skip("the page cache dropped: not with --quick, since it slows the whole machine down")
		return nil
	}
	if err := dropCache(); err != nil {
		c.found.skip("the page cache dropped: only root can (" + err.Error() + ")")
		return nil
	}
	for _, p := range all {
		own, err := c.newBare(p, p.best())
		if err != nil {
			return err
		}
		after := func(sample func() (float64, error)) func() (float64, error) {
			return func() (float64, error) {
				if err := dropCache(); err != nil {
					return 0, err
				}
				return sample()
			}
		}
		service := key(p.name, p.best(), "process")
		found := takeTurns(20, 1, []subject{{p.name, after(own.sample)}, {p.name, after(func() (float64, error) { return c.wake(service) })}})
		for i, level := range []string{"bare", "process"} {
			c.found.add(found[i].result("cold start, page cache dropped, "+p.name+", "+p.best(), level, "ms"))
		}
	}
	return nil
}

// dropCache throws away what the kernel has read of files and nobody uses.
func dropCache() error {
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0o200)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
