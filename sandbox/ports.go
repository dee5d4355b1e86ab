package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// firstPort begins the range that ports are given from; below it live the
// services that people start by hand.
const firstPort = 20000

// ports are those given to tenants.
type ports struct {
	mu    sync.Mutex
	given map[int]bool
	last  int
}

// FreePort gives a loopback port that nobody listens on and nobody else was
// given. It lies outside the kernel's ephemeral range, where any outgoing
// connection could take it first, unless that range leaves no room.
// ReleasePort gives it back.
func (e *Engine) FreePort() (int, error) { return e.ports.take(portRange(), isFree) }

// ReleasePort gives a port of FreePort back.
func (e *Engine) ReleasePort(port int) {
	e.ports.mu.Lock()
	delete(e.ports.given, port)
	e.ports.mu.Unlock()
}

// take goes round the range, so that a port is not soon used again: a client of
// its last owner may still dial it. It begins anywhere: two daemons on one
// machine, whose tenants take their time to listen, seldom meet.
func (p *ports) take(r [2]int, free func(int) bool) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := r[1] - r[0] + 1
	if p.given == nil {
		p.given = map[int]bool{}
		p.last = r[0] + rand.IntN(size)
	}
	for i := range size {
		port := p.last + 1 + i
		if p.last < r[0] || p.last > r[1] {
			port = r[0] + i
		}
		if port > r[1] {
			port -= size
		}
		if !p.given[port] && free(port) {
			p.given[port] = true
			p.last = port
			return port, nil
		}
	}
	return 0, fmt.Errorf("cannot find a free port between %d and %d", r[0], r[1])
}

func portRange() [2]int {
	data, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range") // unreadable: as if there was none
	return outside(string(data))
}

// outside gives the ports below the kernel's ephemeral range, or above it.
func outside(ephemeral string) [2]int {
	var low, high int
	_, err := fmt.Sscan(ephemeral, &low, &high)
	switch {
	case err == nil && low-1 >= firstPort+1000: // room for a thousand tenants
		return [2]int{firstPort, low - 1}
	case err == nil && high+1000 < 65535:
		return [2]int{high + 1, 65535}
	}
	return [2]int{firstPort, 32767}
}

// isFree binds the port on both loopbacks and gives it up again. SO_REUSEADDR
// overlooks connections that linger, not listeners.
func isFree(port int) bool {
	return canBind(unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}) &&
		canBind(unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}})
}

func canBind(family int, address unix.Sockaddr) bool {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return family == unix.AF_INET6 && errors.Is(err, unix.EAFNOSUPPORT)
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // without it the port just looks taken for a while
	err = unix.Bind(fd, address)
	return err == nil || errors.Is(err, unix.EADDRNOTAVAIL) // no such loopback here
}
