package edge

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestDomains_AreAddedListedAndRemoved(t *testing.T) {
	for _, c := range []struct {
		target, body string
		status       int
		says, deed   string
	}{
		{"/api/domains", `{"process":"notes","id":"Bob","domain":"BÜCHER.org."}`, 201, `{"domain":"xn--bcher-kva.org","unicode":"bücher.org","instance":"notes:bob"}`, "domain xn--bcher-kva.org notes:bob"},
		{"/api/domains", `{"process":"shop","id":"alice","domain":"shop.org"}`, 200, `{"domain":"shop.org","instance":"shop:alice"}`, "domain shop.org shop:alice"},
		{"/api/domains/remove", `{"domain":"Shop.org"}`, 200, `{"domain":"shop.org","instance":"shop:alice"}`, "no domain shop.org"},
	} {
		d := newAsker(t)
		r := d.ask("admin", "POST", c.target, c.body)
		if r.Status != c.status || string(r.Body) != c.says || strings.Join(d.host.deeds(), ",") != c.deed {
			t.Errorf("%s %s: %d %s, did %q", c.target, c.body, r.Status, r.Body, d.host.deeds())
		}
	}
	d := newAsker(t)
	for token, want := range map[string][]string{"admin": {"shop.org", "xn--bcher-kva.org"}, "alice": {"shop.org"}, "notes-bob": {"xn--bcher-kva.org"}} {
		var got []string
		for _, j := range decodedReply[[]DomainJSON](t, d.ask(token, "GET", "/api/domains", "")) {
			got = append(got, j.Domain)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s sees %q, want %q", token, got, want)
		}
	}
}

func TestDomains_RefusalsSayWhy(t *testing.T) {
	d := newAsker(t)
	add := func(domain string) string { return `{"process":"notes","id":"bob","domain":"` + domain + `"}` }
	for _, c := range []struct {
		token, target, body string
		status              int
		says                string
	}{
		{"alice", "/api/domains", add("a.org"), 403, "needs an admin token"},
		{"alice", "/api/domains/remove", `{"domain":"shop.org"}`, 403, "needs an admin token"},
		{"admin", "/api/domains", add("shop.org"), 409, "shop.org leads to shop:alice already: `ten domain remove shop.org` frees it"},
		{"admin", "/api/domains", add("example.test"), 409, "example.test is tenement's own"},
		{"admin", "/api/domains", `{"process":"notes","id":"eve","domain":"a.org"}`, 404, "ten register"},
		{"admin", "/api/domains", `{"process":"notes","domain":"a.org"}`, 400, `field \"id\" is missing`},
		{"admin", "/api/domains", `{"process":"notes","id":"bob"}`, 400, `field \"domain\" is missing`},
		{"admin", "/api/domains", "", 400, "no body"},
		{"admin", "/api/domains/remove", "{", 400, "JSON"},
		{"admin", "/api/domains/remove", `{"domain":"other.org"}`, 404, "other.org: no tenant has this domain: `ten domain list` lists them"},
		{"admin", "/api/domains/remove", `{"domain":"x"}`, 400, "no dot"},
	} {
		d.ask(c.token, "POST", c.target, c.body).wants(t, c.status, c.says)
	}
	if len(d.host.deeds()) > 0 {
		t.Errorf("done all the same: %q", d.host.deeds())
	}
	d.host.fail = errors.New("disk on fire")
	d.ask("admin", "POST", "/api/domains", add("a.org")).wants(t, 500, "cannot add a.org to notes:bob: "+"disk on fire")
	d.ask("admin", "POST", "/api/domains/remove", `{"domain":"shop.org"}`).wants(t, 500, "cannot remove shop.org: "+"disk on fire")
}

func TestParseDomain_ReadsWhatPeopleWrite(t *testing.T) {
	for in, want := range map[string]string{
		"Shop.Example.org": "shop.example.org", "bücher.example": "xn--bcher-kva.example", "XN--Bcher-KVA.example": "xn--bcher-kva.example",
		"straße.de": "xn--strae-oqa.de", "日本語。jp": "xn--wgv71a119e.jp", "a.org.": "a.org",
	} {
		if got, err := parseDomain(in); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for in, says := range map[string]string{
		"xn--a.org": `"xn--a.org": not a domain that a tenant can have: idna`, "xn--zzzzzz999.org": "xn--", "a_b.org": "only a-z", "*.org": "wildcard", "a\u200db.org": "idna",
		"-a.org": "-", "127.0.0.1": "an address", strings.Repeat("ü", 3000) + ".org": "more than 253", "аpple.com:443": "idna",
	} {
		if got, err := parseDomain(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q, %v, want %q", in, got, err, says)
		}
	}
}

func TestRoute_ACustomersDomainLeadsToItsTenant(t *testing.T) {
	w := newWorld(t)
	w.tenant(answering(t, "unix", func(r *http.Request, _ string) string { return ok("alice for " + r.Host) }))
	w.host.domain("shop.example.org", "notes:alice")
	w.host.domain("ghost.example.org", "notes:ghost")
	for host, want := range map[string]string{
		"shop.example.org": "200 alice for shop.example.org", "SHOP.example.org.:80": "200 alice for shop.example.org:80",
		"www.shop.example.org": "404 Not found", "ghost.example.org": "404 Not found", "example.org": "404 Not found",
	} {
		r := w.ask("GET", "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if got := strings.TrimSpace(r.Status[:3] + " " + r.text); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

// A customer's domain has none of the daemon's own pages.
func TestRoute_ACustomersDomainHasNoAPI(t *testing.T) {
	w := newWorld(t)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		head, _ := rawHead(br)
		path := strings.Fields(head)[1]
		_, _ = c.Write([]byte(ok("the app's " + path)))
	}))
	w.host.domain("shop.example.org", "notes:alice")
	w.ask("GET", "GET /api/instances HTTP/1.1\r\nHost: shop.example.org\r\n\r\n").wants(t, 200, "the app's /api/instances")
}
