package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Strangers who hold connections without coming to an end, hundreds of each
// kind: the neighbour is served meanwhile, and the daemon ends each of them by itself.
func TestSlow_ClientsAreEndedAndDisturbNobody(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{
		settings: "client_header_timeout = 3\nclient_body_timeout = 3\nclient_write_timeout = 3\nclient_idle_timeout = 3\nmax_connections_per_address = 0\n",
		services: control + character("web", "gushes", "listen = \"fd\""),
	})
	d.want(200, "control", "one", "/")
	d.must("spawn", "web:one")
	host := "Host: " + d.host("web", "one") + "\r\n"
	for _, kind := range []struct {
		name, first string
		clients     int
	}{
		{"heads", "GET / HTTP/1.1\r\n" + host + "X: ", 500},
		{"bodies", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1000000\r\n\r\n", 500},
		{"readers", "GET / HTTP/1.1\r\n" + host + "\r\n", 100},
		{"silent ones", "", 500},
	} {
		t.Run(kind.name, func(t *testing.T) {
			base, memory := d.restingFds(), d.rss()
			quiet := d.neighbour()
			clients := make([]net.Conn, kind.clients)
			for i := range clients {
				c, err := net.DialTimeout("tcp", d.address(), 10*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				// Small, so that what is not read is soon too much for the daemon.
				if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
					t.Fatal(err)
				}
				io.WriteString(c, kind.first)
				clients[i] = c
			}
			d.awaitEnd(t, clients, kind.name != "readers")
			quiet()
			d.checkFds(base)
			d.checkMemory(memory, 150)
		})
	}
}

// awaitEnd sends a byte now and then, and waits until the daemon has ended every
// connection. A client that reads sees it; one that does not, when it writes.
func (d *daemon) awaitEnd(t *testing.T, clients []net.Conn, reads bool) {
	t.Helper()
	open := map[net.Conn]bool{}
	for _, c := range clients {
		open[c] = true
	}
	eventually(t, fmt.Sprintf("the daemon ends %d connections (in 3 s, given ten times that)", len(clients)), 30*time.Second, func() bool {
		for c := range open {
			if _, err := io.WriteString(c, "x"); err != nil || reads && ended(c) {
				delete(open, c)
			}
		}
		return len(open) == 0
	})
}

// ended reads what there is without waiting, and reports the connection's end.
func ended(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(time.Microsecond))
	var text strings.Builder
	_, err := io.Copy(&text, c)
	late, ok := err.(net.Error)
	return !ok || !late.Timeout()
}
