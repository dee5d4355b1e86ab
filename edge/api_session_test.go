package edge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
)

// visitorBrowser is what a browser sends by itself and what our page adds.
type visitorBrowser struct {
	asker
	cookies, csrf  string
	origin, fetch  string // Origin, Sec-Fetch-Site
	site           string
	secure         bool
	authorization  string
	answeredCookie string
}

func newBrowser(t *testing.T) *visitorBrowser {
	return &visitorBrowser{asker: newAsker(t), origin: "https://example.test", fetch: "same-origin", site: "example.test", secure: true}
}

func (b *visitorBrowser) call(method, target, body string) *Call {
	c := apiCall("", method, target, body)
	c.Host, c.Secure, c.Authorization, c.Header = b.site, b.secure, b.authorization, http.Header{}
	for name, value := range map[string]string{"Cookie": b.cookies, "X-Csrf-Token": b.csrf, "Origin": b.origin, "Sec-Fetch-Site": b.fetch} {
		if value != "" {
			c.Header.Set(name, value)
		}
	}
	return c
}

func (b *visitorBrowser) does(method, target, body string) Reply {
	return b.Serve(context.Background(), b.call(method, target, body))
}

// login logs in and keeps the cookie as browsers do.
func (b *visitorBrowser) login(t *testing.T, token string) LoginJSON {
	t.Helper()
	r := b.does("POST", "/api/login", fmt.Sprintf(`{"token":%q}`, token))
	session := decodedReply[LoginJSON](t, r)
	b.answeredCookie = lineOf(r, "Set-Cookie")
	b.cookies, _, _ = strings.Cut(b.answeredCookie, ";")
	b.csrf = session.CSRF
	return session
}

func lineOf(r Reply, name string) string {
	for _, line := range r.Lines {
		if line[0] == name {
			return line[1]
		}
	}
	return ""
}

func TestSession_ACookieActsOnlyWithItsSecret(t *testing.T) {
	b := newBrowser(t)
	if s := b.login(t, " admin\n"); s.Scope != "admin" || s.ReadOnly || s.CSRF == "" {
		t.Errorf("logged in as %+v", s)
	}
	for _, part := range []string{"; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/api", "; Max-Age=43200"} {
		if !strings.Contains(b.answeredCookie, part) {
			t.Errorf("the cookie %q is without %q", b.answeredCookie, part)
		}
	}
	if strings.Contains(b.answeredCookie, "Domain") || strings.Contains(b.answeredCookie, "admin") || strings.Contains(b.answeredCookie, b.csrf) {
		t.Errorf("the cookie %q tells too much, or to too many", b.answeredCookie)
	}
	b.does("GET", "/api/session", "").wants(t, 200, `"scope":"admin"`)
	b.does("DELETE", "/api/instances/notes:alice", "").wants(t, 204, "")

	csrf := b.csrf
	for _, wrong := range []string{"", "x", csrf + "x", strings.ToLower(csrf)} {
		b.csrf = wrong
		b.does("GET", "/api/instances", "").wants(t, 401, "no token")
		b.does("DELETE", "/api/instances/notes:alice", "").wants(t, 401, "no token")
		b.does("POST", "/api/logout", "").wants(t, 401, "not logged in")
	}
	if deeds := b.host.deeds(); len(deeds) != 1 {
		t.Errorf("the host did %q", deeds)
	}
}

func TestSession_OtherOriginsAreRefused(t *testing.T) {
	for _, c := range []struct {
		about, origin, fetch, host string
		refused                    bool
	}{
		{"our page", "https://example.test", "same-origin", "example.test", false},
		{"an old browser", "https://example.test", "", "example.test", false},
		{"with a port", "http://localhost:8080", "", "localhost:8080", false},
		{"no browser at all", "", "", "example.test", false},
		{"a tenant's page", "https://alice.notes.example.test", "same-site", "example.test", true},
		{"a tenant's page in an old browser", "https://alice.notes.example.test", "", "example.test", true},
		{"a stranger's page", "https://evil.example", "cross-site", "example.test", true},
		{"a sandboxed frame", "null", "", "example.test", true},
		{"another port", "http://localhost:9999", "", "localhost:8080", true},
	} {
		t.Run(c.about, func(t *testing.T) {
			b := newBrowser(t)
			b.login(t, "admin")
			b.origin, b.fetch, b.site = c.origin, c.fetch, c.host
			for _, does := range []struct{ method, target, body string }{
				{"DELETE", "/api/instances/notes:alice", ""}, {"PUT", "/api/instances/notes:alice/weight", `{"weight":1}`},
				{"POST", "/api/login", `{"token":"admin"}`}, {"POST", "/api/logout", ""},
			} {
				r := b.does(does.method, does.target, does.body)
				if refused := r.Status == 403 && strings.Contains(r.errorText(), "another origin"); refused != c.refused {
					t.Errorf("%s %s: %d %s", does.method, does.target, r.Status, r.Body)
				}
			}
			if c.refused && len(b.host.deeds()) > 0 {
				t.Errorf("the host did %q", b.host.deeds())
			}
		})
	}
}

