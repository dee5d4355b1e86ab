package edge

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

func TestCertificateFiles_AChangeIsTakenWithoutARestart(t *testing.T) {
	w, a := newWorld(t), newTestCA(t)
	made := a.serves(zerolog.New(w.log), a.issue("site", "old.test"), a.issue("other", "other.test"))
	address := w.listenTLS(made)
	before := a.mustDial(address, "old.test")
	a.issue("site", "new.test")
	made.files.refresh()
	if got := a.named(address, "new.test"); got != "new.test ECDSA" {
		t.Errorf("a new client is shown %s", got)
	}
	if got := a.named(address, "other.test"); got != "other.test ECDSA" {
		t.Errorf("the other certificate is now %s", got)
	}
	before.say("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n") // a connection that was there goes on
	before.hear("GET").wants(t, 200, "api GET /")
	if !strings.Contains(w.log.String(), "took a changed certificate") || !strings.Contains(w.log.String(), "new.test") {
		t.Errorf("logged %s", w.log)
	}
}

func TestCertificateFiles_HalfAChangeLeavesTheOneBefore(t *testing.T) {
	w, a := newWorld(t), newTestCA(t)
	c := a.issue("site", "old.test")
	made := a.serves(zerolog.New(w.log), c)
	address := w.listenTLS(made)
	key, err := os.ReadFile(c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	a.issue("site", "new.test")
	fresh, err := os.ReadFile(c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{
		"another key": func() error { return os.WriteFile(c.KeyFile, key, 0o600) },
		"no key":      func() error { return os.Remove(c.KeyFile) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		made.files.refresh()
		made.files.refresh()
		if got := a.named(address, "new.test"); got != "old.test ECDSA" {
			t.Errorf("%s: a client is shown %s", what, got)
		}
	}
	if n := strings.Count(w.log.String(), "the one before stays"); n != 2 {
		t.Errorf("said %d times, want once for each change:\n%s", n, w.log)
	}
	if err := os.WriteFile(c.KeyFile, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	made.files.refresh()
	if got := a.named(address, "new.test"); got != "new.test ECDSA" {
		t.Errorf("with both halves a client is shown %s", got)
	}
}

func TestCertificateFiles_TheyAreLookedAtUntilTheEnd(t *testing.T) {
	a := newTestCA(t)
	c := a.issue("site", "old.test")
	synctest.Test(t, func(t *testing.T) {
		f, err := loadCertificates([]conf.Certificate{c}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); f.follow(ctx) }()
		a.issue("site", "new.test")
		time.Sleep(lookEvery + time.Second) // synctest's time
		synctest.Wait()
		if got := (*f.loaded.Load())[0].names[0]; got != "new.test" {
			t.Errorf("after %v it is %s", lookEvery, got)
		}
		end()
		<-ended
	})
}

func TestCertificateFiles_WhatIsOfNoUseIsNamed(t *testing.T) {
	a := newTestCA(t)
	good, nameless := a.issue("good", "good.test"), a.issue("nameless")
	other := a.issue("other", "other.test")
	for says, c := range map[string]conf.Certificate{
		"no such file":           {CertFile: good.CertFile, KeyFile: "/nowhere"},
		"private key does not":   {CertFile: good.CertFile, KeyFile: other.KeyFile},
		"did find a private key": {CertFile: good.KeyFile, KeyFile: good.KeyFile},
		"it names no host":       nameless,
		"cannot use the certif":  {CertFile: a.dir, KeyFile: good.KeyFile},
	} {
		_, err := NewTLS(TLSOptions{Certificates: []conf.Certificate{good, c}})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), c.CertFile+" with the key "+c.KeyFile) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}
