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
		{`{}`, 201, `{"token":"ten_new","scope":"admin"}`, `token admin : ""`},
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
	token, err := NewToken("", "for CI")
	if err != nil || token.Created.IsZero() || token.Scope != ledger.ScopeAdmin || token.Hash != [32]byte{} {
		t.Errorf("%+v, %v", token, err)
	}
}