// A tenant's page can set a cookie of that name for the whole domain. It is not
// taken for ours, and does not hide ours.
func TestSession_ACookieThatATenantPlantedChangesNothing(t *testing.T) {
	b := newBrowser(t)
	b.login(t, "alice")
	planted := b.cookies
	b.login(t, "admin")
	b.cookies = planted + "; " + sessionCookie + "=x; " + b.cookies + "; other=1"
	b.does("GET", "/api/session", "").wants(t, 200, `"scope":"admin"`)
	b.cookies = planted
	b.does("GET", "/api/session", "").wants(t, 401, "no token")
}

func TestSession_IsAsWideAsItsToken(t *testing.T) {
	b := newBrowser(t)
	if s := b.login(t, "notes-bob"); s.Scope != "tenant" || s.For != "notes:bob" {
		t.Errorf("logged in as %+v", s)
	}
	b.does("DELETE", "/api/instances/notes:bob", "").wants(t, 204, "")
	b.does("DELETE", "/api/instances/notes:alice", "").wants(t, 403, "not for notes:alice")
	b.does("GET", "/api/tokens", "").wants(t, 403, "admin token")

	b.host.tokens["looker"] = ledger.Token{Scope: ledger.ScopeAdmin, ReadOnly: true, Description: "<b>wall</b>"}
	if s := b.login(t, "looker"); !s.ReadOnly || s.Description != "<b>wall</b>" {
		t.Errorf("logged in as %+v", s)
	}
	b.does("GET", "/api/tokens", "").wants(t, 200, "")
	b.does("DELETE", "/api/instances/notes:bob", "").wants(t, 403, "may only look")
	b.does("POST", "/api/logout", "").wants(t, 204, "")
}

func TestSession_EndsWithLogoutAndWithItsToken(t *testing.T) {
	b := newBrowser(t)
	b.login(t, "admin")
	r := b.does("POST", "/api/logout", "")
	r.wants(t, 204, "")
	if cookie := lineOf(r, "Set-Cookie"); !strings.Contains(cookie, "Max-Age=0") || !strings.Contains(cookie, "Path=/api") {
		t.Errorf("the cookie stays: %q", cookie)
	}
	b.does("GET", "/api/session", "").wants(t, 401, "no token")

	b.login(t, "alice")
	b.host.revoke("alice")
	b.does("GET", "/api/session", "").wants(t, 401, "no token")
	if len(b.sessions.open) != 0 {
		t.Errorf("%d sessions are kept of a token that was revoked", len(b.sessions.open))
	}
}

func TestSession_AStreamEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t)
		b.login(t, "admin")
		r := b.does("GET", "/api/events/stream", "")
		ended := make(chan error, 1)
		go func() { ended <- r.Stream(t.Context(), &drain{}) }()
		time.Sleep(5 * sseTokenRecall)
		select {
		case err := <-ended:
			t.Fatalf("it ended before: %v", err)
		default:
		}
		b.does("POST", "/api/logout", "").wants(t, 204, "")
		time.Sleep(2 * sseTokenRecall)
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("it goes on after the logout")
		}
	})
}

// drain takes a stream and lets it be.
type drain struct{ bytes int }

func (h *drain) Write(p []byte) (int, error) {
	h.bytes += len(p)
	return len(p), nil
}

func (h *drain) Flush() error { return nil }

func TestSession_GuessesAtTheLoginAreThrottled(t *testing.T) {
	b := newBrowser(t)
	for range guessBurst {
		b.does("POST", "/api/login", `{"token":"wrong"}`).wants(t, 401, "unknown or expired token")
	}
	if r := b.does("POST", "/api/login", `{"token":"wrong"}`); r.Status != 429 || r.RetryAfter <= 0 {
		t.Errorf("%d, Retry-After %s", r.Status, r.RetryAfter)
	}
	b.login(t, "admin") // a valid one is let in all the same
	for body, says := range map[string]string{"": "JSON object", "{}": `field \"token\" is missing`, `{"token":" "}`: "is missing", `{"token":7}`: "a string is expected"} {
		b.does("POST", "/api/login", body).wants(t, 400, says)
	}
}

// With a token in the header, as programs have it, nothing of this counts.
func TestSession_ATokenInTheHeaderComesFirst(t *testing.T) {
	b := newBrowser(t)
	b.login(t, "admin")
	b.authorization, b.fetch = "Bearer alice", "cross-site"
	b.does("GET", "/api/session", "").wants(t, 200, `"for":"alice"`)
	b.authorization = "Bearer wrong"
	b.does("GET", "/api/session", "").wants(t, 401, "unknown or expired")
	newAsker(t).ask("local", "GET", "/api/session", "").wants(t, 200, `"scope":"admin"`)
}

func TestSession_OverPlainHTTPTheCookieIsNotSecure(t *testing.T) {
	b := newBrowser(t)
	b.secure, b.origin, b.site = false, "http://example.test", "example.test"
	b.login(t, "admin")
	if strings.Contains(b.answeredCookie, "Secure") {
		t.Errorf("no browser would keep %q", b.answeredCookie)
	}
}
