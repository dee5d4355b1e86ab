package edge

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// anyID is the header that is different each time.
var anyID = regexp.MustCompile("X-Request-Id: [0-9a-f]{32}\r\n")

const toAlice = "Host: alice.notes.example.test\r\n"

// raw serves each request's head with parts, written one by one, and then ends
// the connection.
func raw(t *testing.T, parts ...string) *backend {
	return newBackend(t, "unix", func(b *backend, c net.Conn, br *bufio.Reader) {
		if _, err := rawHead(br); err != nil {
			return
		}
		b.requests.Add(1)
		for _, p := range parts {
			if _, err := io.WriteString(c, p); err != nil {
				return
			}
		}
	})
}

func TestForward_AnswersArriveAsTheTenantMeantThem(t *testing.T) {
	for name, c := range map[string]struct {
		answer, method string
		status         int
		text           string
	}{
		"length":               {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, "hello"},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4;x=y\r\n you\r\n0\r\nX-T: 1\r\n\r\n", "GET", 200, "hello you"},
		"until close":          {"HTTP/1.1 200 OK\r\n\r\nhello", "GET", 200, "hello"},
		"HTTP/1.0":             {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, "hello"},
		"no reason":            {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, ""},
		"LF only":              {"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "GET", 200, "hi"},
		"304":                  {"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", "GET", 304, ""},
		"204":                  {"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, ""},
		"HEAD":                 {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "HEAD", 200, ""},
		"HEAD chunked":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, ""},
		"twice the same CL":    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "GET", 200, "hi"},
		"a status of its own":  {"HTTP/1.1 599 Odd\r\nContent-Length: 1\r\n\r\nx", "GET", 599, "x"},
		"not HTTP":             {"SSH-2.0-OpenSSH\r\n\r\n", "GET", 502, "Bad gateway"},
		"status 2000":          {"HTTP/1.1 2000 OK\r\n\r\n", "GET", 502, "Bad gateway"},
		"status 099":           {"HTTP/1.1 099 OK\r\n\r\n", "GET", 502, "Bad gateway"},
		"status 600":           {"HTTP/1.1 600 OK\r\n\r\n", "GET", 502, "Bad gateway"},
		"HTTP/2":               {"HTTP/2.0 200 OK\r\n\r\n", "GET", 502, "Bad gateway"},
		"switches protocols":   {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "GET", 502, "Bad gateway"},
		"two lengths":          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "GET", 502, "Bad gateway"},
		"length and chunks":    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET", 502, "Bad gateway"},
		"1.0 with chunks":      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET", 502, "Bad gateway"},
		"gzip as a coding":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "GET", 502, "Bad gateway"},
		"negative length":      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "GET", 502, "Bad gateway"},
		"space before a colon": {"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", "GET", 502, "Bad gateway"},
		"folded line":          {"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", "GET", 502, "Bad gateway"},
		"control byte":         {"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n", "GET", 502, "Bad gateway"},
		"bare CR":              {"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "GET", 502, "Bad gateway"},
		"huge head":            {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswerHead) + "\r\n\r\n", "GET", 502, "Bad gateway"},
		"short head":           {"HTTP/1.1 200 OK\r\nContent-Le", "GET", 502, "Bad gateway"},
		"nothing":              {"", "GET", 502, "Bad gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tenant(raw(t, c.answer))
			w.ask(c.method, c.method+" / HTTP/1.1\r\n"+toAlice+"\r\n").wants(t, c.status, c.text)
		})
	}
}

// A truncated answer must never look whole.
func TestForward_ATruncatedAnswerIsCutOffForTheVisitorToo(t *testing.T) {
	for name, answer := range map[string]string{
		"length":             "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"at a chunk's end":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"inside a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
		"before the trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"a bad chunk size":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
		"a chunk too long":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n",
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(name+" to "+version, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.tenant(raw(t, answer))
				v := w.dial()
				v.say("GET / HTTP/", version, "\r\nConnection: close\r\n", toAlice, "\r\n")
				got, err := io.ReadAll(v.br)
				if err != nil || len(got) == 0 {
					return // reset: as visible as it gets
				}
				r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(got)), nil)
				if err != nil {
					return
				}
				if r.ContentLength < 0 && len(r.TransferEncoding) == 0 {
					t.Fatalf("an orderly end of a body without framing: %q", got)
				}
				if text, err := io.ReadAll(r.Body); err == nil && r.StatusCode == 200 {
					t.Fatalf("the visitor believes it has all: %q", text)
				}
			})
		}
	}
}

