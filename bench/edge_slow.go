package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// The bar: what 5000 slow clients of a kind may do to one that behaves.
const (
	slowClients = 5000
	aimDisturb  = 50000 // us, p99
	aimGrowth   = 150   // MB RSS
	goodRate    = 200   // requests a second of the one that behaves
)

// slowKinds are what they say, and then go on byte by byte.
var slowKinds = []struct{ name, first string }{
	{"slow heads", "GET /128 HTTP/1.1\r\nHost: " + benchHost + "\r\nX-Slow: "},
	{"slow bodies", "POST /128 HTTP/1.1\r\nHost: " + benchHost + "\r\nContent-Length: 1000000\r\n\r\n"},
	{"slow readers", "GET /1048576 HTTP/1.1\r\nHost: " + benchHost + "\r\n\r\n"},
	{"silent clients", ""},
}

// edgeSlow measures what thousands of slow clients cost.
func edgeSlow(b *bench) error {
	e, err := prepareEdge(b)
	if err != nil {
		return err
	}
	return slowly(e)
}

// slowly measures how a client that behaves is served among them, each kind with
// proxies that have met no other.
func slowly(e *edgeBench) error {
	n := slowClients
	if e.quick {
		n /= 10
	}
	for _, kind := range slowKinds {
		err := e.with(func(e *edgeBench) error {
			for _, c := range e.subjects {
				if err := c.among(e, n, kind.name, kind.first); err != nil {
					return fmt.Errorf("%s among %s: %w", c.name, kind.name, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// among connects n slow clients to one contender and measures it meanwhile.
func (c *contender) among(e *edgeBench, n int, kind, first string) error {
	alone, err := c.load(e, 8, e.seconds, goodRate, 128) // what this machine does by itself just now
	if err != nil {
		return err
	}
	base, err := c.resident()
	if err != nil {
		return err
	}
	crowd := connectSlow(c.proxy.Address, n, first)
	defer crowd.end()
	time.Sleep(settled) // what they get before they are slow is not what is asked
	run, err := c.load(e, 8, 3*e.seconds, goodRate, 128)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s among %d %s: %v\n", c.name, n, kind, err)
	}
	now, err := c.resident()
	if err != nil {
		return err
	}
	failures := run.errors + max(0, int(3*e.seconds*goodRate)-run.requests-run.errors-goodRate/10) // what was due and never answered, too
	note := fmt.Sprintf("%d connected", len(crowd.conns))
	e.found.add(result{Name: "p99 before the " + kind, Subject: c.name, Value: number(alone.quantiles[1]), Unit: "us", Runs: 1, Failures: alone.errors})
	late := result{Name: fmt.Sprintf("p99 among %d %s", n, kind), Subject: c.name, Value: number(run.quantiles[1]), Unit: "us", Runs: 1, Failures: failures, Note: note}
	grown := result{Name: fmt.Sprintf("RSS more with %d %s", n, kind), Subject: c.name, Value: number(now - base), Unit: "MB", Runs: 1, Note: note}
	if c.name == ours {
		late.Aim, grown.Aim = aimDisturb, aimGrowth
	}
	e.found.add(late)
	e.found.add(grown)
	return nil
}

// slowCrowd is many clients that send a byte a second each; whoever is ended by
// the proxy stays so.
type slowCrowd struct {
	conns []net.Conn
	stop  chan struct{}
	done  sync.WaitGroup
}

// connectSlow connects them, 500 from each address. end ends them.
func connectSlow(address string, n int, first string) *slowCrowd {
	s := &slowCrowd{stop: make(chan struct{})}
	for i := range n {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/500))}}
		c, err := d.Dial("tcp", address)
		if err != nil {
			break // who accepts no more has its answer in the note
		}
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		_, _ = io.WriteString(c, first)
		s.conns = append(s.conns, c)
	}
	s.done.Go(func() { // until end
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
			for _, c := range s.conns {
				_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond))
				_, _ = io.WriteString(c, "x")
			}
		}
	})
	return s
}

func (s *slowCrowd) end() {
	close(s.stop)
	s.done.Wait()
	for _, c := range s.conns {
		c.Close()
	}
}
