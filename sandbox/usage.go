package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Usage is what a process and all that it started have used of the host.
type Usage struct {
	CPU    time.Duration // user and system time, since its start
	Memory int64         // bytes now; 0 when nothing of it is left
}

// account is the memory of what a process has used: what ended takes its CPU
// time with it where no cgroup keeps the sum.
type account struct {
	mu     sync.Mutex
	usage  Usage
	closed bool
}

// Usage looks at what the process has used by now; after Release it is the sum
// of its life. Where no cgroup counts, what short-lived children used between
// two looks is missing.
func (p *Process) Usage() Usage {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	if !p.account.closed {
		members := p.mainAndOthers()
		p.account.usage.CPU = max(p.account.usage.CPU, p.cpuTime(members)) // never backwards
		p.account.usage.Memory = p.memory(members)
	}
	return p.account.usage
}

// closeAccount takes the last look, before what counts is removed.
func (p *Process) closeAccount() {
	p.Usage()
	p.account.mu.Lock()
	p.account.usage.Memory, p.account.closed = 0, true
	p.account.mu.Unlock()
}

// mainAndOthers are the pids of the tree, only where no cgroup counts for us: to
// find them is dearer than to read a counter.
func (p *Process) mainAndOthers() func() []int {
	return sync.OnceValue(func() []int {
		var pids []int
		select {
		case <-p.done: // its pid may be somebody else's by now
		default:
			pids = append(pids, p.pid)
		}
		if p.tree == nil {
			return pids
		}
		members, _ := p.tree.members() // none: the main process alone
		for _, m := range members {
			if m.pid != p.pid {
				pids = append(pids, m.pid)
			}
		}
		return pids
	})
}

// cpuTime asks the leaf first: version 2 counts CPU time in every cgroup,
// whichever controllers are enabled, and beside version 1 too.
func (p *Process) cpuTime(pids func() []int) time.Duration {
	if l, isLeaf := p.tree.(*leaf); isLeaf {
		if n := count(filepath.Join(l.dir, "cpu.stat"), "usage_usec"); n > 0 {
			return time.Duration(n) * time.Microsecond
		}
	}
	if p.cage != nil && p.cage.legacy[cpuController] != "" {
		if n, ok := number(filepath.Join(p.cage.legacy[cpuController], "cpuacct.usage")); ok {
			return time.Duration(n)
		}
	}
	var sum time.Duration
	for _, pid := range pids() {
		data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat") // gone: nothing of it can be had
		sum += statTime(data)
	}
	return sum
}

// memory is what the memory controller charges the tree with, page cache
// included; where none does, the sum of the processes' proportional shares.
func (p *Process) memory(pids func() []int) int64 {
	if n, ok := number(p.cage.file(memoryController, "memory.usage_in_bytes", "memory.current")); ok {
		return n
	}
	if l, isLeaf := p.tree.(*leaf); isLeaf {
		if n, ok := number(filepath.Join(l.dir, "memory.current")); ok {
			return n
		}
	}
	var sum int64
	for _, pid := range pids() {
		data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup") // gone, or hidden from us
		sum += proportional(data)
	}
	return sum
}

// number reads a file of one number.
func number(path string) (int64, bool) {
	if path == "" {
		return 0, false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
	return n, err == nil
}

// tick is the unit of proc_pid_stat(5): USER_HZ, which is 100 on every machine
// that Go runs Linux on.
const tick = 10 * time.Millisecond

// statTime is the CPU time in a /proc/PID/stat: the process's own and that of
// its children which it waited for. 0 for what is none.
func statTime(data []byte) time.Duration {
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 15 {
		return 0
	}
	var ticks int64
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(field, 10, 64) // none is nothing
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// proportional is the Pss of a /proc/PID/smaps_rollup, in bytes: what is shared
// with others is divided among them.
func proportional(data []byte) int64 {
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
