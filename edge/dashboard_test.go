package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tenement/conf"
)

func (d asker) file(t *testing.T, target string, header ...string) Reply {
	t.Helper()
	c := apiCall("", "GET", target, "")
	c.Header = http.Header{}
	for i := 0; i < len(header); i += 2 {
		c.Header.Set(header[i], header[i+1])
	}
	return d.Serve(context.Background(), c)
}

func TestDashboard_EveryFileIsStrictAboutWhatRuns(t *testing.T) {
	d := newAsker(t)
	targets := []string{"/", "/_tenement/"}
	for name := range dashboardSet() {
		targets = append(targets, "/assets/"+name, "/_tenement/assets/"+name)
	}
	if len(targets) < 20 {
		t.Fatalf("only %q", targets)
	}
	for _, target := range targets {
		r := d.file(t, target)
		policy := lineOf(r, "Content-Security-Policy")
		if r.Status != 200 || len(r.Body) == 0 || r.ContentType == "" || policy == "" {
			t.Errorf("%s: %d, %q, policy %q", target, r.Status, r.ContentType, policy)
		}
		for _, loose := range []string{"unsafe", "*", "http:", "https:", "data:", "blob:"} {
			if strings.Contains(policy, loose) {
				t.Errorf("%s allows %s: %s", target, loose, policy)
			}
		}
		for _, strict := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, strict) {
				t.Errorf("%s does not say %s", target, strict)
			}
		}
		if lineOf(r, "X-Frame-Options") != "DENY" || lineOf(r, "Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %q", target, r.Lines)
		}
	}
}

// What the policy forbids is not in the files, so that nothing of theirs is refused.
func TestDashboard_NothingInlineAndNothingFromElsewhere(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=|javascript:`)
	for name, file := range dashboardSet() {
		text := string(file.plain)
		if strings.HasSuffix(name, ".html") && inline.MatchString(text) {
			t.Errorf("%s has something inline: %q", name, inline.FindString(text))
		}
		if strings.HasPrefix(name, "uplot") {
			continue // its comment has an address
		}
		for _, markup := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
			if strings.Contains(text, markup) {
				t.Errorf("%s uses %s", name, markup)
			}
		}
		if from := regexp.MustCompile(`https?://[a-z]`).FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); from != "" {
			t.Errorf("%s has an address of elsewhere: %s", name, from)
		}
	}
}

// Each file that a file names is there, and no file is there for nothing.
func TestDashboard_FilesNameEachOther(t *testing.T) {
	named := []string{dashboardPage, "uplot.LICENSE.txt"}
	for from, file := range dashboardSet() {
		for _, m := range regexp.MustCompile(`(?:"assets/|from "\./)([a-z.]+)"`).FindAllStringSubmatch(string(file.plain), -1) {
			named = append(named, m[1])
			if _, there := dashboardSet()[m[1]]; !there {
				t.Errorf("%s names %s, which is not there", from, m[1])
			}
		}
	}
	for name, file := range dashboardSet() {
		if !slices.Contains(named, name) {
			t.Errorf("nobody names %s", name)
		}
		if file.kind == "" {
			t.Errorf("%s is of no known kind", name)
		}
	}
}

func TestDashboard_IsPackedAndSentOnce(t *testing.T) {
	d := newAsker(t)
	plain := d.file(t, "/assets/app.js")
	packed := d.file(t, "/assets/app.js", "Accept-Encoding", "br, gzip")
	if lineOf(plain, "Content-Encoding") != "" || lineOf(packed, "Content-Encoding") != "gzip" || len(packed.Body) >= len(plain.Body) {
		t.Fatalf("%d and %d bytes, %q", len(plain.Body), len(packed.Body), packed.Lines)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed.Body))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(r); err != nil || !bytes.Equal(unpacked, plain.Body) {
		t.Errorf("unpacked it is another: %v", err)
	}
	again := d.file(t, "/assets/app.js", "If-None-Match", lineOf(plain, "ETag"))
	if again.Status != 304 || len(again.Body) > 0 || lineOf(again, "Content-Security-Policy") == "" {
		t.Errorf("asked again: %d, %d bytes", again.Status, len(again.Body))
	}
	if other := d.file(t, "/assets/app.js", "If-None-Match", `"old"`); other.Status != 200 {
		t.Errorf("asked with an old one: %d", other.Status)
	}
	for accepts, takes := range map[string]bool{"": false, "gzip": true, "GZIP, br": true, "deflate": false, "gzip;q=0": false, "xgzip": false} {
		if takesGzip(accepts) != takes {
			t.Errorf("%q: %t", accepts, !takes)
		}
	}
}