func TestForward_AVisitorOfHTTP10GetsNoChunks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	v := w.dial()
	v.say("GET / HTTP/1.0\r\n", toAlice, "\r\n")
	got, err := io.ReadAll(v.br)
	if err != nil || !bytes.HasSuffix(got, []byte("\r\n\r\nhello")) || bytes.Contains(bytes.ToLower(got), []byte("transfer-encoding")) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestForward_HeadersPassAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(raw(t, "HTTP/1.1 200 Fine\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-CASE: Kept\r\nserver: mine\r\nDate: then\r\nX-Request-Id: mine\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nhi"))
	v := w.dial()
	v.get("/")
	head, err := rawHead(v.br)
	if err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 200 Fine\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-CASE: Kept\r\nserver: mine\r\nDate: then\r\nX-Request-Id: mine\r\nContent-Length: 2\r\n\r\n"
	if head != want {
		t.Errorf("got\n%q, want\n%q", head, want)
	}
}

func TestForward_TheTenantSeesTheRequestAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	heads := make(chan string, 1)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		head, _ := rawHead(br)
		heads <- head
		_, _ = io.WriteString(c, ok(""))
	}))
	w.ask("GET", "GET /a//b/../c?x=%2F&y HTTP/1.1\r\nhost: Alice.Notes.example.test:81\r\nauthorization: Bearer t\r\nConnection: close\r\n\r\n").wants(t, 200, "")
	want := "GET /a//b/../c?x=%2F&y HTTP/1.1\r\nHost: alice.notes.example.test:81\r\nauthorization: Bearer t\r\n" +
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: alice.notes.example.test:81\r\nX-Request-Id: some\r\nVia: 1.1 tenement\r\n\r\n"
	if got := anyID.ReplaceAllString(<-heads, "X-Request-Id: some\r\n"); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestForward_TheHeadOfAStreamComesBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Transfer-Encoding: chunked\r\n", ""} {
		w := newWorld(t)
		more := make(chan struct{})
		w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
			_, _ = rawHead(br)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+framing+"\r\n")
			for event := range more {
				_ = event
				if framing == "" {
					_, _ = io.WriteString(c, "data: x\n\n")
				} else {
					_, _ = io.WriteString(c, "9\r\ndata: x\n\n\r\n")
				}
			}
			if framing != "" {
				_, _ = io.WriteString(c, "0\r\n\r\n")
			}
		}))
		v := w.dial()
		v.get("/")
		r, err := http.ReadResponse(v.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		event := make([]byte, 9)
		for range 3 { // each event arrives before the next is made
			more <- struct{}{}
			if _, err := io.ReadFull(r.Body, event); err != nil || string(event) != "data: x\n\n" {
				t.Fatalf("got %q, %v", event, err)
			}
		}
		close(more)
		if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 {
			t.Errorf("the end: %q, %v", rest, err)
		}
	}
}

func TestForward_NoAnswerInTimeIsA504(t *testing.T) {
	for name, request := range map[string]string{
		"without a body": "GET / HTTP/1.1\r\n" + toAlice + "\r\n",
		"with a body":    "POST / HTTP/1.1\r\n" + toAlice + "Content-Length: 5\r\n\r\nhello",
		"not even read":  "POST / HTTP/1.1\r\n" + toAlice + "Content-Length: 9000000\r\n\r\n" + strings.Repeat("x", 4<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			answered := make(chan struct{})
			b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
				_, _ = rawHead(br)
				if name == "not even read" {
					<-answered
					return
				}
				_, _ = io.Copy(io.Discard, br)
			})
			d := w.host.door("notes:alice")
			way := w.host.way(1, b)
			way.RequestTimeout = 100 * time.Millisecond
			d.Open(way)
			defer close(answered)
			v := w.dial()
			go func() { _, _ = io.WriteString(v, request) }() // more than anybody takes
			v.hear("GET").wants(t, 504, "Gateway timeout")
		})
	}
}

// request_timeout ends at the head and starts anew for each request on a kept
// connection: neither a stream nor an upload is cut short by an old one.
func TestForward_ADeadlineIsForOneHeadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := answering(t, "unix", func(r *http.Request, body string) string { return ok(body) })
	d := w.host.door("notes:alice")
	way := w.host.way(1, b)
	way.RequestTimeout = 200 * time.Millisecond
	d.Open(way)
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Content-Length: 1\r\n\r\na")
	v.hear("POST").wants(t, 200, "a")
	// A slow upload on the connection that was just used.
	v.say("POST / HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\n")
	for range 8 {
		v.say("1\r\nx\r\n")
		time.Sleep(50 * time.Millisecond)
	}
	v.say("0\r\n\r\n")
	v.hear("POST").wants(t, 200, "xxxxxxxx")
}
