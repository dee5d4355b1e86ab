package main

import (
	"strings"
	"testing"
)

const strictHead = "POST /x HTTP/1.1\r\nHost: a.test\r\n"

func TestStrict_EveryAmbiguityIsNamed(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[string]string{
		"GET / HTTP/1.1\nHost: a\n\n":                                            "bare LF",
		"GET / HTTP/1.1\nHost: a\r\n\r\n":                                        "control byte",
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n":                           "control byte",
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n":                         "control byte",
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n":                                     "request line",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n":                                      "request line",
		"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n":                                   "request line",
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n":                                     "field line",
		"GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n":                             "field line",
		"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n":                           "field line",
		"GET / HTTP/1.1\r\n\r\n":                                                 "0 Host fields",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n":                           "2 Host fields",
		"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n":                                    "Host",
		"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n":                              "target",
		strictHead + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":   "both Transfer-Encoding",
		strictHead + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx":           "2 Content-Length",
		strictHead + "Content-Length: +1\r\n\r\nx":                               "Content-Length",
		strictHead + "Content-Length: 1, 1\r\n\r\nx":                             "Content-Length",
		strictHead + "Transfer-Encoding: Chunked, chunked\r\n\r\n":               "Transfer-Encoding",
		"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n":       "chunks in HTTP/1.0",
		strictHead + "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n":   "chunk line",
		strictHead + "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n":       "chunk line",
		strictHead + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n":    "chunk data",
		strictHead + "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n":   "trailer line",
		strictHead + "Content-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nbad\r\n\r\n":   "field line",
		strictHead + "Transfer-Encoding: chunked\r\n\r\n1;\na\r\nx\r\n0\r\n\r\n": "chunk line",
	} {
		if _, err := parseAll([]byte(bytes)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bytes, err, want)
		}
	}
}

func TestStrict_PlainMessagesAreReadWhole(t *testing.T) {
	t.Parallel()
	text := "GET /a?b HTTP/1.1\r\nHost: a.test:80\r\nX:\r\n\r\n" +
		strictHead + "Content-Length: 3\r\n\r\nabc" +
		strictHead + "Transfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nT: u\r\n\r\n" +
		"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n" +
		"GET http://a.test/x HTTP/1.1\r\nHost: A.test\r\n\r\n" +
		strictHead + "Content-Length: 9\r\n\r\nshort"
	all, err := parseAll([]byte(text))
	if err != nil || len(all) != 6 {
		t.Fatalf("%d messages, %v", len(all), err)
	}
	for i, want := range []struct {
		target, body, trailer string
		whole                 bool
	}{
		{"/a?b", "", "", true}, {"/x", "abc", "", true}, {"/x", "abc0123456789", "T: u\r\n", true}, {"*", "", "", true}, {"http://a.test/x", "", "", true}, {"/x", "short", "", false},
	} {
		if m := all[i]; m.target != want.target || m.body != want.body || m.trailer != want.trailer || m.whole != want.whole {
			t.Errorf("%d: %+v, want %+v", i, m, want)
		}
	}
	if got := all[0].get("x"); len(got) != 1 || got[0] != "" {
		t.Errorf("an empty field: %q", got)
	}
}

// However the bytes are cut, nothing is called ambiguous or whole too early.
func TestStrict_EveryBeginningIsOnlyIncomplete(t *testing.T) {
	t.Parallel()
	text := strictHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n"
	for n := range len(text) {
		all, err := parseAll([]byte(text[:n]))
		if err != nil || len(all) > 0 && all[0].whole {
			t.Errorf("the first %d bytes: %v, %v", n, all, err)
		}
	}
}
