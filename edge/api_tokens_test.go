package edge

import (
	"strings"
	"testing"

	"tenement/actors/ledger"
)

func TestTokens_AreMadeForTheScopeThatIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		says   string
		deed   string
	}{
		{`{}`, 201, `{"token":"ten_new","scope":"admin","id":"000000000000"}`, `token admin : ""`},
		{`{"service":"Notes"}`, 201, `"scope":"service"`, `token service notes: ""`},
		{`{"service":"notes","tenant":"alice"}`, 400, "one or the other", ""},
		{`{"service":"a/b"}`, 400, "not a valid name", ""},
		{`{"expires_secs":-1}`, 400, "expires_secs", ""},
		{`{"expires_secs":999999999999}`, 400, "expires_secs", ""},
		{`{"description":"CI"}`, 201, `"scope":"admin"`, `token admin : "CI"`},
		{`{"tenant":"Alice"}`, 201, `"scope":"tenant"`, `token tenant :alice ""`},
		{`{"tenant":"notes:alice"}`, 201, `"scope":"tenant"`, `token tenant notes:alice ""`},
		{`{"tenant":"a/b"}`, 400, "not a valid name", ""},
		{`{"tenant":"notes:"}`, 400, "not a valid name", ""},
		{`{"tenant":7}`, 400, `field \"tenant\"`, ""},
	} {
		d := newAsker(t)
		d.ask("admin", "POST", "/api/tokens", c.body).wants(t, c.status, c.says)
		if got := strings.Join(d.host.deeds(), ","); got != c.deed {
			t.Errorf("%s made the host do %q, want %q", c.body, got, c.deed)
		}
	}
}

func TestTokens_TellWhenTheyWereMade(t *testing.T) {
	token, err := NewToken(TokenRequest{Description: "for CI"})
	if err != nil || token.Created.IsZero() || token.Scope != ledger.ScopeAdmin || token.Hash != [32]byte{} {
		t.Errorf("%+v, %v", token, err)
	}
}

func TestTokens_AreListedAndRevoked(t *testing.T) {
	d := newAsker(t)
	d.ask("admin", "GET", "/api/tokens", "").wants(t, 200, `[{"id":"ca978112ca1b","scope":"admin","for":"","read_only":false,"description":"","created":1000,"expires":0},`+
		`{"id":"3e23e8160039","scope":"tenant","for":"notes:bob","read_only":true,"description":"b's","created":2000,"expires":3000}]`)
	d.ask("admin", "POST", "/api/tokens/revoke", `{"id":"3e23e8160039"}`).wants(t, 204, "")
	d.ask("admin", "POST", "/api/tokens/revoke", `{"id":"nobody"}`).wants(t, 404, "unknown token")
	d.ask("admin", "POST", "/api/tokens/revoke", `{}`).wants(t, 400, `field \"id\" is missing`)
	if got := strings.Join(d.host.deeds(), ","); got != "revoke 3e23e8160039" {
		t.Errorf("the host did %q", got)
	}
}

// Every route, with a token that may only look.
func TestTokens_AReadOnlyOneChangesNothing(t *testing.T) {
	for _, r := range Routes() {
		if r.Who == WhoPublic || strings.HasSuffix(r.Pattern, "/stream") {
			continue
		}
		d := newAsker(t)
		d.host.tokens["looks"] = ledger.Token{Scope: ledger.ScopeAdmin, ReadOnly: true}
		reply := d.ask("looks", r.Method, strings.Replace(r.Pattern, instanceSegment, "notes:alice", 1), `{"process":"notes","id":"alice"}`)
		if r.Method == "GET" {
			if reply.Status != 200 {
				t.Errorf("%s %s: %d %s", r.Method, r.Pattern, reply.Status, reply.Body)
			}
			continue
		}
		reply.wants(t, 403, "may only look")
		if deeds := d.host.deeds(); len(deeds) > 0 {
			t.Errorf("%s %s made the host do %q", r.Method, r.Pattern, deeds)
		}
	}
}

// A service's token: its own tenants, nobody else's, and nothing of the operator's.
func TestTokens_AServicesOneIsForItsTenants(t *testing.T) {
	d := newAsker(t)
	d.host.tokens["notes"] = ledger.Token{Scope: ledger.ScopeService, Service: "notes"}
	d.ask("notes", "DELETE", "/api/instances/notes:bob", "").wants(t, 204, "")
	d.ask("notes", "DELETE", "/api/instances/shop:alice", "").wants(t, 403, "this token is not for")
	d.ask("notes", "GET", "/api/logs?process=shop", "").wants(t, 403, "another tenant")
	d.ask("notes", "GET", "/api/logs?id=bob", "").wants(t, 200, "[]")
	d.ask("notes", "POST", "/api/reload", "").wants(t, 403, "admin token")
	if list := decodedReply[[]InstanceJSON](t, d.ask("notes", "GET", "/api/instances?all=true", "")); len(list) != 2 {
		t.Errorf("sees %+v, want the two of notes", list)
	}
}
