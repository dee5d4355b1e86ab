package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tenement/conf"
)

// room looks at what runs out: disk, memory, open files, processes. Of a daemon
// that runs it is the daemon's own limits, else those of whoever asks.
func (who patient) room() []finding {
	pid := "self"
	if who.pid != 0 {
		pid = strconv.Itoa(who.pid)
	}
	settings, services := who.place.config.Settings, who.place.config.Services
	most, where := mostProcesses("/proc", "/sys/fs/cgroup", pid)
	return []finding{
		judgeVolume("disk", who.place.dataDir, volumeOf(who.place.dataDir), 64<<20, 1<<30),
		judgeVolume("run_dir", who.place.runDir, volumeOf(who.place.runDir), 1<<20, 16<<20),
		readMemory("/proc/meminfo").judge(settings.MaxAwake, largestLimit(services)),
		judgeFiles(openFiles("/proc/"+pid+"/limits"), settings.MaxAwake),
		judgeProcesses(most, where, settings.MaxAwake),
	}
}

// volume is a file system's room for whoever is not root.
type volume struct {
	free, inodesFree, inodes uint64
	err                      error
}

func volumeOf(dir string) volume {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if errors.Is(err, unix.ENOENT) && dir != "/" { // made when the daemon starts
			dir = filepath.Dir(dir)
			continue
		}
		return volume{st.Bavail * uint64(st.Bsize), st.Ffree, st.Files, err}
	}
}

// judgeVolume says whether a directory has room: least is what a daemon starts
// with, enough what it goes on with.
func judgeVolume(name, dir string, v volume, least, enough uint64) finding {
	const fewest = 1000 // files: a tenant's first start makes some ten
	if v.err != nil {
		return finding{name, doubtful, fmt.Sprintf("cannot look at %s: %v", dir, v.err), "nobody knows how much room is left", "run this as the daemon's user"}
	}
	f := good(name, fmt.Sprintf("%s has %d MB free", dir, v.free>>20))
	few := v.inodes > 0 && v.inodesFree < max(fewest, v.inodes/20) // Btrfs counts none
	if few {
		f.Found += fmt.Sprintf(" and %d inodes", v.inodesFree)
	}
	switch {
	case v.free < least || v.inodes > 0 && v.inodesFree < fewest:
		f.State, f.Means = wrong, "tenants cannot be registered, and logs and their data are lost"
	case v.free < enough || few:
		f.State, f.Means = doubtful, "logs, tenants' data and the registry share what is left"
	default:
		return f
	}
	f.Remedy = fmt.Sprintf("`du -xh --max-depth=2 %s | sort -h | tail` shows what takes it; log_max_mb and storage_quota_mb bound it", dir)
	return f
}

// memory is the machine's, in bytes.
type memory struct {
	total, available, swap uint64
	err                    error
}

func readMemory(file string) (m memory) {
	text, err := os.ReadFile(file)
	m.err = err
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // other lines
		switch name {
		case "MemTotal":
			m.total = kb << 10
		case "MemAvailable":
			m.available = kb << 10
		case "SwapTotal":
			m.swap = kb << 10
		}
	}
	return m
}

// judge holds what there is against what was promised: so many tenants awake at
// once, each with so much.
func (m memory) judge(maxAwake, limitMB int) finding {
	const name = "memory"
	if m.err != nil || m.total == 0 {
		return finding{name, doubtful, "/proc/meminfo does not say how much there is", "max_awake cannot be held against it", "run this where /proc is mounted"}
	}
	f := good(name, fmt.Sprintf("%d of %d MB available, %d MB swap", m.available>>20, m.total>>20, m.swap>>20))
	promised := uint64(maxAwake) * uint64(limitMB) << 20
	switch {
	case m.available < m.total/10:
		f.State, f.Means = doubtful, "the kernel may end tenants to get memory back"
		f.Remedy = "lower max_awake or idle_timeout, add memory or swap; `ten top` shows who takes it"
	case promised > m.total+m.swap:
		f.State, f.Means = doubtful, fmt.Sprintf("max_awake × the largest memory_limit_mb is %d MB: more than there is, should all use theirs", promised>>20)
		f.Remedy = "lower max_awake or memory_limit_mb, or add swap; it is right where tenants stay below their limits"
	}
	return f
}

func largestLimit(services map[string]*conf.Service) (mb int) {
	for _, s := range services {
		mb = max(mb, s.MemoryLimitMB)
	}
	return mb
}

// openFiles gives the hard limit, to which the daemon raises its own; 0 = unknown.
func openFiles(file string) uint64 {
	text, _ := os.ReadFile(file) // of another user: unknown
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if columns := strings.Fields(rest); len(columns) > 1 {
				n, _ := strconv.ParseUint(columns[1], 10, 64) // never unlimited
				return n
			}
		}
	}
	return 0
}

// What a daemon has open: some for itself, some for each tenant that is awake.
const (
	filesOfDaemon = 256
	filesOfTenant = 16
)

func judgeFiles(limit uint64, maxAwake int) finding {
	const name = "open files"
	need := uint64(filesOfDaemon + filesOfTenant*maxAwake)
	switch {
	case limit == 0:
		return finding{name, doubtful, "the daemon's limit cannot be read", "max_awake cannot be held against it", "run this as root"}
	case limit < need:
		return finding{name, wrong, fmt.Sprintf("at most %d", limit), fmt.Sprintf("max_awake = %d takes %d, and visitors' connections besides", maxAwake, need),
			"in the daemon's unit write LimitNOFILE=1048576, or lower max_awake"}
	}
	return good(name, fmt.Sprintf("at most %d", limit))
}

// mostProcesses is the lowest of the limits on how many processes and threads
// there can be, with the file that says so.
func mostProcesses(proc, cgroups, pid string) (most uint64, where string) {
	files := []string{proc + "/sys/kernel/pid_max", proc + "/sys/kernel/threads-max"}
	own, _ := os.ReadFile(filepath.Join(proc, pid, "cgroup")) // unreadable: no limit of a cgroup's is known
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 || parts[1] != "" && parts[1] != "pids" {
			continue
		}
		for dir := filepath.Clean("/" + parts[2]); dir != "/"; dir = filepath.Dir(dir) {
			files = append(files, filepath.Join(cgroups, parts[1], dir, "pids.max"))
		}
	}
	for _, file := range files {
		text, _ := os.ReadFile(file)
		n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64) // "max" is no limit
		if err == nil && (where == "" || n < most) {
			most, where = n, file
		}
	}
	return most, where
}

// threadsOfTenant is what Node, Go and Java keep below, and the rest far below.
const threadsOfTenant = 16

func judgeProcesses(most uint64, where string, maxAwake int) finding {
	const name, least = "processes", 4096
	need := uint64(max(least, threadsOfTenant*maxAwake))
	switch {
	case where == "":
		return finding{name, doubtful, "nothing says how many there can be", "starts may fail in a crowd", "run this where /proc is mounted"}
	case most < need:
		return finding{name, doubtful, fmt.Sprintf("at most %d threads, says %s", most, where), fmt.Sprintf("%d are what a crowd takes; without, starts fail", need),
			"sysctl kernel.pid_max=4194304, and TasksMax=infinity in the daemon's unit"}
	}
	return good(name, fmt.Sprintf("at most %d threads", most))
}
