package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage of a process; memory in MB, CPU in percent of one core.
type usage struct {
	footprint
	window                        time.Duration
	descriptors, threads, wakeups float64
	cpu                           float64
}

// watchProcess looks for a while at a process, which should be left alone.
func watchProcess(pid int, window time.Duration) (u usage, err error) {
	cpu, err := cpuTime(pid)
	if err != nil {
		return u, err
	}
	switches := voluntary(pid)
	began := time.Now()
	time.Sleep(window)
	after, err := cpuTime(pid)
	if err != nil {
		return u, err
	}
	u.window = time.Since(began).Round(time.Second)
	u.cpu = 100 * float64(after-cpu) / float64(time.Since(began))
	u.wakeups = (voluntary(pid) - switches) / time.Since(began).Seconds()
	u.footprint, err = memory(pid)
	u.descriptors, u.threads = float64(entries(pid, "fd")), float64(entries(pid, "task"))
	return u, err
}

// footprint is memory in MB.
type footprint struct{ rss, pss, private, anonymous float64 }

// memory of a process, from smaps_rollup: PSS shares out what several have in
// common, private is what nobody else maps, anonymous what is in no file: pages of
// the program itself the kernel can drop, and read again.
func memory(pid int) (footprint, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return footprint{}, fmt.Errorf("cannot read the memory of %d: %w", pid, err)
	}
	return parseSmaps(string(text))
}

func parseSmaps(text string) (f footprint, err error) {
	found := 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		kb, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return f, fmt.Errorf("cannot read %q: %w", line, err)
		}
		switch fields[0] {
		case "Rss:":
			f.rss += kb / 1024
		case "Pss:":
			f.pss += kb / 1024
		case "Private_Clean:", "Private_Dirty:":
			f.private += kb / 1024
		case "Anonymous:":
			f.anonymous += kb / 1024
		default:
			continue
		}
		found++
	}
	if found < 5 {
		return f, fmt.Errorf("cannot read memory from %q", text)
	}
	return f, nil
}

// entries is how many a folder of /proc/PID has.
func entries(pid int, of string) int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, of))
	return len(all)
}

// voluntary is how often threads have gone to sleep, and so were woken.
func voluntary(pid int) (sum float64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		var n float64
		if _, err := fmt.Sscan(rest, &n); err == nil {
			sum += n
		}
	}
	return sum
}

// cpuTime sums what the scheduler counted for every thread, in ns: the ticks of
// /proc/PID/stat are too coarse for 0.1 %.
func cpuTime(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("cannot read the CPU time of %d: no /proc/PID/task/*/schedstat", pid)
	}
	var sum time.Duration
	for _, path := range tasks {
		var ns int64
		text, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		if _, err := fmt.Sscan(string(text), &ns); err == nil {
			sum += time.Duration(ns)
		}
	}
	return sum, nil
}

func resident(pid int) (mb float64, err error) { return statusMB(pid, "VmRSS:") }

// statusMB is a line of /proc/PID/status that is given in kB.
func statusMB(pid int, key string) (mb float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), key)
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, fmt.Errorf("cannot read %s of %d: %w", key, pid, err)
	}
	return kb / 1024, nil
}

// descendants are the processes below one, without it.
func descendants(pid int) (all []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(append(all, n), descendants(n)...)
			}
		}
	}
	return all
}
