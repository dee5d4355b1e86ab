package edge

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ServerJSON is what the machine has and uses, all of it and not tenement alone.
// Fields are 0 where the kernel does not say.
type ServerJSON struct {
	CPUs            int     `json:"cpus"`
	CPUBusySecs     float64 `json:"cpu_busy_secs"` // of all CPUs, since boot
	CPUTotalSecs    float64 `json:"cpu_total_secs"`
	Load1           float64 `json:"load1"`
	MemoryTotal     int64   `json:"memory_total_bytes"`
	MemoryAvailable int64   `json:"memory_available_bytes"`
	DaemonMemory    int64   `json:"daemon_memory_bytes"` // resident, of tenement itself
}

// userHZ is the unit of /proc/stat; Linux has had no other for user space.
const userHZ = 100

// readServer asks /proc.
func readServer() *ServerJSON {
	s := &ServerJSON{CPUs: runtime.NumCPU()}
	s.CPUBusySecs, s.CPUTotalSecs = cpuTimes(procText("stat"))
	s.Load1 = firstNumber(procText("loadavg"))
	meminfo := procText("meminfo")
	s.MemoryTotal, s.MemoryAvailable = kilobytes(meminfo, "MemTotal"), kilobytes(meminfo, "MemAvailable")
	s.DaemonMemory = kilobytes(procText("self/status"), "VmRSS")
	return s
}

// procText is a file of /proc, "" when it cannot be read.
func procText(name string) string {
	text, _ := os.ReadFile("/proc/" + name)
	return string(text)
}

// cpuTimes reads the first line of /proc/stat (proc_stat(5)): user nice system
// idle iowait irq softirq steal. The guests' time is in user's already.
func cpuTimes(stat string) (busy, total float64) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, 0
	}
	for i, field := range fields[1:min(len(fields), 9)] {
		n, _ := strconv.ParseFloat(field, 64) // the kernel writes numbers
		total += n / userHZ
		if i != 3 && i != 4 { // idle, iowait
			busy += n / userHZ
		}
	}
	return busy, total
}

// kilobytes finds "NAME:  N kB" and gives bytes; 0 when it is not there.
func kilobytes(text, name string) int64 {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return int64(firstNumber(value)) << 10
		}
	}
	return 0
}

// firstNumber reads the number that a text begins with; 0 = none.
func firstNumber(text string) float64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseFloat(fields[0], 64)
	return n
}
