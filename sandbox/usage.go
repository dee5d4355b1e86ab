package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process takes of the machine, with all that it has started.
type Usage struct {
	// CPU is its time since it was started; of those of its tree that have ended
	// as well, where cgroups count it.
	CPU time.Duration
	// Memory in bytes: what its cgroup is charged, without file pages that would be
	// given back first; where no cgroup counts, what its processes have of their own.
	Memory int64
}

// userTick is the unit of CPU times in /proc/PID/stat: 100 a second on Linux
// (proc_pid_stat(5)).
const userTick = 10 * time.Millisecond

// Usage reads what the process and its tree take now. Zero: nothing is left of it.
func (p *Process) Usage() Usage {
	var u Usage
	l, caged := p.tree.(*leaf)
	counted := false
	if caged {
		u.CPU, counted = cgroupCPU(l.dir)
	}
	memory, charged := p.cage.memory(l)
	u.Memory = memory
	if counted && charged {
		return u
	}
	members, _ := p.tree.members() // none: it is gone
	for _, m := range members {
		dir := filepath.Join("/proc", strconv.Itoa(m.pid))
		if !counted {
			u.CPU += processCPU(readText(filepath.Join(dir, "stat")))
		}
		if !charged {
			u.Memory += processMemory(readText(filepath.Join(dir, "status")))
		}
	}
	return u
}

// Usage is the CPU time of everybody that the engine has started since it made
// its cgroup, those that ended too; false where no cgroup counts it.
func (e *Engine) Usage() (time.Duration, bool) {
	if e.root == nil {
		return 0, false
	}
	return cgroupCPU(e.root.dir)
}

// cgroupCPU reads cpu.stat, which every version 2 cgroup has, with its controller
// or without (cgroup-v2.rst, "cpu.stat").
func cgroupCPU(dir string) (time.Duration, bool) {
	for name, value := range pairs(readText(filepath.Join(dir, "cpu.stat"))) {
		if name == "usage_usec" {
			n, err := strconv.ParseInt(value, 10, 64)
			return time.Duration(n) * time.Microsecond, err == nil
		}
	}
	return 0, false
}

// memory is what the cage's cgroup, or else the leaf, is charged; false when
// neither keeps account.
func (g *cage) memory(l *leaf) (int64, bool) {
	switch {
	case g != nil && g.legacy[memoryController] != "":
		return charge(g.legacy[memoryController], "memory.usage_in_bytes", "total_inactive_file")
	case l != nil:
		return charge(l.dir, "memory.current", "inactive_file")
	}
	return 0, false
}

func charge(dir, file, idle string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(readText(filepath.Join(dir, file))), 10, 64)
	if err != nil {
		return 0, false
	}
	return max(0, n-int64(count(filepath.Join(dir, "memory.stat"), idle))), true
}

// processCPU adds utime, stime and those of children that were waited for. The
// name before them is in parentheses and may hold anything.
func processCPU(stat string) time.Duration {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0
	}
	ticks := int64(0)
	for _, field := range fields[11:15] {
		n, _ := strconv.ParseInt(field, 10, 64) // the kernel writes numbers
		ticks += n
	}
	return time.Duration(ticks) * userTick
}

// processMemory is a process's own: what it wrote to, and what it shares with
// nobody but by shared memory.
func processMemory(status string) int64 {
	total := int64(0)
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		if fields := strings.Fields(value); len(fields) > 0 && (name == "RssAnon" || name == "RssShmem") {
			n, _ := strconv.ParseInt(fields[0], 10, 64)
			total += n << 10
		}
	}
	return total
}

// readText is a file of the kernel's, "" when it cannot be read.
func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}
