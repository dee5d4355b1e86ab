package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// writeIn gives an answer to an answerWriter in pieces of size bytes.
func writeIn(size int, head bool, text string) (a *answerWriter, r *httptest.ResponseRecorder, err error) {
	r = httptest.NewRecorder()
	a = &answerWriter{w: r, rc: http.NewResponseController(r), head: head, pieceBegins: func() {}}
	for text != "" && err == nil {
		piece := text[:min(size, len(text))]
		text = text[len(piece):]
		_, err = a.Write([]byte(piece))
	}
	return a, r, err
}

func TestAnswerWriter_GivesOnWhatHTTP1Says(t *testing.T) {
	for _, c := range []struct {
		text, body string
		head       bool
		status     int
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false, 200},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "", false, 404},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", "hello0123456789", false, 200},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n", "", false, 0}, // the edge writes no extensions
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", true, 200},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", true, 200},
		{"HTTP/1.1 204 No Content\r\n\r\n", "", false, 204},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "", false, 304},
	} {
		for size := 1; size < len(c.text)+1; size++ {
			a, r, err := writeIn(size, c.head, c.text)
			if c.status == 0 {
				if err == nil {
					t.Errorf("%q in pieces of %d: no error", c.text, size)
				}
				continue
			}
			if err != nil || !a.whole() || r.Code != c.status || r.Body.String() != c.body {
				t.Fatalf("%q in pieces of %d: %d %q, whole %v, %v", c.text, size, r.Code, r.Body, a.whole(), err)
			}
		}
	}
}

func TestAnswerWriter_HeadersOfTheConnectionStayAndTrailersGo(t *testing.T) {
	_, r, err := writeIn(9, false, "HTTP/1.1 200 OK\r\nConnection: close\r\nkeep-alive: 5\r\nUpgrade: x\r\nx-a: 1\r\nX-A: 2\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx-sum: 7\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	got := r.Result()
	if h := got.Header; h.Get("Connection")+h.Get("Keep-Alive")+h.Get("Upgrade")+h.Get("Transfer-Encoding") != "" || fmt.Sprint(h["X-A"]) != "[1 2]" {
		t.Errorf("%v", h)
	}
	if got.Trailer.Get("X-Sum") != "7" {
		t.Errorf("trailer %v", got.Trailer)
	}
}

func TestAnswerWriter_WhatIsCutIsNotWhole(t *testing.T) {
	for _, text := range []string{
		"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
	} {
		if a, _, err := writeIn(3, false, text); err != nil || a.whole() {
			t.Errorf("%q: whole %v, %v", text, a.whole(), err)
		}
	}
}

func TestAnswerWriter_WhatNoAnswerIsIsAnError(t *testing.T) {
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, text := range []string{
		"HTTP/2 200\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
		chunks + "-1\r\n", chunks + "x\r\n", chunks + "1\r\nab\r\n", chunks + "0\r\nbad trailer\r\n", chunks + "0\r\n\r\nmore",
	} {
		if _, _, err := writeIn(len(text), false, text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzAnswerWriter(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", 3)
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 7)
	f.Fuzz(func(t *testing.T, text string, size int) {
		if size < 1 || strings.Contains(text, "HTTP/1.1 1") { // a recorder has no interim answers
			return
		}
		a, r, err := writeIn(len(text), false, text)
		b, s, again := writeIn(size, false, text)
		if a.whole() != b.whole() || err == nil && (again != nil || r.Body.String() != s.Body.String()) {
			t.Errorf("whole %v, %q, %v; in pieces of %d %v, %q, %v", a.whole(), r.Body, err, size, b.whole(), s.Body, again)
		}
	})
}
