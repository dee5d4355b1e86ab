package edge

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"tenement/conf"
)

var anyLimits = conf.DefaultClients()

// checked is a request by its parts, which has to be a good one.
func checked(t *testing.T, r request, length int64) *request {
	t.Helper()
	if r.method == nil {
		r.method, r.target = []byte("GET"), []byte("/")
	}
	r.remote = netip.MustParseAddr("192.0.2.7")
	if err := r.check(&anyLimits); err != nil {
		t.Fatal(err)
	}
	if r.length != length {
		t.Fatalf("a body of %d, want %d", r.length, length)
	}
	return &r
}

// forwardedHeaders is the head that a tenant gets, read by net/http.
func forwardedHeaders(t *testing.T, r *request) *http.Request {
	t.Helper()
	got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.head(nil))))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRequest_WhatEndsAtThisHopGoesNoFurther(t *testing.T) {
	t.Parallel()
	r := checked(t, request{headers: []byte("Host: A.example.test.:81\r\nConnection: X-Mine, keep-alive\r\nconnection: Host\r\nX-Mine: 1\r\nTE: trailers\r\nUpgrade: h2c\r\n" +
		"Keep-Alive: 5\r\nProxy-Authorization: x\r\nTrailer: X\r\nX_Real_Ip: 1\r\nContent_Length: 5\r\nExpect: 100-continue\r\nCookie: a\r\nCookie: b\r\nAuthorization: t\r\nx-CASE: kept\r\n")}, noBody)
	raw := string(r.head(nil))
	want := "GET / HTTP/1.1\r\nHost: a.example.test:81\r\nCookie: a\r\nCookie: b\r\nAuthorization: t\r\nx-CASE: kept\r\n" +
		"Connection: TE\r\nTE: trailers\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example.test:81\r\nX-Request-Id: " + strings.Repeat("0", 32) + "\r\nVia: 1.1 tenement\r\n\r\n"
	if raw != want {
		t.Errorf("got  %q\nwant %q", raw, want)
	}
}

func TestRequest_AVisitorsForwardedHeadersAreItsOwnInventions(t *testing.T) {
	t.Parallel()
	said := "Host: a.test\r\nX-Forwarded-For: 1.1.1.1\r\nX-FORWARDED-PROTO: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=1.1.1.1\r\nX_Forwarded_For: 9\r\n"
	h := forwardedHeaders(t, checked(t, request{headers: []byte(said)}, noBody)).Header
	if h.Get("X-Forwarded-For") != "192.0.2.7" || h.Get("X-Forwarded-Proto") != "http" || h.Get("X-Forwarded-Host") != "a.test" || len(h) != 5 {
		t.Errorf("a stranger was believed: %v", h)
	}
	h = forwardedHeaders(t, checked(t, request{headers: []byte(said), trusted: true, secure: true}, noBody)).Header
	if h.Get("X-Forwarded-For") != "1.1.1.1, 192.0.2.7" || h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-Host") != "evil" ||
		h.Get("X-Forwarded-Port") != "1" || h.Get("Forwarded") == "" || len(h) != 7 {
		t.Errorf("a trusted proxy was not believed: %v", h)
	}
	h = forwardedHeaders(t, checked(t, request{headers: []byte("Host: a.test\r\n"), secure: true}, noBody)).Header
	if h.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("TLS is not told: %v", h)
	}
}

func TestRequest_TheVisitorIsTheLastWhomNoTrustedProxyIs(t *testing.T) {
	t.Parallel()
	trusts := func(a netip.Addr) bool { return a.IsPrivate() || a == netip.MustParseAddr("192.0.2.7") }
	for chain, want := range map[string]string{
		"":                              "192.0.2.7",
		"203.0.113.1":                   "203.0.113.1",
		"1.1.1.1, 203.0.113.1":          "203.0.113.1",
		"203.0.113.1, 10.0.0.1":         "203.0.113.1",
		"10.0.0.2,10.0.0.1":             "10.0.0.2",
		"nonsense":                      "192.0.2.7",
		"203.0.113.1, , 10.0.0.1":       "10.0.0.1",
		"::ffff:203.0.113.9":            "203.0.113.9",
		"a\r\nX-Forwarded-For: 2.2.2.2": "2.2.2.2",
	} {
		r := checked(t, request{headers: []byte("Host: a.test\r\nX-Forwarded-For: " + chain + "\r\n"), trusted: true}, noBody)
		if got := r.visitor(trusts); got.String() != want {
			t.Errorf("%q: got %v, want %s", chain, got, want)
		}
	}
	r := checked(t, request{headers: []byte("Host: a.test\r\nX-Forwarded-For: 1.1.1.1\r\n")}, noBody)
	if got := r.visitor(trusts); got.String() != "192.0.2.7" {
		t.Errorf("a stranger passes as %v", got)
	}
}

