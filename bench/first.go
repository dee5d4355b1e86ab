package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The aims of the first issue.
const (
	aimWake  = 0.5 // ms over the app's own start
	aimRSS   = 25  // MB with 1000 asleep
	aimCPU   = 0.1 // percent of a core with 1000 asleep
	aimStart = 100 // ms to /health with 1000 registered
	fleet    = 1000
)

// first is the suite of the first issue: wake, warm, a thousand asleep, and the
// newcomer's first command.
func first(b *bench) error {
	apps, err := tinyApps(b)
	if err != nil {
		return err
	}
	for _, app := range apps {
		if err := wakeAndWarm(b, app); err != nil {
			return err
		}
	}
	if err := asleep(b); err != nil {
		return err
	}
	if b.quick {
		return nil
	}
	return newcomer(b)
}

// app is a program that serves descriptor 3.
type app struct{ name, path string }

// tinyApps builds them; the C one only where there is a compiler.
func tinyApps(b *bench) ([]app, error) {
	source := filepath.Join(b.repo, "bench/testdata")
	apps := []app{{"Go", filepath.Join(b.work, "tiny-go")}}
	if err := build(b.repo, apps[0].path, filepath.Join(source, "tiny.go")); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		fmt.Fprintln(os.Stderr, "no gcc: the C app is left out")
		return apps, nil
	}
	c := app{"static C", filepath.Join(b.work, "tiny-c")}
	if _, err := output("", "gcc", "-O2", "-static", "-o", c.path, filepath.Join(source, "tiny.c")); err != nil {
		return nil, err
	}
	return append(apps, c), nil
}

// wakeAndWarm compares an app by itself with the same app behind the daemon.
func wakeAndWarm(b *bench, a app) error {
	d, err := newDaemon(b, fmt.Sprintf("[service.tiny]\ncommand = %q\nlisten = \"fd\"\nisolation = \"process\"\napex = \"none\"\n", a.path))
	if err != nil {
		return err
	}
	if _, err := d.start(); err != nil {
		return err
	}
	defer d.stop()
	wakes, failures := wake(b, d, a)
	b.found.add(result{Name: a.name + ": own start to the first byte", Value: number(median(wakes.A)), P90: number(quantile(wakes.A, 0.9)), Unit: "ms", Runs: len(wakes.A), Note: "spawned bare with a listening socket"})
	b.found.add(result{Name: a.name + ": cold wake to the first byte", Value: number(median(wakes.B)), P90: number(quantile(wakes.B, 0.9)), Unit: "ms", Runs: len(wakes.B), Failures: failures})
	b.found.add(result{Name: a.name + ": wake overhead", Value: number(wakes.difference()), Unit: "ms", Runs: len(wakes.B), Failures: failures, Aim: aimWake, Note: "median of neighbours' differences"})
	warms, failures, err := warm(b, d)
	if err != nil {
		return err
	}
	b.found.add(result{Name: a.name + ": warm, direct", Value: number(median(warms.A)), P90: number(quantile(warms.A, 0.9)), Unit: "us", Runs: len(warms.A), Note: "kept connection to the tenant's socket"})
	b.found.add(result{Name: a.name + ": warm, by the daemon", Value: number(median(warms.B)), P90: number(quantile(warms.B, 0.9)), Unit: "us", Runs: len(warms.B), Failures: failures, Note: "kept TCP connection"})
	b.found.add(result{Name: a.name + ": warm overhead", Value: number(warms.difference()), Unit: "us", Runs: len(warms.B), Failures: failures})
	return nil
}

// asleep measures a daemon with a thousand tenants of which none runs.
func asleep(b *bench) error {
	d, err := newDaemon(b, "[service.tiny]\ncommand = \"true\"\nisolation = \"process\"\napex = \"none\"\n")
	if err != nil {
		return err
	}
	if _, err := d.start(); err != nil {
		return err
	}
	defer d.stop()
	names := []string{"register"}
	for i := range fleet {
		names = append(names, fmt.Sprintf("tiny:t%04d", i))
	}
	if err := d.verb(names...); err != nil {
		return err
	}
	starts, failures := []float64{}, 0
	for range min(b.runs, 50) {
		if err := d.stop(); err != nil {
			failures++
		}
		took, err := d.start()
		if err != nil {
			return err
		}
		starts = append(starts, milliseconds(took))
	}
	b.found.add(result{Name: fmt.Sprintf("start to /health, %d registered", fleet), Value: number(median(starts)), P90: number(quantile(starts, 0.9)), Unit: "ms", Runs: len(starts), Failures: failures, Aim: aimStart})
	time.Sleep(2 * time.Second) // what a start leaves to be collected is not what is asked
	window := 30 * time.Second
	if b.quick {
		window = 10 * time.Second
	}
	usage, memory, err := idleUsage(d.cmd.Process.Pid, window)
	if err != nil {
		return err
	}
	b.found.add(result{Name: fmt.Sprintf("RSS, %d asleep", fleet), Value: number(median(memory)), Unit: "MB", Runs: len(memory), Aim: aimRSS})
	b.found.add(result{Name: fmt.Sprintf("CPU, %d asleep", fleet), Value: number(usage), Unit: "%", Runs: 1, Aim: aimCPU, Note: "of one core, mean of " + window.String()})
	return nil
}

// newcomer runs the README's first command with empty caches until the first page.
func newcomer(b *bench) error {
	took, err := coldDemo(b)
	failures := 0
	if err != nil {
		failures = 1
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	b.found.add(result{Name: "go run ./cmd/ten demo, cold, to the first page", Value: number(took.Seconds()), Unit: "s", Runs: 1, Failures: failures,
		Note: "one run of a fresh clone; GOCACHE and GOMODCACHE empty; modules through the module proxy"})
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
