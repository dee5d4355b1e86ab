package actors

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tenement/actors/ledger"
)

// Token finds what a presented token may do; false for an unknown or expired
// one. It takes no lock, and looks up a digest: time tells nothing of the token.
func (h *Host) Token(plain string) (ledger.Token, bool) {
	t, ok := (*h.book.tokens.Load())[ledger.HashToken(plain)]
	if !ok || t.Expired(time.Now()) {
		return ledger.Token{}, false
	}
	return t, true
}

// Tokens are those that were not revoked, expired ones too, oldest first.
func (h *Host) Tokens() []ledger.Token {
	var all []ledger.Token
	for _, t := range *h.book.tokens.Load() {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b ledger.Token) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Handle(), b.Handle())
	})
	return all
}

// IssueToken makes and stores a token and returns its plain text, once, and the
// token. A new primary admin token replaces the one before.
func (h *Host) IssueToken(ctx context.Context, t ledger.Token) (plain string, issued ledger.Token, err error) {
	plain, t.Hash = ledger.NewToken()
	t.Created = time.Now().UTC()
	var change ledger.Change = ledger.PutToken{Token: t}
	if t.Primary() {
		change = ledger.ReplaceAdmin{Token: t}
	}
	if err := h.keep(ctx, change); err != nil {
		return "", ledger.Token{}, fmt.Errorf("cannot store the token: %w", err)
	}
	return plain, t, nil
}

// RevokeToken makes a token, named by its handle, invalid at once. A revoked
// admin token's api_token file goes with it: the next start would believe it.
func (h *Host) RevokeToken(ctx context.Context, handle string) error {
	all := h.Tokens()
	i := slices.IndexFunc(all, func(t ledger.Token) bool { return t.Handle() == handle })
	if i < 0 {
		return fmt.Errorf("%q: %w", handle, ErrUnknownToken)
	}
	if all[i].Primary() {
		if err := h.removeTokenFile(all[i].Hash); err != nil {
			return fmt.Errorf("cannot revoke the admin token: %w", err)
		}
	}
	if err := h.keep(ctx, ledger.DeleteToken{Hash: all[i].Hash}); err != nil {
		return fmt.Errorf("cannot revoke the token: %w", err)
	}
	return nil
}

// removeTokenFile removes the file that holds the token with this hash, if one does.
func (h *Host) removeTokenFile(hash [32]byte) error {
	path := filepath.Join(h.o.DataDir, "api_token")
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) || err == nil && ledger.HashToken(strings.TrimSpace(string(text))) != hash {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// keep has the ledger store a change that is no service's.
func (h *Host) keep(ctx context.Context, change ledger.Change) error {
	stored := make(chan error, 1)
	h.root().Send(h.keeperPID, &commit{changes: []ledger.Change{change}, done: func(err error) { reply(stored, err) }})
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
