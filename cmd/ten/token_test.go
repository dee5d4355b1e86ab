package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/actors/ledger"
)

// tokens are those in the registry of a world.
func (w *world) tokens() map[[32]byte]ledger.Token {
	w.t.Helper()
	store, err := ledger.Open(filepath.Join(w.dir, "data", registryName))
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	_, list, err := store.Load()
	if err != nil {
		w.t.Fatal(err)
	}
	tokens := map[[32]byte]ledger.Token{}
	for _, token := range list {
		tokens[token.Hash] = token
	}
	return tokens
}

func printed(out string) string {
	_, token, _ := strings.Cut(out, "\n\n  ")
	return strings.TrimSuffix(token, "\n")
}

func TestToken_WithoutADaemonTheRegistryIsOpened(t *testing.T) {
	w := newWorld(t)
	code, out, errs := w.ten("token-gen", "--tenant", "notes:alice", "--description", "for CI", "--server", "http://elsewhere:1")
	if code != 0 {
		t.Fatal(errs)
	}
	token := w.tokens()[ledger.HashToken(printed(out))]
	if token.Scope != ledger.ScopeTenant || token.Service != "notes" || token.ID != "alice" || token.Description != "for CI" || token.Created.IsZero() {
		t.Errorf("the registry holds %+v", token)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data", tokenName)); err == nil {
		t.Error("a tenant's token became the api_token")
	}
	var admins []string
	for range 2 {
		if code, out, errs = w.ten("token-gen"); code != 0 {
			t.Fatal(errs)
		}
		admins = append(admins, printed(out))
	}
	tokens := w.tokens()
	if _, old := tokens[ledger.HashToken(admins[0])]; old {
		t.Error("the first admin token is still valid")
	}
	if tokens[ledger.HashToken(admins[1])].Scope != ledger.ScopeAdmin || w.read("data/api_token") != admins[1]+"\n" {
		t.Errorf("the second is not the admin's: %+v", tokens)
	}
}

func TestToken_BeforeTheFirstStartTheFileIsEnough(t *testing.T) {
	w := newWorld(t)
	code, out, errs := w.ten("token-gen")
	if code != 0 || w.read("data/api_token") != printed(out)+"\n" {
		t.Fatalf("exit %d %s%s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data", registryName)); err == nil {
		t.Error("there is a registry now: the first start would not look for tenants' directories")
	}
	w.daemon()
	if w.host.options.AdminToken != printed(out) {
		t.Errorf("the daemon starts with %q", w.host.options.AdminToken)
	}
}

func TestToken_ADataDirectoryInUseIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	if err := os.Remove(filepath.Join(w.dir, "run", controlName)); err != nil {
		t.Fatal(err)
	}
	w.wants(1, "", "is in use by pid", "token-gen", "--tenant", "alice")
}

func TestToken_AnUnusableRegistryIsSaid(t *testing.T) {
	w := newWorld(t)
	w.write("data/"+registryName, strings.Repeat("nonsense", 1000))
	w.wants(1, "", registryName, "token-gen")
	w = newWorld(t)
	w.write("data", "a file")
	w.wants(1, "", "cannot make the data directory", "token-gen")
}
