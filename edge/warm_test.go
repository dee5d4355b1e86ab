package edge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"tenement/actors"
)

func TestWarm_OnlyWhatIsAsItShouldBeIsPlain(t *testing.T) {
	for head, plain := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":         true,
		"OPTIONS /x?y HTTP/1.1\r\nHost: a\r\n\r\n":  true,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n":     false,
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n": false,
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n":         false,
		"GET / HTTP/1.1\nHost: a\r\n\r\n":           false,
		"GET / HTTP/1.1\r\nHost: a\n\r\n":           false,
		"GET / HTTP/1.1\r\nHost: a\r\n\n":           false,
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n":        false,
		"GET / HTTP/1.1 \r\nHost: a\r\n\r\n":        false,
		"get / HTTP/1.1\r\nHost: a\r\n\r\n":         false,
		"BREW / HTTP/1.1\r\nHost: a\r\n\r\n":        false,
		"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n":    false,
		" GET / HTTP/1.1\r\nHost: a\r\n\r\n":        false,
		"GET /\r\n\r\n":                             false,
	} {
		var r request
		if r.plain([]byte(head)) != plain {
			t.Errorf("%q: plain is %t", head, !plain)
		}
	}
}

// One connection, on which fasthttp and we take turns: each answer is for the
// request that was sent, whoever reads it.
func TestWarm_WhoReadsARequestMakesNoDifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
		if r.Method == "HEAD" {
			return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
		}
		return ok(r.Method + " " + r.URL.Path + " " + body)
	}))
	steps := []struct {
		method, request, text string
		status                int
	}{
		{"HEAD", "HEAD /a HTTP/1.1\r\n" + toAlice + "\r\n", "", 200},
		{"POST", "POST /b HTTP/1.1\r\n" + toAlice + "Content-Length: 2\r\n\r\nhi", "POST /b hi", 200},
		{"GET", "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n", "Not found", 404},        // fasthttp speaks after a HEAD
		{"BREW", "BREW /c HTTP/1.1\r\n" + toAlice + "\r\n", "BREW /c", 200},             // read by fasthttp
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: nobody.notes.example.test\r\n\r\n", "", 404}, // ours, of a tenant that is not there
		{"GET", "GET /d HTTP/1.1\r\n" + toAlice + "\r\n", "GET /d", 200},
		{"GET", "GET / HTTP/1.1\r\nHost: nobody.notes.example.test\r\n\r\n", "Not found", 404},
		{"GET", "GET /health HTTP/1.1\r\nHost: example.test\r\n\r\n", "api GET /health", 200},
		{"GET", "GET http://alice.notes.example.test/e HTTP/1.1\r\n" + toAlice + "\r\n", "GET /e", 200},
		{"POST", "POST /f HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "POST /f hi", 200},
	}
	for _, pipelined := range []bool{false, true} {
		v := w.dial()
		for round := range 5 {
			if pipelined {
				for _, s := range steps {
					v.say(s.request)
				}
			}
			for i := range steps {
				s := steps[i]
				if !pipelined {
					s = steps[(i*(2*round+1)+round)%len(steps)]
					v.say(s.request)
				}
				v.hear(s.method).wants(t, s.status, strings.TrimSpace(s.text))
			}
		}
	}
	eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
}

func TestWarm_APanicEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(saying(t, "fine"))
	v := w.dial()
	v.get("/")
	v.hear("GET").wants(t, 200, "fine")
	d.Open(&actors.Way{Generation: 2, Conns: io.NopCloser(nil)}) // no pool of ours
	v.get("/")
	v.hear("GET").wants(t, 500, "Internal server error")
	v.ends()
	eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
}

func TestWarm_WhoIdlesIsLeftAtItsTimeAndAtTheServersEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(saying(t, "fine"))
	v := w.dial()
	v.get("/")
	v.hear("GET").wants(t, 200, "fine")
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(t.Context()) }()
	v.ends()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := (&restState{}); s.close() || !s.CompareAndSwap(clientBusy, clientIdle) || !s.close() || s.close() || s.CompareAndSwap(clientBusy, clientIdle) {
		t.Error("a client is closed that does not idle, or twice, or goes on")
	}
}