func TestRequest_ABodyIsFramedAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, headers string
		length          int64
		want            string
	}{
		{"POST", "Content-Length: 007\r\n", 7, "Content-Length: 7\r\n"},
		{"POST", "Content-Length: 5\r\ncontent-length: 5\r\n", 5, "Content-Length: 5\r\n"},
		{"POST", "Transfer-Encoding: ChunkeD\r\n", chunked, "Transfer-Encoding: chunked\r\n"},
		{"POST", "", noBody, "Content-Length: 0\r\n"},
		{"PUT", "Content-Length: 0\r\n", noBody, "Content-Length: 0\r\n"},
		{"GET", "Content-Length: 0\r\n", noBody, ""},
		{"DELETE", "", noBody, ""},
	} {
		head := string(checked(t, request{method: []byte(c.method), target: []byte("/"), headers: []byte("Host: a.test\r\n" + c.headers)}, c.length).head(nil))
		framing := ""
		for _, line := range strings.SplitAfter(head, "\r\n") {
			if strings.HasPrefix(line, "Content-Length") || strings.HasPrefix(line, "Transfer") {
				framing += line
			}
		}
		if framing != c.want {
			t.Errorf("%s with %q: got %q, want %q", c.method, c.headers, framing, c.want)
		}
	}
}

func TestRequest_TheTargetIsBroughtToOriginForm(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/":                          "/",
		"//evil.test/x":              "//evil.test/x",
		"/?http://evil.test/":        "/?http://evil.test/",
		"http://a.test":              "/",
		"HTTPS://A.test.:80/x?y=://": "/x?y=://",
		"http://a.test?q":            "/?q",
		"/\xc3\xbc":                  "/\xc3\xbc",
		"/%00%2f..%2f":               "/%00%2f..%2f",
		"*":                          "",
		"":                           "",
		"x":                          "",
		"a.test:80":                  "",
		"http:/a.test/":              "",
		"ftp://a.test/":              "",
		"x/http://a.test/":           "",
		"://a.test/":                 "",
		"http://b.test/":             "",
		"http://a.test:81/":          "",
		"http://u@a.test/":           "",
		"http:///":                   "",
		"/a b":                       "",
		"/a\tb":                      "",
		"/a\r\nX: y":                 "",
		"/#f":                        "",
		"/\x7f":                      "",
		"/\x00":                      "",
	} {
		r := request{method: []byte("GET"), target: []byte(target), headers: []byte("Host: a.test\r\n")}
		if err := r.check(&anyLimits); (err == nil) != (want != "") || err == nil && string(r.target) != want {
			t.Errorf("%q: got %q, %v", target, r.target, err)
		}
	}
}

