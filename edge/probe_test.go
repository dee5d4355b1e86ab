package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tenement/sandbox"
)

func TestProbe_LyingAnswersAreReadExactly(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		says   string // "" = healthy
	}{
		"200":                 {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
		"204":                 {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"299":                 {"HTTP/1.0 299 Fine\r\n\r\n", ""},
		"after a 100":         {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""},
		"body cut short":      {"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", ""}, // the head is the answer
		"500 saying 200":      {"HTTP/1.1 500 200 OK\r\nContent-Length: 200\r\n\r\n200", "answered 500"},
		"status 2000":         {"HTTP/1.1 2000 OK\r\n\r\n", "malformed"},
		"status 20":           {"HTTP/1.1 20 OK\r\n\r\n", "malformed"},
		"status 300":          {"HTTP/1.1 300 OK\r\n\r\n", "answered 300"},
		"switching protocols": {"HTTP/1.1 101 Switching\r\n\r\n", "malformed"},
		"not HTTP":            {"200 OK\r\n\r\n", "malformed"},
		"a head without end":  {"HTTP/1.1 200 OK\r\nX: y\r\n", "EOF"},
		"an endless head":     {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100), "malformed"},
		"nothing":             {"", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Probe(t.Context(), raw(t, c.answer).endpoint, "/up", "localhost")
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestProbe_ARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	b := newBackend(t, "tcp", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://"+c.LocalAddr().String()+"/ok\r\nContent-Length: 0\r\n\r\n")
	})
	if err := Probe(t.Context(), b.endpoint, "/", "localhost"); err == nil || b.conns.Load() != 1 {
		t.Errorf("got %v over %d connections", err, b.conns.Load())
	}
}

func TestProbe_AsksOnceForItsPath(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 1)
	b := answering(t, "unix", func(r *http.Request, _ string) string { asked <- r; return ok("") })
	if err := Probe(t.Context(), b.endpoint, "/up?x=1", "notes.localhost"); err != nil {
		t.Fatal(err)
	}
	if r := <-asked; r.Method != "GET" || r.RequestURI != "/up?x=1" || r.Host != "notes.localhost" || !r.Close {
		t.Errorf("asked %s %s at %s, close %t", r.Method, r.RequestURI, r.Host, r.Close)
	}
	eventually(t, "the connection is closed", func() bool { return b.alive() == 0 })
}

// One byte at a time, and silence: the check ends when its time does.
func TestProbe_EndsWithItsContext(t *testing.T) {
	for name, pace := range map[string]time.Duration{"a byte now and then": 5 * time.Millisecond, "silence": patience} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
				if _, err := rawHead(br); err != nil || pace == patience {
					_, _ = br.ReadByte() // until it is given up
					return
				}
				for _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); err == nil; _, err = io.WriteString(c, "y") {
					time.Sleep(pace)
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := Probe(ctx, b.endpoint, "/", "localhost"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			eventually(t, "the connection is closed", func() bool { return b.alive() == 0 })
		})
	}
}

func TestProbe_AHugeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	wrote := make(chan int64, 1)
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
		n, _ := io.Copy(c, io.LimitReader(zeroes{}, 1<<30))
		wrote <- n
	})
	if err := Probe(t.Context(), b.endpoint, "/", "localhost"); err != nil {
		t.Error(err)
	}
	if n := <-wrote; n > 16<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestProbe_NobodyListens(t *testing.T) {
	t.Parallel()
	err := Probe(t.Context(), sandbox.Endpoint{Network: "tcp", Address: closedPort(t)}, "/", "localhost")
	if err == nil || !strings.Contains(err.Error(), "cannot connect") {
		t.Errorf("got %v", err)
	}
}
