package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// What a server of many small customers looks like: sessions of some requests
// with pauses in between, at random times, the n-th tenant once for n visits of
// the first; hours of it in minutes.
const (
	zipfTenants   = 1000
	zipfAwake     = 20  // max_awake: who comes when so many are awake, puts one to sleep
	zipfVisitors  = 8   // at a time
	zipfSession   = 10  // requests, at most
	aimAwakeExtra = 300 // KB of ours for each awake tenant
)

// pause is between two requests of a session, at most.
const pause = 100 * time.Millisecond

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
	t := traffic(ctx, d, level)
	awake := d.tenantPids(p)
	what := fmt.Sprintf("%d awake among %d", zipfAwake, zipfTenants)
	visits := distribution("a visit, "+what, level, "ms", t.times)
	visits.Failures, visits.Note = t.failed, fmt.Sprintf("%d more were refused, 503, as max_awake says", t.refused)
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
	b.found.add(result{Name: "the daemon's private memory for each awake tenant", Subject: level, Value: number(1024 * (now.private - before.private) / n), Unit: "KB", Runs: len(awake), Aim: aimAwakeExtra,
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

// visits is what traffic came to.
type visits struct {
	times           []float64
	failed, refused int
}

// traffic visits tenants until ctx ends. The draws are the same in every run.
func traffic(ctx context.Context, d *daemon, level string) (all visits) {
	var mu sync.Mutex
	var visitors sync.WaitGroup
	for i := range zipfVisitors {
		visitors.Go(func() {
			draws := rand.New(rand.NewPCG(1, uint64(i)))
			popular := rand.NewZipf(draws, 1.1, 1, zipfTenants-1)
			for ctx.Err() == nil {
				one := session(ctx, d, fmt.Sprintf("t%05d.app.localhost", popular.Uint64()), draws)
				mu.Lock()
				all.times, all.failed, all.refused = append(all.times, one.times...), all.failed+one.failed, all.refused+one.refused
				mu.Unlock()
			}
		})
	}
	visitors.Wait()
	return all
}

// session is some requests of one visitor over one connection.
func session(ctx context.Context, d *daemon, host string, draws *rand.Rand) (one visits) {
	c, err := d.dial()
	if err != nil {
		return visits{failed: 1}
	}
	defer c.Close()
	for range 1 + draws.IntN(zipfSession) {
		began := time.Now()
		_, err := get(c, host, "/")
		switch {
		case err == nil:
			one.times = append(one.times, milliseconds(time.Since(began)))
		case isRefusal(err):
			one.refused++
		default:
			fmt.Fprintln(os.Stderr, "bench: a visit failed:", err)
			one.failed++
			return one
		}
		select {
		case <-ctx.Done():
			return one
		case <-time.After(time.Duration(draws.Int64N(int64(pause)))):
		}
	}
	return one
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
