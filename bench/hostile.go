package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The aims of the third issue: a neighbour beside a hostile tenant, at level
// namespace, and how soon that tenant is gone.
const (
	aimNeighbour = 50   // ms, the 99th percentile
	aimGone      = 1000 // ms beyond the grace
	stopGrace    = 5 * time.Second
	visitEvery   = 20 * time.Millisecond
)

// hostile is a tenant that does its worst while somebody else is visited.
type hostile struct {
	name string
	play string // argument of the character
	cue  string // path that makes it begin; "" = it has begun when it serves
	more string // lines of TOML
	late bool   // a request of its own is waited for, or it ends only when the grace is over
	slow bool   // takes long to begin
}

var hostiles = []hostile{
	{name: "nobody", play: "serves"},
	{name: "fork bomb", play: "serves", cue: "/bomb", more: "pids_limit = 256"},
	{name: "memory hog", play: "serves", cue: "/eat", more: "memory_limit_mb = 128"},
	{name: "descriptor hog", play: "serves", cue: "/open", more: "open_files = 256"},
	{name: "CPU burner", play: "serves", cue: "/burn?for=120s", late: true},
	{name: "CPU burner, cpu_limit = 0.5", play: "serves", cue: "/burn?for=120s", more: "cpu_limit = 0.5", late: true},
	{name: "disk filler", play: "serves", cue: "/fill?mb=1024", late: true},
	{name: "log flooder", play: "floods 2000"},
	{name: "log chatterer", play: "chatters 3000000"},
	{name: "10 000 zombies", play: "zombies 10000", more: "pids_limit = 12000\nstartup_timeout = 120\nrequest_timeout = 120", slow: true},
	{name: "forked away", play: "forks-away ignores", late: true},
	{name: "ignores SIGTERM", play: "ignores-term", late: true},
}

// hostileSuite measures what a neighbour at 50 requests a second sees beside
// each of them, and how long `ten stop` takes.
func hostileSuite(b *bench) error {
	if why := cannot("namespace"); why != "" {
		b.found.skip(why)
		return nil
	}
	apps := filepath.Join(b.work, "apps")
	for program, source := range map[string]string{"character": "cmd/e2e/testdata/apps/character", "notes": "examples/go"} {
		if err := build(b.repo, filepath.Join(apps, program), "./"+source); err != nil {
			return err
		}
	}
	for _, h := range hostiles {
		if b.brief && (h.late || h.slow) {
			continue
		}
		if err := beside(b, apps, h); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return nil
}

func beside(b *bench, apps string, h hostile) error {
	// No way out: it would change the machine's firewall while this runs.
	service := func(name, command, more string) string {
		return fmt.Sprintf("[service.%s]\ncommand = %q\nworkdir = %q\nisolation = \"namespace\"\nnetwork = \"none\"\napex = \"none\"\n%s\n", name, command, apps, more)
	}
	d, err := newDaemon(b, service("control", apps+"/notes", "listen = \"tcp\"")+service("web", apps+"/character "+h.play, "listen = \"unix\"\n"+h.more))
	if err != nil {
		return err
	}
	if _, err := d.start(); err != nil {
		return err
	}
	defer d.stop()
	n := newNeighbour(fmt.Sprint("127.0.0.1:", d.port), "one.control.localhost")
	defer n.client.CloseIdleConnections()
	if _, err := n.visit(); err != nil {
		return err
	}
	window := pick(b, 5*time.Second, 20*time.Second)
	if b.brief {
		window = time.Second
	}
	ctx, over := context.WithTimeout(context.Background(), window)
	defer over()
	var worst sync.WaitGroup
	worst.Go(func() { misbehave(d, h) }) // ends with the tenant, below
	times, failures := n.live(ctx)
	b.found.add(result{Name: "beside " + h.name + ": a visit, p99", Value: number(quantile(times, 0.99)), Unit: "ms", Runs: len(times), Failures: failures, Aim: aimNeighbour,
		Note: fmt.Sprintf("median %.2f ms; 50 visits a second for %v", median(times), window)})
	began := time.Now()
	if err := d.sleep("web:one"); err != nil {
		return err
	}
	took := time.Since(began)
	worst.Wait()
	aim := float64(aimGone)
	if h.late {
		aim += milliseconds(stopGrace)
	}
	b.found.add(result{Name: h.name + ": stopped", Value: number(milliseconds(took)), Unit: "ms", Runs: 1, Aim: aim})
	return nil
}

// misbehave wakes the hostile tenant and gives it its cue, for as long as it lives.
func misbehave(d *daemon, h hostile) {
	n := newNeighbour(fmt.Sprint("127.0.0.1:", d.port), "one.web.localhost")
	defer n.client.CloseIdleConnections()
	for _, path := range []string{"/", h.cue} {
		if path != "" {
			n.get(path) // whether it answers is its own trouble
		}
	}
}

// neighbour visits one host over kept connections.
type neighbour struct {
	address, host string
	client        *http.Client
}

func newNeighbour(address, host string) *neighbour {
	return &neighbour{address: address, host: host, client: &http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
	}}}
}

func (n *neighbour) visit() (time.Duration, error) { return n.get("/") }

// get reads a page to its end.
func (n *neighbour) get(path string) (time.Duration, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+n.address+path, nil)
	if err != nil {
		return 0, err
	}
	r.Host = n.host
	began := time.Now()
	resp, err := n.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, errors.New(resp.Status)
	}
	return time.Since(began), nil
}

// live visits 50 times a second until ctx ends, whether the last visit has been
// answered or not, and gives what the answers took in ms.
func (n *neighbour) live(ctx context.Context) (times []float64, failures int) {
	var mu sync.Mutex
	var visits sync.WaitGroup
	tick := time.NewTicker(visitEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			visits.Go(func() {
				took, err := n.visit()
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failures++
					fmt.Fprintln(os.Stderr, "bench: a visit failed:", err)
					return
				}
				times = append(times, milliseconds(took))
			})
		}
	}
	visits.Wait()
	return times, failures
}
