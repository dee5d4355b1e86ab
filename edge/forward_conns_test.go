package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestForward_ARequestThatMayHaveBeenProcessedIsNotSentTwice(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var seen atomic.Int64
			b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
				for {
					head, err := rawHead(br)
					if err != nil {
						return
					}
					if strings.Contains(head, "/die ") {
						seen.Add(1)
						return // died while it worked
					}
					_, _ = io.WriteString(c, ok("fine"))
				}
			})
			w.tenant(b)
			v := w.dial()
			v.get("/") // now there is a kept connection
			v.hear("GET").wants(t, 200, "fine")
			v.say(method, " /die HTTP/1.1\r\n", toAlice, "Content-Length: 0\r\n\r\n")
			v.hear(method).wants(t, 502, "Bad gateway")
			if n := seen.Load(); n != 1 {
				t.Errorf("sent %d times", n)
			}
			if w.host.failed.Load() != 0 || w.host.wakes.Load() != 0 {
				t.Error("a tenant that answers connections was reported as dead")
			}
		})
	}
}

// The tenant closed the kept connection unseen: nothing was written, so that the
// request may be sent again, whatever its method.
func TestForward_AStaleConnectionCostsNobodyARequest(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			closed := make(chan struct{}, 100)
			b := newBackend(t, network, func(b *backend, c net.Conn, br *bufio.Reader) {
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				b.requests.Add(1)
				_, _ = io.WriteString(c, ok("fine"))
				c.Close()
				closed <- struct{}{}
			})
			w.tenant(b)
			v := w.dial()
			for i := range 20 {
				v.say("POST / HTTP/1.1\r\n", toAlice, "Content-Length: 0\r\n\r\n")
				v.hear("POST").wants(t, 200, "fine")
				<-closed
				if network == "tcp" {
					time.Sleep(2 * peekAfter) // a shorter pause can lose one: it may have been processed
				}
				if n := b.requests.Load(); n != int64(i+1) {
					t.Fatalf("%d requests arrived of %d", n, i+1)
				}
			}
		})
	}
}

func TestForward_AnAnswerOutOfStepIsNobodyElses(t *testing.T) {
	for name, answer := range map[string]string{
		"more than its length": ok("fine") + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
		"a 204 with a body":    "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison",
		"a 304 with chunks":    "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
				for {
					if _, err := rawHead(br); err != nil {
						return
					}
					// The rest comes late, when nobody looks any more.
					head, rest, _ := strings.Cut(answer, "\r\n\r\n")
					_, _ = io.WriteString(c, head+"\r\n\r\n")
					if strings.HasPrefix(head, "HTTP/1.1 200") {
						_, _ = io.WriteString(c, rest)
						continue
					}
					time.Sleep(time.Millisecond)
					_, _ = io.WriteString(c, rest)
				}
			})
			w.tenant(b)
			v := w.dial()
			for range 5 {
				v.get("/")
				if h := v.hear("GET"); h.text == "poison" || h.StatusCode == 502 || h.err != nil {
					t.Fatalf("got %d %q, %v", h.StatusCode, h.text, h.err)
				}
			}
		})
	}
}

// fasthttp writes an answer of its own to each request: the visitor must see
// none of those, whatever stands before or after.
func TestForward_PipelinedRequestsAreAnsweredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := answering(t, "unix", func(r *http.Request, body string) string {
		if r.Method == "HEAD" {
			return "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"
		}
		return ok(r.URL.Path + body)
	})
	w.tenant(b)
	v := w.dial()
	v.say("GET /1 HTTP/1.1\r\n", toAlice, "\r\n",
		"POST /2 HTTP/1.1\r\n", toAlice, "Content-Length: 4\r\n\r\nbody",
		"GET /api HTTP/1.1\r\nHost: example.test\r\n\r\n",
		"HEAD /3 HTTP/1.1\r\n", toAlice, "\r\n",
		"POST /4 HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: nobody.notes.example.test\r\n\r\n",
		"GET /5 HTTP/1.1\r\n", toAlice, "\r\n",
		"nonsense\r\n\r\n",
		"GET /6 HTTP/1.1\r\n", toAlice, "\r\n")
	v.hear("GET").wants(t, 200, "/1")
	v.hear("POST").wants(t, 200, "/2body")
	v.hear("GET").wants(t, 200, "api GET /api")
	v.hear("HEAD").wants(t, 200, "")
	v.hear("POST").wants(t, 200, "/4hi")
	v.hear("GET").wants(t, 404, "Not found")
	v.hear("GET").wants(t, 200, "/5")
	v.hear("GET").wants(t, 400, "Bad request")
	v.ends()
	if n := b.requests.Load(); n != 5 {
		t.Errorf("the tenant saw %d requests", n)
	}
}

func TestForward_AVisitorsConnectionLivesAsLongAsTheyWish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(saying(t, "fine"))
	for request, closes := range map[string]bool{
		"GET / HTTP/1.1\r\n":                              false,
		"GET / HTTP/1.1\r\nConnection: keep-alive\r\n":    false,
		"GET / HTTP/1.1\r\nConnection: x, Close\r\n":      true,
		"GET / HTTP/1.0\r\n":                              true,
		"HEAD / HTTP/1.1\r\nConnection: close\r\n":        true,
		"GET /?unknown HTTP/1.1\r\nConnection: close\r\n": true,
	} {
		v := w.dial()
		v.say(request, toAlice, "\r\n")
		method, _, _ := strings.Cut(request, " ")
		h := v.hear(method)
		if h.StatusCode != 200 || h.Close != closes {
			t.Errorf("%q: got %d, close %v", request, h.StatusCode, h.Close)
		}
		if closes {
			v.ends()
		} else {
			v.get("/")
			v.hear("GET").wants(t, 200, "fine")
		}
	}
}

// A tenant that serves one connection at a time waits on the one that we keep
// idle: while somebody else waits, none may be kept.
func TestForward_AnIdleConnectionStarvesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var one sync.Mutex
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		one.Lock()
		defer one.Unlock()
		for {
			if _, err := rawHead(br); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
			if _, err := io.WriteString(c, ok("fine")); err != nil {
				return
			}
		}
	}))
	busy, stop := w.dial(), make(chan struct{})
	busy.get("/") // from now on the tenant serves this connection
	busy.hear("GET").wants(t, 200, "fine")
	var keepsAsking sync.WaitGroup
	keepsAsking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := io.WriteString(busy, "GET / HTTP/1.1\r\n"+toAlice+"\r\n"); err != nil {
					t.Error(err)
					return
				}
				r, err := http.ReadResponse(busy.br, nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
			}
		}
	})
	defer keepsAsking.Wait()
	defer close(stop)
	for range 5 {
		other := w.dial()
		other.get("/")
		other.hear("GET").wants(t, 200, "fine")
		other.Close()
	}
}
