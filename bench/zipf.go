package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	zipfTenants   = 1000
	zipfAwake     = 20  // max_awake: who comes when so many are awake, puts one to sleep
	aimAwakeExtra = 300 // KB of ours for each awake tenant
)

// zipf has 20 awake among 1000 under such traffic. Only the 503s that max_awake
// brings are no failures; they are counted by themselves.
func zipf(b *bench, p program) error {
	level := "process"
	if cannot("namespace") == "" {
		level = "namespace"
	}
	d, err := newDaemon(b, fmt.Sprintf("max_awake = %d\n", zipfAwake)+p.service(b, "app", p.best(), level, "idle_timeout = 10"))
	if err != nil {
		return err
	}
	if _, err := d.start(); err != nil {
		return err
	}
	defer d.stop()
	if err := d.register("app", zipfTenants); err != nil {
		return err
	}
	time.Sleep(settled)
	before, err := memory(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	ctx, over := context.WithTimeout(context.Background(), pick(b, 8*time.Second, 3*time.Minute))
	defer over()
	t := traffic(ctx, d.dial, hosts("app", zipfTenants))
	awake := d.tenantPids(p)
	what := fmt.Sprintf("%d awake among %d", zipfAwake, zipfTenants)
	visits := distribution("a visit, "+what, level, "ms", t.Times)
	visits.Failures, visits.Note = t.Failed, fmt.Sprintf("%d more were refused, 503, as max_awake says", t.Refused)
	b.found.add(visits)
	b.found.add(result{Name: "awake at the end, " + what, Subject: level, Value: number(len(awake)), Runs: 1, Note: "processes"})
	return awakeCost(b, d, p, what, level, before, awake)
}

// awakeCost compares a tenant's memory with its app's own, and the daemon's with
// what it was before anybody woke.
func awakeCost(b *bench, d *daemon, p program, what, level string, before footprint, awake []int) error {
	now, err := memory(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	own, err := b.newBare(p, p.best())
	if err != nil {
		return err
	}
	_, end, err := own.start()
	if end != nil {
		defer end()
	}
	if err != nil {
		return err
	}
	b.found.add(result{Name: "RSS of the daemon, " + what, Subject: level, Value: number(now.rss), Unit: "MB", Runs: 1, Note: fmt.Sprintf("%.1f MB before", before.rss)})
	n := float64(max(len(awake), 1))
	b.found.add(result{Name: "the daemon's memory for each awake tenant", Subject: level, Value: number(1024 * (now.anonymous - before.anonymous) / n), Unit: "KB", Runs: len(awake), Aim: aimAwakeExtra,
		Note: "all that the traffic left, shared out; what the kernel keeps for a network namespace is not in it"})
	var tenants []float64
	for _, pid := range awake {
		if m, err := memory(pid); err == nil {
			tenants = append(tenants, 1024*m.private)
		}
	}
	b.found.add(distribution("an awake tenant's own private memory", level, "KB", tenants))
	return nil
}

// tenantPids are the processes below the daemon that run the program, whatever
// else there is around them.
func (d *daemon) tenantPids(p program) (all []int) {
	program := filepath.Base(strings.Fields(p.commands[p.best()])[0])
	for _, pid := range descendants(d.cmd.Process.Pid) {
		if argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
			if first, _, _ := strings.Cut(string(argv), "\x00"); filepath.Base(first) == program {
				all = append(all, pid)
			}
		}
	}
	return all
}
