package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gonum.org/v1/gonum/stat"
)

// The bars of a daemon whose tenants sleep.
const (
	aimAsleepRSS     = 20   // MB with 1000
	aimAsleepPrivate = 10   // MB with 1000, but for the program's own pages
	aimAsleepCPU     = 0.05 // % of a core, which rounds to 0.0
	aimWakeups       = 1    // a second
	aimEach          = 2048 // bytes a tenant beyond the fixed part
	aimTenRSS        = 40   // MB with 10 000
	aimTenStart      = 1000 // ms with 10 000
	aimBinary        = 16   // MB, stripped
)

// density measures what tenants cost who are asleep, and what those cost who are
// awake among them.
func density(b *bench) error {
	if err := binarySize(b); err != nil {
		return err
	}
	all, err := tinyApps(b)
	if err != nil {
		return err
	}
	var counts, anonymous []float64
	for _, n := range pick(b, []int{100, 1000}, []int{1, 100, 1000, 3000, 10000}) {
		mb, err := asleep(b, all[0], n)
		if err != nil {
			return fmt.Errorf("%d asleep: %w", n, err)
		}
		counts, anonymous = append(counts, float64(n)), append(anonymous, mb)
	}
	each := fitted(counts, anonymous)
	b.found.add(result{Name: "memory of a sleeping tenant, fitted", Value: number(each.slope), Unit: "B", Runs: len(counts), Aim: aimEach,
		Note: fmt.Sprintf("fixed part %.1f MB, R² %.3f, over %v tenants", each.fixed/(1<<20), each.r2, counts)})
	if err := zipf(b, all[0]); err != nil {
		return err
	}
	return supervisors(b)
}

// line is a straight line through what was measured.
type line struct{ fixed, slope, r2 float64 }

// fitted gives bytes: the fixed part, and what each more costs, by least squares.
func fitted(counts, mb []float64) line {
	bytes := make([]float64, len(mb))
	for i, v := range mb {
		bytes[i] = v * (1 << 20)
	}
	fixed, slope := stat.LinearRegression(counts, bytes, nil, false)
	return line{fixed, slope, stat.RSquared(counts, bytes, nil, fixed, slope)}
}

// binarySize is that of the binary which is measured: a release's.
func binarySize(b *bench) error {
	info, err := os.Stat(b.ten)
	if err != nil {
		return err
	}
	b.found.add(result{Name: "binary, stripped", Value: number(float64(info.Size()) / 1e6), Unit: "MB", Runs: 1, Aim: aimBinary})
	return nil
}

// asleep measures a daemon with n registered tenants of which none runs, and
// gives its anonymous memory in MB.
func asleep(b *bench, p program, n int) (anonymous float64, err error) {
	d, err := newDaemon(b, p.service(b, "app", p.best(), "process", "idle_timeout = 300"))
	if err != nil {
		return 0, err
	}
	if _, err := d.start(); err != nil {
		return 0, err
	}
	defer d.stop()
	if err := d.register("app", n); err != nil {
		return 0, err
	}
	starts, failed := []float64{}, 0
	for range pick(b, 5, 30) {
		if err := d.stop(); err != nil {
			failed++
		}
		took, err := d.start()
		if err != nil {
			return 0, err
		}
		starts = append(starts, milliseconds(took))
	}
	time.Sleep(settled) // what a start leaves to be collected is not what is asked
	if b.quick {
		time.Sleep(settled)
	}
	u, err := watchProcess(d.cmd.Process.Pid, pick(b, 5*time.Second, 60*time.Second))
	if err != nil {
		return 0, err
	}
	b.found.addAsleep(n, starts, failed, u, diskMB(d.dir))
	return u.anonymous, nil
}

// barsAsleep are those of a daemon with so many who sleep, by what is measured.
var barsAsleep = map[int]map[string]float64{
	1000:  {"RSS": aimAsleepRSS, "anonymous memory": aimAsleepPrivate, "CPU": aimAsleepCPU, "wakeups of threads a second": aimWakeups},
	10000: {"RSS": aimTenRSS, "start to /health": aimTenStart},
}

// addAsleep reports a daemon with n who sleep.
func (r *report) addAsleep(n int, starts []float64, failed int, u usage, disk float64) {
	bars := barsAsleep[n]
	name := func(what string) string { return fmt.Sprintf("%s, %d asleep", what, n) }
	start := distribution(name("start to /health"), "", "ms", starts)
	start.Failures, start.Aim = failed, bars["start to /health"]
	r.add(start)
	for _, one := range []struct {
		what, unit string
		value      float64
	}{
		{"RSS", "MB", u.rss}, {"PSS", "MB", u.pss}, {"private memory", "MB", u.private}, {"anonymous memory", "MB", u.anonymous}, {"descriptors", "", u.descriptors}, {"threads", "", u.threads},
		{"CPU", "%", u.cpu}, {"wakeups of threads a second", "1/s", u.wakeups}, {"disk", "MB", disk},
	} {
		r.add(result{Name: name(one.what), Value: number(one.value), Unit: one.unit, Runs: 1, Aim: bars[one.what], Note: map[string]string{"CPU": "of one core, over " + u.window.String()}[one.what]})
	}
}

// register makes n tenants of a service known: t00000, t00001 and so on.
func (d *daemon) register(service string, n int) error {
	const most = 2000 // names in one command line
	for from := 0; from < n; from += most {
		args := []string{"register"}
		for i := from; i < min(n, from+most); i++ {
			args = append(args, fmt.Sprintf("%s:t%05d", service, i))
		}
		if err := d.verb(args...); err != nil {
			return err
		}
	}
	return nil
}

// hosts are those of the first n tenants that register made.
func hosts(service string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("t%05d.%s.localhost", i, service)
	}
	return all
}

// diskMB is what lies in a folder.
func diskMB(dir string) (mb float64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			mb += float64(info.Size()) / (1 << 20)
		}
		return nil
	})
	return mb
}
