package egress

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	resolvConf = "/etc/resolv.conf"
	// maxUpstreams is how many nameservers resolv.conf(5) reads.
	maxUpstreams = 3
	// fresh is how long a look at resolv.conf is good for.
	fresh = time.Second
	// maxExchanges bounds the questions that are under way for all tenants.
	maxExchanges = 256
)

// Upstreams are the host's resolvers, as /etc/resolv.conf has them now. One is
// shared by all relays of a daemon.
type Upstreams struct {
	path    string
	timeout time.Duration // of one question to one server
	last    atomic.Pointer[reading]
	slots   chan struct{}
}

// reading is one look at the file.
type reading struct {
	at      time.Time
	info    os.FileInfo // nil: there was none
	servers []string    // host:port
}

// NewUpstreams reads nothing yet.
func NewUpstreams() *Upstreams { return newUpstreams(resolvConf) }

func newUpstreams(path string) *Upstreams {
	return &Upstreams{path: path, timeout: askTimeout, slots: make(chan struct{}, maxExchanges)}
}

// servers are the addresses to ask, in order.
func (u *Upstreams) servers() []string {
	last := u.last.Load()
	if last != nil && time.Since(last.at) < fresh {
		return last.servers
	}
	next := &reading{at: time.Now()}
	next.info, _ = os.Stat(u.path)
	if last != nil && same(last.info, next.info) {
		next.servers = last.servers
	} else {
		text, _ := os.ReadFile(u.path) // none: resolv.conf(5) has a default for it
		next.servers = parseServers(text)
	}
	u.last.Store(next)
	return next.servers
}

// same reports that a file was neither replaced nor written.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// parseServers reads the nameserver lines of a resolv.conf.
func parseServers(text []byte) []string {
	var servers []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan() && len(servers) < maxUpstreams; {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(words[1]); err == nil {
			servers = append(servers, net.JoinHostPort(addr.String(), "53"))
		}
	}
	if len(servers) == 0 {
		return []string{"127.0.0.1:53"}
	}
	return servers
}
