package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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
		"interim answers":      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", 200, "hi"},
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
				v.say("GET / HTTP/", version, "\r\n", toAlice, "\r\n")
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
	w.tenant(raw(t, "HTTP/1.1 200 Fine\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-CASE: Kept\r\nserver: mine\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nhi"))
	v := w.dial()
	v.get("/")
	head, err := rawHead(v.br)
	if err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 200 Fine\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-CASE: Kept\r\nserver: mine\r\nContent-Length: 2\r\n\r\n"
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
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: alice.notes.example.test:81\r\n\r\n"
	if got := <-heads; got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestForward_BodiesArriveWholeAndFramedAnew(t *testing.T) {
	for name, c := range map[string]struct{ request, want string }{
		"length":  {"Content-Length: 5\r\n\r\nhello", "hello"},
		"empty":   {"Content-Length: 0\r\n\r\n", ""},
		"none":    {"\r\n", ""},
		"chunked": {"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"},
		"trailer": {"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "hello"},
		"expect":  {"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
				if r.Header.Get("Expect") != "" || len(r.Trailer) > 0 {
					return ""
				}
				return ok(strconv.FormatInt(r.ContentLength, 10) + " " + body)
			}))
			length := int64(len(c.want))
			if strings.Contains(c.request, "chunked") {
				length = -1
			}
			v := w.dial()
			for range 2 { // the connection is in step after a body
				v.say("POST / HTTP/1.1\r\n", toAlice, c.request)
				if name == "expect" {
					if h, err := rawHead(v.br); err != nil || !strings.HasPrefix(h, "HTTP/1.1 100 ") {
						t.Fatalf("got %q, %v", h, err)
					}
				}
				v.hear("POST").wants(t, 200, strings.TrimSpace(fmt.Sprint(length, " ", c.want)))
			}
		})
	}
}

// What the tenant gets of an upload that ends early must not look whole to it.
func TestForward_ATruncatedUploadIsCutOffForTheTenantToo(t *testing.T) {
	big := strings.Repeat("x", 20<<10)
	for name, upload := range map[string]string{
		"length":           "Content-Length: 100000\r\n\r\n" + big,
		"at a chunk's end": "Transfer-Encoding: chunked\r\n\r\n5000\r\n" + big + "\r\n",
		"inside a chunk":   "Transfer-Encoding: chunked\r\n\r\n9000\r\n" + big,
		"before the end":   "Transfer-Encoding: chunked\r\n\r\n5000\r\n" + big + "\r\n0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bodies := make(chan error, 1)
			w.tenant(newBackend(t, "unix", func(_ *backend, _ net.Conn, br *bufio.Reader) {
				r, err := http.ReadRequest(br)
				if err == nil {
					_, err = io.ReadAll(r.Body)
				}
				bodies <- err
			}))
			v := w.dial()
			v.say("POST / HTTP/1.1\r\n", toAlice, upload)
			_ = v.Conn.(*net.TCPConn).CloseWrite()
			select {
			case err := <-bodies:
				if err == nil {
					t.Error("the tenant believes it has all")
				}
			case <-time.After(patience):
				t.Error("the tenant was never told")
			}
		})
	}
}

func TestForward_ABrokenUploadIsTheVisitorsFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(saying(t, "fine"))
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\nzz\r\n")
	v.hear("POST").wants(t, 400, "Bad request")
	v.ends()
}

// The sender's last steps race with a quick answer: the connection must live.
func TestForward_APostLeavesBothConnectionsUsable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := answering(t, "unix", func(_ *http.Request, body string) string { return ok(body) })
	w.tenant(b)
	v := w.dial()
	for i := range 300 {
		text := strconv.Itoa(i)
		v.say("POST / HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\n", strconv.FormatInt(int64(len(text)), 16), "\r\n", text, "\r\n0\r\n\r\n")
		if h := v.hear("POST").wants(t, 200, text); h.Close {
			t.Fatal("the visitor's connection is closed")
		}
	}
	if n := b.conns.Load(); n > 3 { // a pause of the machine may let one go
		t.Errorf("300 requests took %d connections to the tenant", n)
	}
}

