package edge

import (
	"net/netip"
	"strings"
	"testing"

	"tenement/actors/ledger"
)

func TestAuth_AWordBesideTheTokenIsNotAToken(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER  abc ": "abc", "Bearer": "", "": "", "Basic abc": "", "abc": "", "Bearerabc": "",
	} {
		if got := bearer(header); got != want {
			t.Errorf("%q gives %q, want %q", header, got, want)
		}
	}
}

func TestAuth_TheControlSocketNeedsNoToken(t *testing.T) {
	newAsker(t).ask("local", "POST", "/api/tokens", `{}`).wants(t, 201, "ten_new")
}

func TestAuth_GuessesAreThrottledPerSourceAndLockNobodyOut(t *testing.T) {
	d := newAsker(t)
	for range guessBurst {
		d.ask("wrong", "GET", "/api/instances", "").wants(t, 401, "unknown or expired")
	}
	r := d.ask("wrong", "GET", "/api/instances", "")
	r.wants(t, 429, "too many wrong tokens")
	if r.RetryAfter <= 0 || r.RetryAfter > guessEvery {
		t.Errorf("Retry-After %s", r.RetryAfter)
	}
	d.ask("alice", "GET", "/api/instances", "").wants(t, 200, "notes:alice")
	d.ask("", "GET", "/api/instances", "").wants(t, 401, "no token")
	other := apiCall("wrong", "GET", "/api/instances", "")
	other.Remote = netip.MustParseAddr("192.0.2.2")
	d.Serve(t.Context(), other).wants(t, 401, "unknown or expired")
}

func TestAuth_AHugeTokenIsWrongWithoutBeingLookedUp(t *testing.T) {
	d := newAsker(t)
	huge := strings.Repeat("x", maxToken+1)
	d.host.tokens[huge] = ledger.Token{Scope: ledger.ScopeAdmin}
	d.ask(huge, "GET", "/api/instances", "").wants(t, 401, "unknown or expired")
}

func TestAuth_ATenantTokenWithoutAnIDIsForNobody(t *testing.T) {
	who := caller{token: ledger.Token{Scope: ledger.ScopeTenant, Service: "notes"}}
	if who.may(apiName("notes:alice")) {
		t.Error("may")
	}
	if (caller{}).may(apiName("notes:alice")) {
		t.Error("nobody may")
	}
}
