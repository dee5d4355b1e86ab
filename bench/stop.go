package main

import (
	"fmt"
	"os"
	"time"
)

// aimStop is the bar for ending a thousand that are awake, in ms.
const aimStop = 3000

// stopSuite ends a daemon that has many tenants awake, and looks whether any
// process of theirs is left.
func stopSuite(b *bench) error {
	all, err := tinyApps(b)
	if err != nil {
		return err
	}
	for _, level := range withoutSandbox(b.available()) {
		for _, n := range pick(b, []int{50}, []int{50, 1000}) {
			if b.brief && level != "process" {
				continue
			}
			if err := stopAll(b, all[0], level, n); err != nil {
				return fmt.Errorf("%d at %s: %w", n, level, err)
			}
		}
	}
	return nil
}

func stopAll(b *bench, p program, level string, n int) error {
	d, err := stormDaemon(b, p, level, n)
	if err != nil {
		return err
	}
	defer d.stop()
	_, failed, _ := atOnce(d, hosts("app", n))
	before := descendants(d.cmd.Process.Pid)
	began := time.Now()
	if err := d.stop(); err != nil {
		failed++
		fmt.Fprintln(os.Stderr, "bench: the daemon did not end well:", err)
	}
	took := time.Since(began)
	left := 0
	for _, pid := range before {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			left++
		}
	}
	what := fmt.Sprintf("stop, %d awake", n)
	one := result{Name: what, Subject: level, Value: number(milliseconds(took)), Unit: "ms", Runs: 1, Failures: failed, Note: fmt.Sprintf("%d processes before", len(before))}
	if n == 1000 {
		one.Aim = aimStop
	}
	b.found.add(one)
	b.found.add(result{Name: "processes left after " + what, Subject: level, Value: number(left), Runs: 1, Failures: left})
	return nil
}
