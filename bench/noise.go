package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// What a quiet machine stays below.
const (
	quietLoad       = 0.5 // load average before the run, of each core
	quietNeighbours = 0.2 // cores that others used meanwhile
	quietStolen     = 0.02
)

// noise is what else went on while a suite ran.
type noise struct {
	LoadBefore string  `json:"load_before"`
	LoadAfter  string  `json:"load_after"`
	Neighbours float64 `json:"neighbours"` // cores that processes used which this run did not start
	Stolen     float64 `json:"stolen"`     // cores that the hypervisor gave to others
}

// warnings says why the figures deserve distrust.
func (n noise) warnings(cores int) (all []string) {
	var before float64
	if _, err := fmt.Sscan(n.LoadBefore, &before); err != nil {
		all = append(all, "the load average could not be read")
	}
	if limit := quietLoad * float64(cores); before > limit {
		all = append(all, fmt.Sprintf("the load average was %.2f before it began, more than %.1f", before, limit))
	}
	if n.Neighbours > quietNeighbours {
		all = append(all, fmt.Sprintf("other processes used %.2f cores meanwhile, more than %.1f", n.Neighbours, quietNeighbours))
	}
	if n.Stolen > quietStolen {
		all = append(all, fmt.Sprintf("the hypervisor took %.2f cores away, more than %.2f", n.Stolen, quietStolen))
	}
	return all
}

// watch is a point in time from which noise is counted.
type watch struct {
	began        time.Time
	load         string
	busy, stolen time.Duration
	own          time.Duration
}

func startWatch() watch {
	w := watch{began: time.Now(), load: loadAverage(), own: ownTime()}
	w.busy, w.stolen = machineTime()
	return w
}

// stop gives what went on since. Everything that the run started has to have
// ended and been waited for: only then is its time known to be its own.
func (w watch) stop() noise {
	busy, stolen := machineTime()
	return between(w, watch{began: time.Now(), load: loadAverage(), busy: busy, stolen: stolen, own: ownTime()})
}

// between is pure.
func between(from, to watch) noise {
	span := to.began.Sub(from.began).Seconds()
	n := noise{LoadBefore: from.load, LoadAfter: to.load}
	if span <= 0 {
		return n
	}
	n.Neighbours = max(0, ((to.busy-from.busy)-(to.own-from.own)).Seconds()/span)
	n.Stolen = max(0, (to.stolen-from.stolen).Seconds()/span)
	return n
}

// tick is the unit of /proc/stat, USER_HZ: a hundredth of a second everywhere.
const tick = 10 * time.Millisecond

// machineTime is how long the cores worked, and how long they would have but for
// the hypervisor, since the machine was started.
func machineTime() (busy, stolen time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	return parseStat(string(text))
}

// parseStat reads the first line: user, nice, system, idle, iowait, irq, softirq, steal.
func parseStat(text string) (busy, stolen time.Duration) {
	line, _, _ := strings.Cut(text, "\n")
	var n [8]int64
	if _, err := fmt.Sscan(strings.TrimPrefix(line, "cpu"), &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]); err != nil {
		return 0, 0
	}
	return time.Duration(n[0]+n[1]+n[2]+n[5]+n[6]) * tick, time.Duration(n[7]) * tick
}

// ownTime is what this process used, and all that it has started and waited for.
func ownTime() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
