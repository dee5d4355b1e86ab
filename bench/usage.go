package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// idleUsage watches a process: percent of one core over the window, and its
// resident memory in MB, looked at 30 times.
func idleUsage(pid int, window time.Duration) (percent float64, memory []float64, err error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, nil, err
	}
	began := time.Now()
	for range 30 {
		time.Sleep(window / 30)
		mb, err := resident(pid)
		if err != nil {
			return 0, nil, err
		}
		memory = append(memory, mb)
	}
	after, err := cpuTime(pid)
	if err != nil {
		return 0, nil, err
	}
	return 100 * float64(after-before) / float64(time.Since(began)), memory, nil
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