func TestDashboard_OtherFilesAreNotThere(t *testing.T) {
	d := newAsker(t)
	for _, target := range []string{"/assets/nothing.js", "/assets/..", "/assets/%2e%2e", "/_tenement/assets/x"} {
		d.file(t, target).wants(t, 404, "no such file")
	}
	for _, target := range []string{"/assets/", "/assets/a/b", "/assets/../app.js", "/_tenement/x"} {
		d.file(t, target).wants(t, 404, "no such route")
	}
	if r := d.file(t, "/_tenement"); r.Status != 308 || lineOf(r, "Location") != "/_tenement/" {
		t.Errorf("%d %q", r.Status, r.Lines)
	}
	if r := d.Serve(context.Background(), apiCall("", "POST", "/", "")); r.Status != 405 {
		t.Errorf("a POST: %d", r.Status)
	}
}

// Over the wire: the lines arrive, a cookie and its secret are read, and what a
// proxy says counts when it is trusted.
func TestDashboard_TheServerSendsAndReadsItsLines(t *testing.T) {
	t.Parallel()
	calls := make(chan *Call, 1)
	w := newWorld(t, func(o *ServerOptions) { o.TrustedProxies = loopback })
	w.server.api = answerAPI(func(_ context.Context, c *Call) Reply {
		calls <- c
		return Reply{Status: 200, ContentType: "text/plain", Body: []byte("x"), Lines: [][2]string{{"Content-Security-Policy", "default-src 'none'"}, {"Set-Cookie", "a=b; Path=/api"}}}
	})
	v := w.dial()
	v.say("GET /api/session HTTP/1.1\r\nHost: Example.test:8080\r\nCookie: a=1\r\ncookie: b=2\r\nX-CSRF-Token: secret\r\nOrigin: http://example.test\r\nX-Forwarded-Proto: https\r\nX-Other: no\r\n\r\n")
	h := v.hear("GET")
	h.wants(t, 200, "x")
	for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "Set-Cookie": "a=b; Path=/api", "X-Content-Type-Options": "nosniff"} {
		if got := h.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	c := <-calls
	if c.Host != "example.test:8080" || !c.Secure || len(c.Header["Cookie"]) != 2 || c.Header.Get(csrfHeader) != "secret" || c.Header.Get("Origin") == "" || len(c.Header) != 3 {
		t.Errorf("read %+v", c)
	}
	v.say("GET /api/session HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-Host: panel.example.org\r\n\r\n")
	v.hear("GET").wants(t, 200, "x")
	if c := <-calls; c.Host != "panel.example.org" || c.Secure {
		t.Errorf("behind a proxy: %q, %t", c.Host, c.Secure)
	}
}

func TestDashboard_AStrangersForwardedLinesCountForNothing(t *testing.T) {
	t.Parallel()
	calls := make(chan *Call, 1)
	w := newWorld(t)
	w.server.api = answerAPI(func(_ context.Context, c *Call) Reply {
		calls <- c
		return Reply{Status: 200}
	})
	v := w.dial()
	v.say("GET /api/session HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n\r\n")
	v.hear("GET")
	if c := <-calls; c.Host != "example.test" || c.Secure {
		t.Errorf("read %q, secure %t", c.Host, c.Secure)
	}
}

// A tenant's host name never leads to the dashboard (S14), and where a service has
// the front page it is at /_tenement/.
func TestDashboard_IsAtTheDomainAlone(t *testing.T) {
	for _, c := range []struct {
		host, path, front string
		to                place
	}{
		{"example.test", "/", "", toAPI},
		{"example.test", "/assets/app.js", "", toAPI},
		{"example.test", "/", "notes", toApex},
		{"example.test", "/assets/app.js", "notes", toApex},
		{"example.test", "/_tenement", "notes", toAPI},
		{"example.test", "/_tenement/assets/app.js", "notes", toAPI},
		{"example.test", "/api/login", "notes", toAPI},
		{"alice.notes.example.test", "/_tenement/", "", toTenant},
		{"alice.notes.example.test", "/api/login", "", toTenant},
	} {
		routing := conf.Routing{Default: c.front}
		if got := routeFor(&routing, "example.test", hostname{name: c.host}, c.path); got.to != c.to {
			t.Errorf("%s%s with default %q leads to %d", c.host, c.path, c.front, got.to)
		}
	}
}
