package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

// lookups counts the questions about names.
type lookups struct {
	*houses
	n atomic.Int64
}

func (l *lookups) Door(service, id string) *actors.Door {
	l.n.Add(1)
	return l.houses.Door(service, id)
}
func (l *lookups) Apex(s string) (*actors.Door, error) { l.n.Add(1); return l.houses.Apex(s) }
func (l *lookups) Create(ctx context.Context, i conf.Instance) (*actors.Door, error) {
	l.n.Add(1)
	return l.houses.Create(ctx, i)
}

func TestServer_AnImpossibleHostIsLookedUpNowhere(t *testing.T) {
	t.Parallel()
	var l *lookups
	w := newWorld(t, func(o *ServerOptions) { l = &lookups{houses: o.Host.(*houses)}; o.Host = l })
	for host, status := range map[string]int{
		"/home.notes.example.test": 400, "../x.notes.example.test": 400, "..": 400, ".notes.example.test": 400, "a b.notes.example.test": 400,
		"\"a\".notes.example.test": 400, "a\x00.notes.example.test": 400, "u@alice.notes.example.test": 400, "a%2fb.notes.example.test": 400,
		"alice.notes.example.test:x": 400, "alice.notes.example.test:99999": 400, "": 400, "[::1": 400, "[fe80::1%25eth0]": 400,
		"alicé.notes.example.test": 400, strings.Repeat("a.", 300) + "example.test": 400, "alice,bob.notes.example.test": 400,
		"alice.notes.example.test..": 400, "a.b.notes.example.test": 404, "-.notes.example.test": 404, "a-.notes.example.test": 404,
		"_x.notes.example.test": 404, "xexample.test": 404, "example.test.evil.test": 404,
	} {
		if h := w.ask("GET", "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); h.StatusCode != status {
			t.Errorf("%q: got %d, want %d", host, h.StatusCode, status)
		}
	}
	if n := l.n.Load(); n != 0 {
		t.Errorf("%d of them were looked up", n)
	}
}

// Requests in which two servers could see two things: none arrives whole.
func TestServer_NothingAmbiguousArrivesWhole(t *testing.T) {
	t.Parallel()
	const chunks = "Transfer-Encoding: chunked\r\n"
	post := "POST / HTTP/1.1\r\n" + toAlice
	get := "GET / HTTP/1.1\r\n" + toAlice
	bad := []string{
		post + "Content-Length: 5\r\n" + chunks + "\r\n0\r\n\r\n",
		post + chunks + "Content-Length: 5\r\n\r\n0\r\n\r\n",
		post + chunks + chunks + "\r\n0\r\n\r\n",
		post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
		post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello",
		post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding :chunked\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
		post + " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		post + "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		post + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n",
		post + "Transfer-Encoding: \r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.0\r\n" + toAlice + chunks + "\r\n0\r\n\r\n",
		post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		post + "Content-Length: 5, 5\r\n\r\nhello",
		post + "Content-Length: +5\r\n\r\nhello",
		post + "Content-Length: -5\r\n\r\nhello",
		post + "Content-Length: 0x5\r\n\r\nhello",
		post + "Content-Length: 5 5\r\n\r\nhello",
		post + "Content-Length: 5.0\r\n\r\nhello",
		post + "Content-Length: \r\n\r\nhello",
		post + "Content-Length : 5\r\n\r\nhello",
		post + "Content-Length: 18446744073709551621\r\n\r\nhello",
		post + chunks + "\r\n5\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n5\r\nhelloX0\r\n\r\n",
		post + chunks + "\r\n0x5\r\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n+5\r\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n-1\r\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n5;\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n;x\r\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n\r\n0\r\n\r\n",
		get + "Host: bob.notes.example.test\r\n\r\n",
		get + toAlice + "\r\n",
		"GET / HTTP/1.1\r\nHost : alice.notes.example.test\r\n\r\n",
		"GET / HTTP/1.1\r\n Host: alice.notes.example.test\r\n\r\n",
		"GET http://bob.notes.example.test/ HTTP/1.1\r\n" + toAlice + "\r\n",
		"GET /a HTTP/1.1 HTTP/1.1\r\n" + toAlice + "\r\n",
		"GET /\x0b HTTP/1.1\r\n" + toAlice + "\r\n",
		"GET / HTTP/1.1\x00\r\n" + toAlice + "\r\n",
		"GET / HTTP/11\r\n" + toAlice + "\r\n",
		"GET / http/1.1\r\n" + toAlice + "\r\n",
		get + "X\x00: y\r\n\r\n",
		get + "X: a\x00b\r\n\r\n",
		get + "no colon\r\n\r\n",
		get + ": y\r\n\r\n",
	}
	good := []string{
		get + "\r\n", get + "Content-Length: 0\r\n\r\n", get + "X:\r\n\r\n", get + "X:\ty \r\n\r\n", get + "X: \xff\r\n\r\n", get + "!#$%&'*+-.^`|~9: y\r\n\r\n",
		get + "Content-Length: 5\r\n\r\nhello",
		post + "Content-Length: 5\r\n\r\nhello", post + "content-LENGTH:5\r\n\r\nhello", post + "Content-Length: 005\r\n\r\nhello", post + "\r\n",
		post + chunks + "\r\n0\r\n\r\n", post + "TRANSFER-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		post + chunks + "\r\n5;a=\"b\"\r\nhello\r\n0\r\n\r\n", post + chunks + "\r\n00005\r\nhello\r\n000\r\nX: y\r\n\r\n",
		post + chunks + "Trailer: X\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
		"GET / HTTP/1.0\r\n" + toAlice + "\r\n", "\r\nGET / HTTP/1.1\r\n" + toAlice + "\r\n", "REPORT /a;b/%2F/?c=/d HTTP/1.1\r\n" + toAlice + "\r\n",
	}
	if len(bad) < 43 || len(good) < 15 {
		t.Fatalf("%d and %d", len(bad), len(good))
	}
	w := newWorld(t)
	b := answering(t, "unix", func(*http.Request, string) string { return ok("fine") })
	w.tenant(b)
	for _, first := range []string{"", get + "\r\n"} { // what comes later on a connection is read by other code
		dial := func() *visitorConn {
			v := w.dial()
			if first != "" {
				v.say(first)
				v.hear("GET").wants(t, 200, "fine")
			}
			return v
		}
		for _, request := range bad {
			v := dial()
			before := b.requests.Load()
			v.say(request)
			_ = v.Conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(v.br)
			v.Close()
			if b.requests.Load() != before || strings.HasPrefix(string(answer), "HTTP/1.1 200") {
				t.Errorf("%q arrived and got %.60q", request, answer)
			}
		}
		for _, request := range good {
			v := dial()
			before := b.requests.Load()
			v.say(request)
			v.hear("GET").wants(t, 200, "fine")
			if b.requests.Load() != before+1 {
				t.Errorf("%q arrived %d times", request, b.requests.Load()-before)
			}
			v.Close()
		}
	}
}
