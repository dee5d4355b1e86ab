package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"tenement/bench/peers"
)

// The bar of the edge's issue: against the better of nginx's two settings, and
// in absolute figures.
const (
	floorSmall   = 0.95 // requests per CPU-second at 128 B and 10 KB
	floorLarge   = 1.05 // at 1 MB
	aimLate      = 1.3  // p99.9
	aimIdle      = 15   // KB RSS a client
	aimTransfer  = 32   // MB RSS for 300 MB each way
	steadyRate   = 8000
	connections  = 64
	descriptors  = 20000
	proxyCore    = "0" // the proxy has it for itself
	outerCore    = "1" // client and backend share this one
	transferSize = 300 << 20
)

var sizes = []struct {
	name  string
	bytes int
	floor float64
}{{"128 B", 128, floorSmall}, {"10 KB", 10 << 10, floorSmall}, {"1 MB", 1 << 20, floorLarge}}

// edge is the suite of the edge's issue. Proxies are measured in turns, so that
// a load which comes and goes hits all of them.
func edge(b *bench) error {
	e, err := prepareEdge(b)
	if err != nil {
		return err
	}
	parts := []func(*edgeBench) error{idleClients, transfers, throughput, steady}
	if b.brief {
		parts = parts[2:3]
	}
	for _, part := range parts {
		if err := e.with(part); err != nil {
			return err
		}
	}
	if b.brief {
		return nil
	}
	return slowly(e)
}

// edgeBench is what the parts of the suite share.
type edgeBench struct {
	*bench
	backend, load, reverse string // programs
	rounds                 int
	seconds                float64 // a turn
	subjects               []*contender
	tls                    *peers.Pair // nil = plain HTTP
}

func prepareEdge(b *bench) (*edgeBench, error) {
	if runtime.NumCPU() < 2 {
		return nil, fmt.Errorf("two cores are needed: one for the proxy, one for client and backend")
	}
	for _, tool := range []string{"gcc", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is needed: apt-get install gcc libc6-dev util-linux", tool)
		}
	}
	e := &edgeBench{bench: b, rounds: 9, seconds: 2}
	if b.quick {
		e.rounds, e.seconds = 3, 0.5
	}
	if b.brief {
		e.seconds = 0.25
	}
	for name, path := range map[string]*string{"backend": &e.backend, "load": &e.load} {
		*path = filepath.Join(b.work, name)
		if _, err := output("", "gcc", "-O2", "-o", *path, filepath.Join(b.repo, "bench/testdata", name+".c")); err != nil {
			return nil, err
		}
	}
	e.reverse = filepath.Join(b.work, "reverseproxy")
	if err := build(b.repo, e.reverse, filepath.Join(b.repo, "bench/testdata/reverseproxy.go")); err != nil {
		return nil, err
	}
	return e, enoughDescriptors()
}

// raiseDescriptors gives this process, and what it starts, all that it may have.
func raiseDescriptors() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // what is too few shows where it is needed
	}
}

// enoughDescriptors makes room for 10 000 clients, here and in what is started.
func enoughDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot read the limit of descriptors: %w", err)
	}
	if limit.Max < descriptors {
		limit.Max = descriptors
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("10 000 clients need %d descriptors (ulimit -n): %w", descriptors, err)
	}
	return nil
}

// with starts the contenders afresh for one part and ends them.
func (e *edgeBench) with(part func(*edgeBench) error) (err error) {
	if err := e.start(); err != nil {
		return err
	}
	defer func() {
		for _, c := range e.subjects {
			if stopped := c.stop(); err == nil {
				err = stopped
			}
		}
	}()
	return part(e)
}

// turns calls measure for each contender in each round; who begins changes.
func (e *edgeBench) turns(measure func(c *contender) error) error {
	for _, i := range inTurn(e.rounds, len(e.subjects)) {
		if err := measure(e.subjects[i]); err != nil {
			return err
		}
	}
	return nil
}

// throughput is requests per CPU-second of the proxy, which serves as fast as
// it can.
func throughput(e *edgeBench) error {
	for _, size := range sizes {
		found, failed := map[string][]float64{}, map[string]int{}
		err := e.turns(func(c *contender) error {
			run, err := c.load(e, connections, e.seconds, 0, size.bytes)
			if err != nil {
				return err
			}
			found[c.name] = append(found[c.name], float64(run.requests)/run.cpu.Seconds())
			failed[c.name] += run.errors
			return nil
		})
		if err != nil {
			return err
		}
		metric := "requests per CPU-second, " + size.name
		e.addAll(metric, "1/s", found, failed)
		e.found.add(against(metric, found, true, size.floor))
	}
	return nil
}

// steady is how long requests take at a rate that everybody can keep.
func steady(e *edgeBench) error {
	quantiles := []string{"p50", "p99", "p99.9"}
	found, failed, cost := make([]map[string][]float64, len(quantiles)), map[string]int{}, map[string][]float64{}
	for i := range found {
		found[i] = map[string][]float64{}
	}
	err := e.turns(func(c *contender) error {
		run, err := c.load(e, connections, 2*e.seconds, steadyRate, sizes[0].bytes)
		if err != nil {
			return err
		}
		for i, q := range run.quantiles {
			found[i][c.name] = append(found[i][c.name], q)
		}
		failed[c.name] += run.errors
		cost[c.name] = append(cost[c.name], float64(run.cpu)/float64(time.Microsecond)/float64(max(run.requests, 1)))
		return nil
	})
	if err != nil {
		return err
	}
	for i, q := range quantiles {
		e.addAll(fmt.Sprintf("%s at %d/s", q, steadyRate), "us", found[i], failed)
	}
	e.addAll(fmt.Sprintf("CPU of a request at %d/s", steadyRate), "us", cost, failed)
	e.found.add(against(fmt.Sprintf("p99.9 at %d/s", steadyRate), found[2], false, aimLate))
	return nil
}

// addAll adds one line for each contender, in the order in which they stand.
func (e *edgeBench) addAll(metric, unit string, found map[string][]float64, failed map[string]int) {
	for _, c := range e.subjects {
		samples := found[c.name]
		e.found.add(result{Name: metric, Subject: c.name, Value: number(median(samples)), Low: number(quantile(samples, 0.25)), High: number(quantile(samples, 0.75)), Unit: unit, Runs: len(samples), Failures: failed[c.name]})
	}
}

// against compares tenement with nginx at its better setting, round by round.
func against(metric string, found map[string][]float64, more bool, bar float64) result {
	best := betterNginx(found, more)
	r := ratios(found[ours], found[best])
	one := result{Name: metric + ": " + ours + " / " + best, Value: number(median(r)), Low: number(quantile(r, 0.25)), High: number(quantile(r, 0.75)), Unit: "x", Runs: len(r), Note: "median and quartiles of the rounds' ratios"}
	if len(r) == 0 {
		one.Note = "nginx is not installed"
	} else if more {
		one.Floor = bar
	} else {
		one.Aim = bar
	}
	return one
}

// betterNginx is the setting whose median is better; "" without nginx.
func betterNginx(found map[string][]float64, more bool) (best string) {
	for _, name := range []string{nginx, nginxTuned} {
		if len(found[name]) == 0 {
			continue
		}
		if best == "" || (median(found[name]) > median(found[best])) == more {
			best = name
		}
	}
	return best
}

// ratios are a/b of neighbours in time.
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return slices.Clip(r)
}
