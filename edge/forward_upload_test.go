package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
				if (name == "trailer") != (r.Trailer.Get("X-T") == "1") || (name == "expect") != (r.Header.Get("Expect") != "") {
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
	// What others allocate meanwhile counts too, and under the race detector pools forget.
	if grown := int64(during.TotalAlloc - before.TotalAlloc); grown > size/2 {
		t.Errorf("128 MB in passing allocated %d MB", grown>>20)
	}
}
