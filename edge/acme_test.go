package edge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"

	"tenement/conf"
)

// onlyHTTP keeps the authority from being answered over TLS.
func (a *acmeClient) onlyHTTP(port int) {
	a.single = a.config(certmagic.ACMEIssuer{DisableTLSALPNChallenge: true, ListenHost: "127.0.0.1", AltHTTPPort: port})
}

func TestACME_WhatCannotWorkIsNamedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for says, o := range map[string]ACMEOptions{
		"cannot read tls.acme_ca_root: open /nowhere":                 {RootFile: "/nowhere"},
		"holds no certificate in PEM":                                 {RootFile: write("empty.pem", "")},
		"cannot make the directory of the certificates: mkdir":        {Dir: write("file", "") + "/x"},
		"damaged/tenement-budget.json, is damaged: unexpected end of": {Dir: filepath.Dir(write("damaged/"+budgetKey, "["))},
		"cannot read the budget of certificates":                      {Dir: filepath.Dir(filepath.Dir(write("odd/"+budgetKey+"/x", "")))},
	} {
		if o.Dir == "" {
			o.Dir = filepath.Join(dir, "acme")
		}
		if _, err := NewTLS(TLSOptions{ACME: &o}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func TestACME_TheDirectoryIsLetsEncryptsUnlessItIsGiven(t *testing.T) {
	for want, o := range map[string]ACMEOptions{
		"https://acme-v02.api.letsencrypt.org/directory":         {},
		"https://acme-staging-v02.api.letsencrypt.org/directory": {Staging: true},
		"https://ca.test/dir":                                    {Staging: true, Directory: "https://ca.test/dir"},
	} {
		if got := (&acmeClient{o: o}).directory(); got != want {
			t.Errorf("%+v: %s, want %s", o, got, want)
		}
	}
}

func TestACME_ANameIsCertifiedByItselfOrByItsWildcard(t *testing.T) {
	w := newWorld(t)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes", Apex: conf.ApexNone}, "shop": {Name: "shop", Apex: conf.ApexWeighted}, "my_app": {Name: "my_app"}}
	w.host.config.Routing.Subdomain = map[string]string{"www": "shop", "notes": "notes"}
	for _, name := range []string{"notes:alice", "notes:a_b", "my_app:x"} {
		w.host.door(name)
	}
	w.host.domain("shop.org", "notes:alice")
	w.host.domain("ghost.org", "notes:ghost")
	single := &acmeClient{names: w.server}
	hooked := &acmeClient{names: w.server, hooked: &certmagic.Config{}}
	if got := strings.Join(hooked.wild(), " "); got != "example.test *.example.test *.notes.example.test *.shop.example.test *.www.example.test" {
		t.Errorf("wildcards %s", got)
	}
	for host, want := range map[string][2]string{
		"example.test": {"example.test", "example.test"}, "shop.example.test": {"shop.example.test", "*.example.test"},
		"www.example.test": {"www.example.test", "*.example.test"}, "notes.example.test": {"", "*.example.test"}, // its apex serves nobody
		"alice.notes.example.test": {"alice.notes.example.test", "*.notes.example.test"}, "bob.notes.example.test": {"", "*.notes.example.test"},
		"a_b.notes.example.test": {"", "*.notes.example.test"}, "x.my_app.example.test": {"", ""}, "other.example.test": {"", "*.example.test"},
		"shop.org": {"shop.org", "shop.org"}, "www.shop.org": {"", ""}, "ghost.org": {"", ""}, "localhost": {"", ""}, "127.0.0.1": {"", ""}, "": {"", ""}, "a b": {"", ""}, "*.example.test": {"", "*.example.test"},
	} {
		if got := [2]string{single.subject(host), hooked.subject(host)}; got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestACME_OnlyWhatIsSomebodysIsRenewed(t *testing.T) {
	w := newWorld(t)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes"}}
	w.host.domain("shop.org", "notes:alice")
	w.host.door("notes:alice")
	a := &acmeClient{names: w.server, single: &certmagic.Config{}, hooked: &certmagic.Config{}, log: zerolog.Nop()}
	for subject, want := range map[string]*certmagic.Config{"*.notes.example.test": a.hooked, "*.old.example.test": nil, "example.test": a.hooked, "shop.org": a.single, "gone.org": nil} {
		got, err := a.configFor(certmagic.Certificate{Names: []string{subject}})
		if got != want || (err == nil) != (want != nil) {
			t.Errorf("%s: %p, %v, want %p", subject, got, err, want)
		}
	}
	if _, err := a.configFor(certmagic.Certificate{}); err == nil {
		t.Error("a certificate without a name is renewed")
	}
}

func TestNames_WildcardsFollowTheConfiguration(t *testing.T) {
	w := newWorld(t)
	first := w.server.wildcards()
	if again := w.server.wildcards(); &first[0] != &again[0] {
		t.Error("they are made anew for each handshake")
	}
	w.host.config = &conf.Config{Services: map[string]*conf.Service{"new": {Name: "new"}}} // reloaded
	if got := strings.Join(w.server.wildcards(), " "); got != "example.test *.example.test *.new.example.test" {
		t.Errorf("after a reload %s", got)
	}
}
