package edge

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// readAs is a request as somebody read it, the tenant or net/http.
type readAs struct{ method, target, body string }

// arrivals are the whole requests that reached the tenant, and what is wrong
// with their bytes.
type arrivals struct {
	mu    sync.Mutex
	whole []readAs
	wrong []string
}

// take gives what has arrived since the last call.
func (a *arrivals) take() (whole []readAs, wrong []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	whole, wrong = a.whole, a.wrong
	a.whole, a.wrong = nil, nil
	return whole, wrong
}

func (a *arrivals) note(s readAs, wrong string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.whole = append(a.whole, s)
	if wrong != "" {
		a.wrong = append(a.wrong, wrong)
	}
}

// serve is a tenant that notes what it gets; nothing may follow a request that
// has not been answered.
func (a *arrivals) serve(_ *backend, c net.Conn, br *bufio.Reader) {
	for {
		head, err := rawHead(br)
		if err != nil {
			return
		}
		in := bufio.NewReader(io.MultiReader(strings.NewReader(head), br))
		r, err := http.ReadRequest(in)
		if err != nil {
			a.note(readAs{}, "net/http cannot read "+head)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off, and seen to be
		}
		wrong := ""
		if bare := strings.ReplaceAll(head, "\r\n", ""); strings.ContainsAny(bare, "\r\n\x00") {
			wrong = "a line end too many in " + head
		}
		if in.Buffered() > 0 || br.Buffered() > 0 {
			wrong = "bytes behind " + head
		}
		a.note(readAs{r.Method, r.RequestURI, string(body)}, wrong)
		if _, err := io.WriteString(c, ok("fine")); err != nil {
			return
		}
	}
}

// netHTTP is how net/http reads what a visitor sent: the requests for alice. It
// is laxer than the edge almost everywhere; sure is false where it is stricter.
func netHTTP(raw string) (all []readAs, sure bool) {
	br := bufio.NewReader(strings.NewReader(raw))
	for {
		for { // empty lines in front, which it does not skip
			next, _ := br.Peek(1)
			if len(next) == 0 || next[0] != '\r' && next[0] != '\n' {
				break
			}
			_, _ = br.ReadByte()
		}
		r, err := http.ReadRequest(br)
		if err != nil {
			return all, !strings.Contains(err.Error(), "invalid URL escape") && !strings.Contains(err.Error(), "invalid character")
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return all, true
		}
		host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
		if strings.TrimSuffix(host, ".") != "alice.notes.example.test" {
			continue
		}
		target := r.RequestURI
		if !strings.HasPrefix(target, "/") && target != "*" {
			target = r.URL.RequestURI()
			if r.Method == "OPTIONS" && r.URL.Path == "" && r.URL.RawQuery == "" {
				target = "*"
			}
		}
		all = append(all, readAs{r.Method, target, string(body)})
	}
}

// Whatever a visitor sends: what reaches the tenant whole is what net/http reads
// in the same bytes, in the same order, and nothing besides.
func FuzzServer_WhatArrivesIsWhatNetHTTPReads(f *testing.F) {
	const toAlice = "Host: alice.notes.example.test\r\n"
	for _, seed := range []string{
		"GET / HTTP/1.1\r\n" + toAlice + "\r\n",
		"GET /1 HTTP/1.1\r\n" + toAlice + "\r\nGET /2 HTTP/1.1\r\n" + toAlice + "X: y\r\n\r\n",
		"POST / HTTP/1.1\r\n" + toAlice + "Content-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\n" + toAlice + "\r\n",
		"POST / HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: u\r\n\r\nGET /2 HTTP/1.1\r\n" + toAlice + "\r\n",
		"GET /1 HTTP/1.1\r\n" + toAlice + "\r\nPOST / HTTP/1.1\r\n" + toAlice + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /1 HTTP/1.1\r\n" + toAlice + "\r\nGET / HTTP/1.1\r\n" + toAlice + " folded\r\n\r\n",
		"OPTIONS http://alice.notes.example.test HTTP/1.1\r\n" + toAlice + "\r\n",
		"GET / HTTP/1.0\r\n" + toAlice + "\r\nGET /2 HTTP/1.1\r\n" + toAlice + "\r\n",
		"\r\nHEAD /a?b=%2f HTTP/1.1\n" + toAlice + "Connection: x, close\r\nX : y\r\n\r\n",
	} {
		f.Add(seed)
	}
	w := newWorld(f)
	a := &arrivals{}
	w.tenant(newBackend(f, "unix", a.serve))
	// Not TCP: each of many thousand connections would hold a port for a minute.
	l, err := net.Listen("unix", filepath.Join(f.TempDir(), "s"))
	if err != nil {
		f.Fatal(err)
	}
	go w.server.Serve(l) // ends with the world
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, raw) // fails where the edge has heard enough
		_ = c.(*net.UnixConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%q: no end", raw)
		}
		got, wrong := a.take()
		if len(wrong) > 0 {
			t.Fatalf("%q: %s", raw, wrong[0])
		}
		want, sure := netHTTP(raw)
		for i, one := range got {
			if i >= len(want) && !sure {
				return
			}
			if i >= len(want) || one != want[i] {
				t.Fatalf("%q: number %d arrived as %q; net/http reads %q", raw, i+1, one, want)
			}
		}
	})
}

// A comparison with nothing in it would always pass: both sides see these.
func TestServer_TheFuzzersReferenceReadsWhatArrives(t *testing.T) {
	t.Parallel()
	const toAlice = "Host: alice.notes.example.test\r\n"
	w := newWorld(t)
	a := &arrivals{}
	w.tenant(newBackend(t, "unix", a.serve))
	v := w.dial()
	raw := "\r\nGET http://alice.notes.example.test?q HTTP/1.1\r\n" + toAlice + "\r\nPOST /2 HTTP/1.1\r\n" + toAlice + "Content-Length: 5\r\n\r\nhello" +
		"PUT /3 HTTP/1.1\r\n" + toAlice + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
	v.say(raw)
	for _, method := range []string{"GET", "POST", "PUT"} {
		v.hear(method).wants(t, 200, "fine")
	}
	got, wrong := a.take()
	want, sure := netHTTP(raw)
	if len(wrong) > 0 || !sure || len(got) != 3 || !slices.Equal(got, want) {
		t.Errorf("arrived %q (%q), net/http reads %q", got, wrong, want)
	}
	if others, _ := netHTTP("GET / HTTP/1.1\r\nHost: bob.notes.example.test\r\n\r\n"); len(others) > 0 {
		t.Errorf("bob's is taken for alice's: %q", others)
	}
}
