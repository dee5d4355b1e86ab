package sandbox

import (
	"strconv"
)

// Limits bound what one generation of a tenant may take of the host: all of its
// processes together, but for OpenFiles. 0 is no limit.
type Limits struct {
	MemoryBytes int64
	Pids        int     // processes and threads
	CPUs        float64 // cores, or a part of one
	CPUWeight   int     // 1 to 10000; a tenant without one has 100
	IOWeight    int     // 1 to 10000; a tenant without one has 100
	OpenFiles   int     // of each process
}

// Limit is a limit that a process ran into, as operators see it.
type Limit string

// The limits whose hitting is news: the others only make a process slow.
const (
	LimitMemory Limit = "oom"
	LimitPids   Limit = "pids"
)

// controller is one of the kernel's bookkeepers of cgroups, by its name in
// version 2.
type controller string

const (
	memoryController controller = "memory"
	pidsController   controller = "pids"
	cpuController    controller = "cpu"
	ioController     controller = "io"
)

// allControllers are those that limits need.
var allControllers = []controller{memoryController, pidsController, cpuController, ioController}

// period is the time over which a CPU limit is kept: the kernel's default. A
// longer one lets a burner starve its neighbours for longer.
const period = 100_000 // µs

// setting is one line written into one file of a cgroup.
type setting struct {
	controller controller
	file       string
	value      string
	// either: the kernel has this file or the next setting's, and one is enough.
	// spare: it does without where the kernel has none.
	either, spare bool
}

// needs are the controllers without which these limits mean nothing.
func (l Limits) needs() []controller {
	var all []controller
	for _, need := range []struct {
		c    controller
		some bool
	}{
		{memoryController, l.MemoryBytes > 0},
		{pidsController, l.Pids > 0},
		{cpuController, l.CPUs > 0 || l.CPUWeight > 0},
		{ioController, l.IOWeight > 0},
	} {
		if need.some {
			all = append(all, need.c)
		}
	}
	return all
}

// high is where reclaim begins: a little below the limit, so that a process
// which could do with less is slowed down before it is killed. Very little: with
// a gap of a twentieth a hog that nothing can be reclaimed from was throttled
// for 32 s (6.1, no swap) before it was killed, with a sixty-fourth for 0.6 s.
func (l Limits) high() int64 { return l.MemoryBytes - min(l.MemoryBytes/64, 8<<20) }

// quota is the CPU time of a period; the kernel wants a millisecond at least.
func (l Limits) quota() int { return max(1000, int(l.CPUs*period)) }

// unified are the settings in version 2. Swap is bounded to as much again, as
// Docker does: none at all would forbid paging a sleeper out.
func (l Limits) unified() []setting {
	var all []setting
	if l.MemoryBytes > 0 {
		all = append(all,
			setting{controller: memoryController, file: "memory.high", value: decimal(l.high())},
			setting{controller: memoryController, file: "memory.max", value: decimal(l.MemoryBytes)},
			setting{controller: memoryController, file: "memory.swap.max", value: decimal(l.MemoryBytes), spare: true},
			setting{controller: memoryController, file: "memory.oom.group", value: "1", spare: true}) // 4.19
	}
	if l.Pids > 0 {
		all = append(all, setting{controller: pidsController, file: "pids.max", value: strconv.Itoa(l.Pids)})
	}
	if l.CPUs > 0 {
		all = append(all, setting{controller: cpuController, file: "cpu.max", value: strconv.Itoa(l.quota()) + " " + strconv.Itoa(period)})
	}
	if l.CPUWeight > 0 {
		all = append(all, setting{controller: cpuController, file: "cpu.weight", value: strconv.Itoa(l.CPUWeight)})
	}
	if l.IOWeight > 0 {
		all = append(all,
			setting{controller: ioController, file: "io.weight", value: "default " + strconv.Itoa(l.IOWeight), either: true},
			setting{controller: ioController, file: "io.bfq.weight", value: strconv.Itoa(l.bfqWeight())})
	}
	return all
}

// legacy are the settings in version 1, which has no memory.high (its soft limit
// is the nearest) and no oom.group (see oomGroup).
func (l Limits) legacy() []setting {
	var all []setting
	if l.MemoryBytes > 0 {
		all = append(all,
			setting{controller: memoryController, file: "memory.soft_limit_in_bytes", value: decimal(l.high())},
			setting{controller: memoryController, file: "memory.limit_in_bytes", value: decimal(l.MemoryBytes)},
			setting{controller: memoryController, file: "memory.memsw.limit_in_bytes", value: decimal(2 * l.MemoryBytes), spare: true})
	}
	if l.Pids > 0 {
		all = append(all, setting{controller: pidsController, file: "pids.max", value: strconv.Itoa(l.Pids)})
	}
	if l.CPUs > 0 {
		all = append(all,
			setting{controller: cpuController, file: "cpu.cfs_period_us", value: strconv.Itoa(period)},
			setting{controller: cpuController, file: "cpu.cfs_quota_us", value: strconv.Itoa(l.quota())})
	}
	if l.CPUWeight > 0 {
		shares := max(2, min(l.CPUWeight*1024/100, 262144)) // the kernel's own range
		all = append(all, setting{controller: cpuController, file: "cpu.shares", value: strconv.Itoa(shares)})
	}
	if l.IOWeight > 0 {
		all = append(all,
			setting{controller: ioController, file: "blkio.bfq.weight", value: strconv.Itoa(l.bfqWeight()), either: true},
			setting{controller: ioController, file: "blkio.weight", value: strconv.Itoa(max(10, l.bfqWeight()))})
	}
	return all
}

// bfqWeight fits the weight into what the BFQ scheduler knows.
func (l Limits) bfqWeight() int { return min(l.IOWeight, 1000) }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
