package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// The bars of many wakes at once.
const (
	aimStormNeighbour = 50 // ms, p99, while 1000 wake
	stormOne          = 500
	stormUnknown      = 10000
)

// storm wakes many at once: different ones, one by many, and names that nobody has.
func storm(b *bench) error {
	all, err := tinyApps(b)
	if err != nil {
		return err
	}
	app := all[len(all)-1] // Go's, whose start is a usual one
	for _, level := range withoutSandbox(b.available()) {
		if b.brief && level != "process" {
			continue
		}
		for _, n := range pick(b, []int{1, 10, 50}, []int{1, 10, 50, 200, 1000}) {
			if err := stormOf(b, app, level, n); err != nil {
				return fmt.Errorf("%d at once: %w", n, err)
			}
		}
	}
	if err := oneByMany(b, app); err != nil {
		return err
	}
	if err := unknown(b, app); err != nil {
		return err
	}
	return emperorStorm(b)
}

// stormDaemon has tenants t00000…, a neighbour that is awake, and time to queue.
func stormDaemon(b *bench, p program, level string, n int) (*daemon, error) {
	d, err := newDaemon(b, "queue_timeout = 300\n"+p.service(b, "app", p.best(), level, "")+p.service(b, "near", p.best(), "process", ""))
	if err != nil {
		return nil, err
	}
	if _, err := d.start(); err != nil {
		return nil, err
	}
	if err = d.register("app", n); err == nil {
		err = d.verb("register", "near:one")
	}
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// stormOf wakes n tenants at once beside a neighbour who is visited.
func stormOf(b *bench, p program, level string, n int) error {
	d, err := stormDaemon(b, p, level, n)
	if err != nil {
		return err
	}
	defer d.stop()
	near := newNeighbour(fmt.Sprint("127.0.0.1:", d.port), "one.near.localhost")
	defer near.client.CloseIdleConnections()
	if _, err := near.visit(); err != nil {
		return err
	}
	ctx, over := context.WithCancel(context.Background())
	defer over()
	var beside []float64
	var besideFailed int
	var watching sync.WaitGroup
	watching.Go(func() { beside, besideFailed = near.live(ctx) })
	times, failed, last := atOnce(d, hosts("app", n))
	time.Sleep(5 * visitEvery) // a storm of one is over before a visit
	over()
	watching.Wait()
	what := fmt.Sprintf("%d at once", n)
	ready := distribution("woken, "+what, level, "ms", times)
	ready.Failures = failed
	b.found.add(ready)
	b.found.add(result{Name: "last one ready, " + what, Subject: level, Value: number(milliseconds(last)), Unit: "ms", Runs: 1, Failures: failed})
	b.found.add(result{Name: "processes started, " + what, Subject: level, Value: number(d.started("app")), Runs: 1, Floor: float64(n), Aim: float64(n), Note: "none twice"})
	visit := distribution("a neighbour's visit, "+what, level, "ms", beside)
	visit.Failures = besideFailed
	b.found.add(visit)
	late := result{Name: "a neighbour's visit p99, " + what, Subject: level, Value: visit.P99, Unit: "ms", Runs: visit.Runs, Failures: besideFailed}
	if n == 1000 {
		late.Aim = aimStormNeighbour
	}
	b.found.add(late)
	return nil
}

// atOnce asks all hosts at the same moment, over connections that are open, and
// gives what each answer took in ms, how many failed, and when the last one came.
func atOnce(d *daemon, hosts []string) (times []float64, failed int, last time.Duration) {
	var visits []func() error
	for _, host := range hosts {
		c, err := d.dial()
		if err != nil {
			failed++
			fmt.Fprintln(os.Stderr, "bench: cannot connect:", err)
			continue
		}
		defer c.Close()
		visits = append(visits, func() error { _, err := get(c, host, "/"); return err })
	}
	times, more, last := together(visits)
	return times, failed + more, last
}

// together has all visitors go at the same moment.
func together(visits []func() error) (times []float64, failed int, last time.Duration) {
	var mu sync.Mutex
	var going sync.WaitGroup
	var began time.Time
	start := make(chan struct{})
	for _, visit := range visits {
		going.Go(func() { // ends with its visit
			<-start
			err := visit()
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if failed++; failed <= enough {
					fmt.Fprintln(os.Stderr, "bench: a visit failed:", err)
				}
				return
			}
			times, last = append(times, milliseconds(took)), max(last, took)
		})
	}
	began = time.Now()
	close(start)
	going.Wait()
	return times, failed, last
}

// started is how many wakes of a service the daemon has counted; -1 when it does
// not say.
func (d *daemon) started(service string) float64 {
	p, err := d.phases()
	if err != nil {
		return -1
	}
	return p[[2]string{service, "spawn"}].count
}

// oneByMany has many visitors ask for the same sleeping tenant.
func oneByMany(b *bench, p program) error {
	d, err := stormDaemon(b, p, "process", 1)
	if err != nil {
		return err
	}
	defer d.stop()
	n := pick(b, 100, stormOne)
	times, failed, last := atOnce(d, slices.Repeat(hosts("app", 1), n))
	what := fmt.Sprintf("%d first requests to one tenant", n)
	r := distribution(what, "process", "ms", times)
	r.Failures = failed
	b.found.add(r)
	b.found.add(result{Name: "last one answered, " + what, Subject: "process", Value: number(milliseconds(last)), Unit: "ms", Runs: 1, Failures: failed})
	b.found.add(result{Name: "processes started, " + what, Subject: "process", Value: number(d.started("app")), Runs: 1, Floor: 1, Aim: 1})
	return nil
}

// unknown asks for names that nobody has: each is a 404, and leaves nothing.
func unknown(b *bench, p program) error {
	d, err := newDaemon(b, p.service(b, "app", p.best(), "process", "create_on_request = false"))
	if err != nil {
		return err
	}
	if _, err := d.start(); err != nil {
		return err
	}
	defer d.stop()
	before, err := memory(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	c, err := d.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	var times []float64
	failed := 0
	n := pick(b, 1000, stormUnknown)
	for i := range n {
		began := time.Now()
		_, err := get(c, fmt.Sprintf("nobody%d.app.localhost", i), "/")
		var status *statusError
		if !errors.As(err, &status) || status.code != http.StatusNotFound {
			if failed++; failed == enough {
				return fmt.Errorf("a name that nobody has: %v", err)
			}
			continue
		}
		times = append(times, float64(time.Since(began))/float64(time.Microsecond))
	}
	r := distribution(fmt.Sprintf("%d unknown names: a 404", n), "process", "us", times)
	r.Failures, r.Samples = failed, nil
	b.found.add(r)
	after, err := memory(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.found.add(result{Name: fmt.Sprintf("%d unknown names: growth of the daemon", n), Subject: "process", Value: number(after.anonymous - before.anonymous), Unit: "MB", Runs: 1})
	return nil
}
