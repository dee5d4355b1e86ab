package edge

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// tcpMemory is what the sockets of the whole machine hold.
var tcpMemory = kernelMemory{used: "/proc/net/sockstat", limits: "/proc/sys/net/ipv4/tcp_mem"}

// kernelMemory says when TCP has so much memory in use that clients who do not
// take what was sent to them must not get more: the kernel would soon have none
// for anybody (tcp(7), tcp_mem).
type kernelMemory struct {
	used, limits string // files
	next         atomic.Int64
	low          atomic.Bool
}

// lookAgain is how old an answer may be.
const lookAgain = 100 * time.Millisecond

// scarce reports that a quarter of what the kernel gives without pressure is in
// use. It reads files now and then, and waits for nobody.
func (k *kernelMemory) scarce() bool {
	now, next := time.Now().UnixMilli(), k.next.Load()
	if now >= next && k.next.CompareAndSwap(next, now+lookAgain.Milliseconds()) {
		k.low.Store(k.look())
	}
	return k.low.Load()
}

// look reads: what cannot be read is not scarce.
func (k *kernelMemory) look() bool {
	used, err := os.ReadFile(k.used)
	if err != nil {
		return false
	}
	limits, err := os.ReadFile(k.limits)
	if err != nil {
		return false
	}
	var pages, pressure int
	for line := range bytes.Lines(used) {
		if f := bytes.Fields(line); len(f) > 2 && string(f[0]) == "TCP:" && string(f[len(f)-2]) == "mem" {
			pages, _ = strconv.Atoi(string(f[len(f)-1]))
		}
	}
	if f := bytes.Fields(limits); len(f) == 3 { // low, pressure, high
		pressure, _ = strconv.Atoi(string(f[1]))
	}
	return pressure > 0 && pages > pressure/4
}