func TestForward_AnEarlyAnswerIsSeenDuringTheUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
		_, _ = io.Copy(io.Discard, br)
	}))
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Content-Length: 100000000\r\n\r\n", strings.Repeat("x", 64<<10))
	v.hear("POST").wants(t, 413, "large") // though the upload has not ended
}

// The visitor has sent more than anybody reads: closing at once would reset the
// connection and take the answer with it.
func TestForward_AnEarlyAnswerSurvivesTheUnreadUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
	}))
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Content-Length: 100000000\r\n\r\n")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		block := []byte(strings.Repeat("x", 64<<10))
		for range 8 {
			if _, err := v.Write(block); err != nil {
				return
			}
		}
	}()
	<-sent
	v.hear("POST").wants(t, 413, "large")
}

func TestForward_UploadAndAnswerRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.host.door("notes:alice")
	b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				fmt.Fprintf(c, "%x\r\n%s\r\n", n, buf[:n])
			}
			if err != nil {
				break
			}
		}
		// Longer than request_timeout, which ended with the head.
		time.Sleep(300 * time.Millisecond)
		_, _ = io.WriteString(c, "3\r\nend\r\n0\r\n\r\n")
	})
	way := w.host.way(1, b)
	way.RequestTimeout = 150 * time.Millisecond
	d.Open(way)
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
	r, err := http.ReadResponse(v.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != "one" {
		t.Fatalf("got %q, %v before the upload ended", got, err)
	}
	v.say("3\r\ntwo\r\n0\r\n\r\n")
	if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != "twoend" {
		t.Errorf("got %q, %v", rest, err)
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
			b := newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
				_, _ = rawHead(br)
				if name == "not even read" {
					time.Sleep(patience / 10)
					return
				}
				_, _ = io.Copy(io.Discard, br)
			})
			d := w.host.door("notes:alice")
			way := w.host.way(1, b)
			way.RequestTimeout = 100 * time.Millisecond
			d.Open(way)
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

func TestForward_LargeBodiesPassThroughInLittleMemory(t *testing.T) {
	const size = 64 << 20
	w := newWorld(t)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Got: %d\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", n, size)
		block := make([]byte, 256<<10)
		for sent := 0; sent < size; sent += len(block) {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}))
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Content-Length: ", strconv.Itoa(size), "\r\n\r\n")
	block := make([]byte, 256<<10)
	for sent := 0; sent < size; sent += len(block) {
		if _, err := v.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.ReadResponse(v.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r.Body)
	runtime.ReadMemStats(&during)
	if err != nil || n != size || r.Header.Get("X-Got") != strconv.Itoa(size) {
		t.Errorf("%s bytes went up and %d came down: %v", r.Header.Get("X-Got"), n, err)
	}
	if grown := int64(during.TotalAlloc - before.TotalAlloc); grown > size/4 {
		t.Errorf("128 MB in passing allocated %d MB", grown>>20)
	}
}

func BenchmarkForward_Warm(b *testing.B) {
	t := &testing.T{}
	w := newWorld(t)
	back := saying(t, strings.Repeat("x", 128))
	w.tenant(back)
	request := []byte("GET / HTTP/1.1\r\n" + toAlice + "\r\n")
	bench := func(b *testing.B, network, address string) {
		c, err := net.Dial(network, address)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		br := bufio.NewReader(c)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Write(request); err != nil {
				b.Fatal(err)
			}
			if _, err := rawHead(br); err != nil {
				b.Fatal(err)
			}
			if _, err := br.Discard(128); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("direct", func(b *testing.B) { bench(b, back.endpoint.Network, back.endpoint.Address) })
	b.Run("edge", func(b *testing.B) { bench(b, "tcp", w.addr) })
}
