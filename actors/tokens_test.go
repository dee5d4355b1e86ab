package actors

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
)

func issued(t *testing.T, h *Host, token ledger.Token) (string, ledger.Token) {
	t.Helper()
	plain, got, err := h.IssueToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return plain, got
}

func TestTokens_ARevokedOneIsDeadAtOnceAndAfterARestart(t *testing.T) {
	var revoked, kept string
	reopen(t, defaults(), func(t *testing.T, h *Host, _ *stage) {
		var token ledger.Token
		revoked, token = issued(t, h, ledger.Token{Scope: ledger.ScopeService, Service: "notes"})
		kept, _ = issued(t, h, ledger.Token{Scope: ledger.ScopeTenant, ID: "alice", ReadOnly: true})
		if err := h.RevokeToken(t.Context(), token.Handle()); err != nil {
			t.Fatal(err)
		}
		if _, ok := h.Token(revoked); ok {
			t.Error("valid after it was revoked")
		}
		if err := h.RevokeToken(t.Context(), token.Handle()); !errors.Is(err, ErrUnknownToken) {
			t.Errorf("revoked twice: %v", err)
		}
	}, func(t *testing.T, h *Host, _ *stage) {
		if _, ok := h.Token(revoked); ok {
			t.Error("valid after a restart")
		}
		if got, ok := h.Token(kept); !ok || !got.ReadOnly {
			t.Errorf("%+v %v", got, ok)
		}
	})
}

func TestTokens_OneThatExpiresOrOnlyLooksReplacesNobody(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, _ *stage) {
		first, _ := issued(t, h, ledger.Token{Scope: ledger.ScopeAdmin})
		brief, _ := issued(t, h, ledger.Token{Scope: ledger.ScopeAdmin, Expires: time.Now().Add(time.Hour)})
		issued(t, h, ledger.Token{Scope: ledger.ScopeAdmin, ReadOnly: true})
		if _, ok := h.Token(first); !ok {
			t.Error("the first admin token was replaced")
		}
		time.Sleep(2 * time.Hour)
		if _, ok := h.Token(brief); ok {
			t.Error("valid after its end")
		}
		second, _ := issued(t, h, ledger.Token{Scope: ledger.ScopeAdmin})
		if _, ok := h.Token(first); ok {
			t.Error("two primary admin tokens")
		}
		if _, ok := h.Token(second); !ok || len(h.Tokens()) != 3 {
			t.Errorf("%d tokens", len(h.Tokens()))
		}
	})
}

func TestTokens_TheFileOfARevokedAdminTokenGoesWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, dir, defaults(), newStage(t))
		file := filepath.Join(dir, "data", "api_token")
		plain, token := issued(t, h, ledger.Token{Scope: ledger.ScopeAdmin})
		for text, left := range map[string]bool{"somebody else's": true, plain: false} {
			if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := h.removeTokenFile(token.Hash); err != nil {
				t.Fatal(err)
			}
			mustExist(t, file, left)
		}
		if err := os.WriteFile(file, []byte(plain), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.RevokeToken(t.Context(), token.Handle()); err != nil {
			t.Fatal(err)
		}
		mustExist(t, file, false)
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
