package edge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func readAnswer(in, method string, size int) (answer, string, error) {
	var a answer
	br := bufio.NewReaderSize(strings.NewReader(in), size)
	err := a.readFinal(br, []byte(method), nil, func() error { return nil })
	rest, _ := io.ReadAll(br)
	return a, string(rest), err
}

func TestAnswer_FramingDecidesTheBodyAndTheConnection(t *testing.T) {
	for _, c := range []struct {
		method, in string
		length     int64
		close      bool
	}{
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5, false},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", 5, true},
		{"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", 5, true},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", chunked, false},
		{"GET", "HTTP/1.1 200 OK\r\n\r\n", untilClose, true},
		{"HEAD", "HTTP/1.1 200 OK\r\n\r\n", noBody, false},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", noBody, false},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", noBody, false},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", noBody, false},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", noBody, false},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", noBody, true},
		{"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", noBody, true},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", noBody, false},
		{"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", noBody, true},
	} {
		a, rest, err := readAnswer(c.in+"rest", c.method, 4<<10)
		if err != nil || a.length != c.length || a.close != c.close || rest != "rest" {
			t.Errorf("%s: %q: got %d, close %t, %q left, %v", c.method, c.in, a.length, a.close, rest, err)
		}
	}
}

func TestAnswer_TheHeadGoesOnWithoutWhatEndsHere(t *testing.T) {
	in := "HTTP/1.0 203 Quite So\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nset-cookie: a\r\nset-cookie: b\r\nTrailer: X\r\nContent-Length: 5\r\nContent-Length: 05\r\nServer: me\r\nDate: then\r\n\r\n"
	a, _, err := readAnswer(in, "GET", 4<<10)
	if err != nil {
		t.Fatal(err)
	}
	kept := "HTTP/1.1 203 Quite So\r\nset-cookie: a\r\nset-cookie: b\r\nServer: me\r\nDate: then\r\n"
	for got, want := range map[string]string{
		string(a.head(nil, nil, 5, false)):      kept + "Content-Length: 5\r\n\r\n",
		string(a.head(nil, nil, 5, true)):       kept + "Content-Length: 5\r\nConnection: close\r\n\r\n",
		string(a.head(nil, nil, chunked, true)): strings.Replace(kept, "Server", "Trailer: X\r\nServer", 1) + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
	} {
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	a, _, _ = readAnswer("HTTP/1.1 204 No Content\r\nDate: then\r\nContent-Length: 0\r\n\r\n", "GET", 4<<10)
	if got := string(a.head(nil, nil, noBody, false)); got != "HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n" {
		t.Errorf("a 204 says %q", got)
	}
	a, _, _ = readAnswer("HTTP/1.1 200\r\nDate: then\r\nContent-Length: 9\r\n\r\n", "HEAD", 4<<10)
	if got := string(a.head(nil, nil, noBody, false)); got != "HTTP/1.1 200 \r\nDate: then\r\nContent-Length: 9\r\n\r\n" {
		t.Errorf("an answer to HEAD says %q", got)
	}
}

// A line as long as the reader's buffer comes in two pieces, the second of which
// looks like the empty line at the end of a head.
func TestAnswer_ALineThatFillsTheBufferIsOneLine(t *testing.T) {
	const size = 64
	for long := size - 8; long < 3*size; long++ {
		in := "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", long) + "\r\nContent-Length: 5\r\n\r\nhello"
		if a, rest, err := readAnswer(in, "GET", size); err != nil || a.length != 5 || rest != "hello" {
			t.Fatalf("a value of %d bytes: length %d, %q left, %v", long, a.length, rest, err)
		}
	}
}

func TestAnswer_ItsHeadIsBounded(t *testing.T) {
	for _, in := range []string{
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: yyyyyyyyyyyyyyyy\r\n", 4000),
		"HTTP/1.1 200 " + strings.Repeat("x", 80<<10),
	} {
		if _, _, err := readAnswer(in, "GET", 4<<10); !errors.Is(err, errAnswer) {
			t.Errorf("%.30q…: %v", in, err)
		}
	}
}

func TestAnswer_InterimOnesAreSkippedAndSwitchingIsRefused(t *testing.T) {
	a, rest, err := readAnswer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 7\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx", "GET", 4<<10)
	if err != nil || a.status != 404 || a.length != 1 || rest != "x" {
		t.Errorf("got %d, %d, %q, %v", a.status, a.length, rest, err)
	}
	if _, _, err := readAnswer("HTTP/1.1 101 Switching Protocols\r\n\r\n", "GET", 4<<10); !errors.Is(err, errAnswer) {
		t.Errorf("a switch that nobody asked for: %v", err)
	}
}

// Whatever a tenant says: read in any split it is the same, and what goes on to
// a client is one head with the status that was read.
func FuzzAnswer_WhatGoesOnIsOneHead(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.0 200\nA: b\n\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close, x\r\nX: 1\r\n\r\n", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		a, rest, err := readAnswer(string(in), method, 64<<10)
		var b answer
		br := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(in)), 16)
		e := b.readFinal(br, []byte(method), nil, func() error { return nil })
		if (e == nil) != (err == nil) || err == nil && (a.status != b.status || a.length != b.length || !bytes.Equal(a.raw, b.raw)) {
			t.Fatalf("%q reads as %d, %v and as %d, %v", in, a.status, err, b.status, e)
		}
		if err != nil {
			return
		}
		framing := a.length
		if framing == untilClose {
			framing = chunked
		}
		out := a.head(nil, nil, framing, a.close)
		end := bufio.NewReader(bytes.NewReader(out))
		got, err := http.ReadResponse(end, &http.Request{Method: method})
		if err != nil || got.StatusCode != a.status {
			t.Fatalf("%q went on as %q: %v", in, out, err)
		}
		if !bytes.HasSuffix(out, []byte("\r\n\r\n")) || bytes.Count(out, []byte("\r\n\r\n")) != 1 || bytes.Count(out, []byte("\n")) != bytes.Count(out, []byte("\r\n")) {
			t.Fatalf("%q went on as %q, %q left", in, out, rest)
		}
		if want := fmt.Sprintf("HTTP/1.1 %03d ", a.status); !bytes.HasPrefix(out, []byte(want)) {
			t.Fatalf("%q went on as %q", in, out)
		}
	})
}
