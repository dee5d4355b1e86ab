package edge

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var madeID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func TestRequestID_IsOneForTheTenantAndTheVisitor(t *testing.T) {
	t.Parallel()
	for trusted, honoured := range map[bool]bool{false: false, true: true} {
		w := newWorld(t, func(o *ServerOptions) {
			if trusted {
				o.TrustedProxies = loopback
			}
		})
		w.tenant(answering(t, "unix", func(r *http.Request, _ string) string {
			if r.URL.Path == "/own" {
				return "HTTP/1.1 200 OK\r\nX-Request-Id: mine\r\nContent-Length: 0\r\n\r\n"
			}
			return ok(strings.Join(r.Header["X-Request-Id"], " "))
		}))
		seen := map[string]bool{}
		for _, said := range []string{"", "", "X-Request-Id: abc-1\r\n", "x-request-ID: \r\n", "X-Request-Id: a b\r\n", "X-Request-Id: \"<x>\r\n", "X-Request-Id: \xff\r\n", "X-Request-Id: Root=1-67:/abc-1+==\r\n", "X-Request-Id: " + strings.Repeat("x", maxRequestID+1) + "\r\n"} {
			h := w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+said+"\r\n")
			id := h.Header.Get("X-Request-Id")
			if id == "" || id != h.text || len(h.Header["X-Request-Id"]) != 1 {
				t.Errorf("%q: the visitor has %q, the tenant %q", said, h.Header["X-Request-Id"], h.text)
			}
			if honoured && strings.Contains(said, "abc-1") {
				if id != "abc-1" && id != "Root=1-67:/abc-1+==" {
					t.Errorf("a trusted proxy's id became %q", id)
				}
			} else if !madeID.MatchString(id) || seen[id] {
				t.Errorf("%q: made %q", said, id)
			}
			seen[id] = true
		}
		if h := w.ask("GET", "GET /own HTTP/1.1\r\n"+toAlice+"\r\n"); h.Header.Get("X-Request-Id") != "mine" || len(h.Header["X-Request-Id"]) != 1 {
			t.Errorf("a tenant's own became %v", h.Header["X-Request-Id"])
		}
		if h := w.ask("GET", "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n"); !madeID.MatchString(h.Header.Get("X-Request-Id")) {
			t.Errorf("an answer of our own has %q", h.Header.Get("X-Request-Id"))
		}
	}
}
