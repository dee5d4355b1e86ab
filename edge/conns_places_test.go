package edge

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tenement/conf"
)

// serving makes notes:alice awake behind a backend with max_connections.
func (w *edgeWorld) serving(b *backend, connections int, timeout time.Duration) {
	d := w.host.door("notes:alice")
	way := w.host.way(1, b)
	way.Conns = NewConns(b.endpoint, conf.Front{MaxConnections: connections})
	way.RequestTimeout = timeout
	w.host.mu.Lock()
	w.host.pools = append(w.host.pools, way.Conns)
	w.host.mu.Unlock()
	d.Open(way)
}

func TestConns_ThereAreNeverMoreThanTheTenantServes(t *testing.T) {
	for name, most := range map[string]int{"one": 1, "three": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var now, peak atomic.Int64
			b := newBackend(t, "unix", func(b *backend, c net.Conn, br *bufio.Reader) {
				for {
					if _, err := rawHead(br); err != nil {
						return
					}
					n := now.Add(1)
					for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
					}
					time.Sleep(time.Millisecond)
					now.Add(-1)
					if _, err := io.WriteString(c, ok("fine")); err != nil {
						return
					}
				}
			})
			w.serving(b, most, patience)
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					v := w.dial()
					for range 10 {
						v.get("/")
						v.hear("GET").wants(t, 200, "fine")
					}
				})
			}
			all.Wait()
			if peak.Load() > int64(most) {
				t.Errorf("%d at once", peak.Load())
			}
			eventually(t, "none is kept for long", func() bool { return b.alive() == 0 })
		})
	}
}

func TestConns_WhoGetsNoPlaceInTimeIsToldToComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
		<-release
		_, _ = io.WriteString(c, "x")
	})
	w.serving(b, 1, soon)
	first := w.dial()
	first.get("/")
	if _, err := rawHead(first.br); err != nil {
		t.Fatal(err)
	}
	if h := w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 503, "Service temporarily unavailable"); h.Header.Get("Retry-After") != "1" {
		t.Errorf("nobody says when: %v", h.Header)
	}
	close(release)
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 200, "x")
}

func TestConns_WhoLeavesWaitsForNoPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBackend(t, "unix", func(_ *backend, _ net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = br.ReadByte() // never answers
	})
	w.serving(b, 1, patience)
	first, second := w.dial(), w.dial()
	first.get("/")
	eventually(t, "the place is taken", func() bool { return b.conns.Load() == 1 })
	second.get("/")
	d := w.host.Door("notes", "alice")
	eventually(t, "the other waits", func() bool { return d.Inflight() == 2 })
	second.Close()
	eventually(t, "it waits no longer", func() bool { return d.Inflight() == 1 })
}

// A health check comes as a connection of its own.
func TestConns_AnIdleOneLeavesRoomForAHealthCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var one sync.Mutex
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		one.Lock()
		defer one.Unlock()
		for {
			if _, err := rawHead(br); err != nil {
				return
			}
			if _, err := io.WriteString(c, ok("fine")); err != nil {
				return
			}
		}
	})
	w.serving(b, 1, patience)
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, 200, "fine")
	if err := Probe(t.Context(), b.endpoint, "/", "notes"); err != nil {
		t.Error(err)
	}
}