// Whatever a stranger sends: what passes is one request to net/http too, with
// the method, the target and the host that were checked, and no header beside
// those that were sent and ours.
func FuzzRequest_WhatIsForwardedReadsAsItWasChecked(f *testing.F) {
	f.Add("GET", "/", "Host: a.test\r\n", int64(0), false)
	f.Add("POST", "/x?y", "Host: a.test:80\r\nContent-Length: 5\r\nConnection: X-A\r\nX-A: 1\r\n", int64(5), true)
	f.Add("POST", "http://a.test/x", "Host: A.test\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 1\r\n", int64(-1), true)
	f.Add("OPTIONS", "*", "Host: [::1]:1\r\nX_Y: 1\r\n\r\nIgnored: x\r\n", int64(0), false)
	f.Add("GET", "/\r\nX: y", "Host: a\r\nX: \r\r\n", int64(0), false)
	f.Fuzz(func(t *testing.T, method, target, headers string, _ int64, trusted bool) {
		r := request{method: []byte(method), target: []byte(target), headers: []byte(headers), trusted: trusted, remote: netip.MustParseAddr("192.0.2.7")}
		if !isToken(r.method) || method == "CONNECT" || r.check(&anyLimits) != nil { // the server refuses those methods
			return
		}
		head := r.head(nil)
		br := bufio.NewReader(bytes.NewReader(head))
		got, err := http.ReadRequest(br)
		if err != nil {
			if _, bad := url.ParseRequestURI(string(r.target)); bad != nil {
				return // net/http wants valid escapes, which is the tenant's business
			}
			t.Fatalf("%q does not read: %v", head, err)
		}
		if rest, _ := io.ReadAll(br); len(rest) != 0 {
			t.Fatalf("%q is more than a head: %q", head, rest)
		}
		if got.Method != method || got.RequestURI != string(r.target) || got.Host != string(r.host.appendTo(nil)) || got.ProtoMinor != 1 {
			t.Fatalf("%q reads as %s %s at %s", head, got.Method, got.RequestURI, got.Host)
		}
		switch {
		case r.length == chunked && (len(got.TransferEncoding) != 1 || got.ContentLength != -1), r.length >= 0 && got.ContentLength != r.length:
			t.Fatalf("%q: a body of %d reads as %d", head, r.length, got.ContentLength)
		}
		sent := map[string]bool{"X-Forwarded-For": true, "X-Forwarded-Proto": true, "X-Forwarded-Host": true, "Content-Length": true, "X-Request-Id": true, "Via": true}
		_ = eachField(r.headers, func(name, _ []byte) error { sent[http.CanonicalHeaderKey(string(name))] = true; return nil })
		wished := map[string]bool{"Connection": r.trails || r.upgrade != nil, "Te": r.trails, "Upgrade": r.upgrade != nil, "Trailer": r.length == chunked}
		for name, values := range got.Header {
			if wished[name] {
				continue
			}
			if !sent[name] || strings.Contains(name, "_") || hopByHop([]byte(name)) {
				t.Fatalf("%q: %s came from nowhere", head, name)
			}
			if strings.HasPrefix(name, "X-Forwarded-") && (len(values) != 1 && sent[name] && (name == "X-Forwarded-For" || name == "X-Forwarded-Proto" || name == "X-Forwarded-Host")) {
				t.Fatalf("%q: %s has %d values", head, name, len(values))
			}
		}
	})
}

func TestRequest_EachHopAddsItself(t *testing.T) {
	t.Parallel()
	h := forwardedHeaders(t, checked(t, request{headers: []byte("Host: a.test\r\nVia: 1.1 edge\r\n")}, noBody)).Header
	if got := strings.Join(h["Via"], ", "); got != "1.1 edge, 1.1 tenement" {
		t.Errorf("via %q", got)
	}
	h = forwardedHeaders(t, checked(t, request{headers: []byte("Host: a.test\r\n"), http10: true}, noBody)).Header
	if got := h.Get("Via"); got != "1.0 tenement" {
		t.Errorf("via %q", got)
	}
}

// RFC 9110, section 7.6.2.
func TestRequest_MaxForwardsCountsDown(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"3": "2", "1": "0", "007": "6", "99999999": "999"} {
		r := checked(t, request{method: []byte("OPTIONS"), target: []byte("*"), headers: []byte("Host: a.test\r\nMax-Forwards: " + value + "\r\n")}, noBody)
		if got := forwardedHeaders(t, r).Header.Get("Max-Forwards"); got != want {
			t.Errorf("%s became %q", value, got)
		}
	}
	for value, status := range map[string]int{"0": 204, "-1": 400, "x": 400, "": 400} {
		r := request{method: []byte("OPTIONS"), target: []byte("*"), headers: []byte("Host: a.test\r\nMax-Forwards: " + value + "\r\n")}
		if f, ok := r.check(&anyLimits).(*fault); !ok || f.status != status {
			t.Errorf("%q: %v", value, f)
		}
	}
	r := checked(t, request{headers: []byte("Host: a.test\r\nMax-Forwards: 0\r\n")}, noBody) // of GET it says nothing
	if got := forwardedHeaders(t, r).Header.Get("Max-Forwards"); got != "0" {
		t.Errorf("of a GET became %q", got)
	}
}

// What is remembered of a connection's last request must not reach the next one.
func TestRequest_ARememberedHostIsThatOfItsBytesOnly(t *testing.T) {
	t.Parallel()
	named := &namedHost{}
	for range 2 {
		for host, want := range map[string]string{"a.test": "a.test", "A.test": "a.test", "a.test:81": "a.test:81", "b.test": "b.test", "a.tes": "a.tes", "": "", "a/b": ""} {
			r := request{method: []byte("GET"), target: []byte("/"), headers: []byte("Host: " + host + "\r\n"), named: named}
			if err := r.check(&anyLimits); (err == nil) != (want != "") || err == nil && string(r.host.appendTo(nil)) != want {
				t.Errorf("%q is %q, %v", host, r.host.appendTo(nil), err)
			}
		}
	}
}
