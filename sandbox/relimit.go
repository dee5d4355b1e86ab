package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// Limit gives a running process other limits, at once where its cgroups can take
// them. The error says which wait for the next start, and why. A memory limit below
// what the process has now is refused by version 1; in version 2 the kernel ends it
// when nothing can be reclaimed (oom).
func (p *Process) Limit(next Limits) error {
	p.limiting.Lock()
	defer p.limiting.Unlock()
	select {
	case <-p.done:
		return nil // the next start has them
	default:
	}
	var late []error
	if next.OpenFiles != p.limits.OpenFiles {
		late = append(late, errors.New("a limit of open files is given to a process when it starts"))
	}
	for _, c := range allControllers {
		if !next.differ(p.limits, c) {
			continue
		}
		if err := p.relimit(c, next); err != nil && !errors.Is(err, fs.ErrNotExist) { // the cgroup went with its processes
			late = append(late, err)
			continue
		}
		p.limits.take(c, next)
	}
	return errors.Join(late...)
}

// relimit writes what one controller is to hold the process to.
func (p *Process) relimit(c controller, next Limits) error {
	settings, dir := next.renewed(p.limits, c, false), ""
	if p.cage != nil {
		dir = p.cage.legacy[c]
	}
	if dir != "" {
		settings = next.renewed(p.limits, c, true)
	} else if l, isLeaf := p.tree.(*leaf); isLeaf && p.engine.limits.unified[c] {
		dir = l.dir
	}
	if dir == "" {
		return fmt.Errorf("the process was started without a limit of %s, and is in no cgroup that could have one", c)
	}
	return write(settings, func(setting) string { return dir })
}

// differ reports that two differ in what one controller keeps.
func (l Limits) differ(other Limits, c controller) bool {
	mine, others := Limits{}, Limits{}
	mine.take(c, l)
	others.take(c, other)
	return mine != others
}

// take takes over what one controller keeps.
func (l *Limits) take(c controller, from Limits) {
	switch c {
	case memoryController:
		l.MemoryBytes = from.MemoryBytes
	case pidsController:
		l.Pids = from.Pids
	case cpuController:
		l.CPUs, l.CPUWeight = from.CPUs, from.CPUWeight
	case ioController:
		l.IOWeight = from.IOWeight
	}
}

// renewed are one controller's settings for a process that has had others: a limit
// that is there no more is the kernel's default.
func (l Limits) renewed(old Limits, c controller, legacy bool) []setting {
	var next, was Limits
	next.take(c, l)
	was.take(c, old)
	if was.CPUWeight > 0 && next.CPUWeight == 0 {
		next.CPUWeight = 100
	}
	if was.IOWeight > 0 && next.IOWeight == 0 {
		next.IOWeight = 100
	}
	settings := next.unified
	if legacy {
		settings = next.legacy
	}
	return append(next.freed(was, legacy), settings()...)
}

// freed are the settings that come first: what takes a limit away and, in version 1,
// the bound of memory with swap, which is never less than memory alone.
func (l Limits) freed(was Limits, legacy bool) []setting {
	one := func(c controller, file, value string, spare bool) setting {
		return setting{controller: c, file: file, value: value, spare: spare}
	}
	var all []setting
	if legacy && l.MemoryBytes != was.MemoryBytes {
		all = append(all, one(memoryController, "memory.memsw.limit_in_bytes", "-1", true))
	}
	if was.MemoryBytes > 0 && l.MemoryBytes == 0 {
		if legacy {
			all = append(all, one(memoryController, "memory.limit_in_bytes", "-1", false), one(memoryController, "memory.soft_limit_in_bytes", "-1", false))
		} else {
			all = append(all, one(memoryController, "memory.high", "max", false), one(memoryController, "memory.max", "max", false),
				one(memoryController, "memory.swap.max", "max", true))
		}
	}
	if was.Pids > 0 && l.Pids == 0 {
		all = append(all, one(pidsController, "pids.max", "max", false))
	}
	if was.CPUs > 0 && l.CPUs == 0 {
		if legacy {
			all = append(all, one(cpuController, "cpu.cfs_quota_us", "-1", false))
		} else {
			all = append(all, one(cpuController, "cpu.max", "max "+strconv.Itoa(period), false))
		}
	}
	return all
}
