package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tenement/bench/peers"
)

// supervised is how many services each of the others keeps running.
const supervised = 20

// supervisors measures what others spend on each service that they keep running:
// the memory of all their processes but the services themselves.
func supervisors(b *bench) error {
	for _, name := range peers.Supervisors {
		empty, err := supervisorMemory(b, name, 0)
		if errors.Is(err, peers.ErrMissing) {
			b.found.skip(err.Error())
			continue
		}
		full := empty
		if err == nil {
			full, err = supervisorMemory(b, name, supervised)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.found.add(result{Name: "a supervisor's private memory for each awake service", Subject: name, Value: number(1024 * (full - empty) / supervised), Unit: "KB", Runs: supervised,
			Note: fmt.Sprintf("%.2f MB with %d, %.2f MB with none", full, supervised, empty)})
	}
	return nil
}

// supervisorMemory is the private memory, in MB, of a supervisor with n services
// and of its own helpers.
func supervisorMemory(b *bench, name string, n int) (mb float64, err error) {
	dir, err := os.MkdirTemp(b.work, "s")
	if err != nil {
		return 0, err
	}
	s, err := peers.StartSupervisor(name, dir, n, "sleep infinity")
	if err != nil {
		return 0, err
	}
	b.found.version(name, s.Version)
	defer func() { err = errors.Join(err, endSupervisor(s)) }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		own, services := s.Pids()[:1], 0
		for _, pid := range descendants(own[0]) {
			if target, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); filepath.Base(target) == "sleep" {
				services++
			} else {
				own = append(own, pid)
			}
		}
		if services == n {
			return privateOf(own)
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%d of %d services run", services, n)
		}
	}
}

// endSupervisor ends it and what it started, which some leave to themselves.
func endSupervisor(s *peers.Proxy) error {
	below := descendants(s.Pids()[0])
	err := s.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		alive := 0
		for _, pid := range below {
			if syscall.Kill(pid, 0) == nil {
				alive++
				if time.Now().After(deadline) {
					_ = syscall.Kill(pid, syscall.SIGKILL) // ours: it was below what we started
				}
			}
		}
		if alive == 0 || time.Now().After(deadline.Add(time.Second)) {
			return err
		}
	}
}

// privateOf sums processes.
func privateOf(pids []int) (mb float64, err error) {
	for _, pid := range pids {
		one, err := memory(pid)
		if err != nil {
			return 0, err
		}
		mb += one.private
	}
	return mb, nil
}
