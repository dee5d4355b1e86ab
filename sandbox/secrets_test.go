package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecrets_AreTheTenantsAloneAndGoWithTheProcess(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := character(t, "showsSecrets")
	s.Secrets = map[string][]byte{"KEY": []byte("hunter2"), "CERT": []byte("two\nlines\n")}
	s.Env = append(s.Env, "SECRETS_DIR="+SecretsDir(s.RunDir))
	n := start(t, e, s)
	if out := n.says("end"); out != "dir 0700\nCERT 0400 \"two\\nlines\\n\"\nKEY 0400 \"hunter2\"\nend\n" {
		t.Errorf("the tenant sees %q", out)
	}
	if n.spec.Secrets != nil {
		t.Error("the daemon keeps them")
	}
	if err := n.Kill(); err != nil {
		t.Error(err)
	}
	n.wait()
	if err := n.Release(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.RunDir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestSecrets_WhatIsInTheirPlaceIsRemovedAndNoLinkIsFollowed(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(dir, outside string) error{
		"a link to a directory": func(dir, outside string) error { return os.Symlink(outside, filepath.Join(dir, secretsName)) },
		"a file":                func(dir, _ string) error { return os.WriteFile(filepath.Join(dir, secretsName), []byte("x"), 0o600) },
		"an old secret": func(dir, _ string) error {
			return placeSecrets(dir, os.Geteuid(), map[string][]byte{"OLD": []byte("x")})
		},
	} {
		dir, outside := t.TempDir(), t.TempDir()
		precious := filepath.Join(outside, "KEY")
		if err := os.WriteFile(precious, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := plant(dir, outside); err != nil {
			t.Fatal(err)
		}
		if err := placeSecrets(dir, os.Geteuid(), map[string][]byte{"KEY": []byte("new")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		entries, _ := os.ReadDir(filepath.Join(dir, secretsName))
		if text, _ := os.ReadFile(filepath.Join(dir, secretsName, "KEY")); len(entries) != 1 || string(text) != "new" {
			t.Errorf("%s: %q among %v", name, text, entries)
		}
		if err := removeSecrets(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text, _ := os.ReadFile(precious); string(text) != "kept" {
			t.Errorf("%s: what lay outside is %q", name, text)
		}
	}
}

func TestSecrets_OneThatCannotBePlacedStartsNothingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for _, name := range []string{"", ".", "..", "a/b", "a\x00"} {
		s := character(t, "hangs")
		s.Secrets = map[string][]byte{name: []byte("x")}
		if _, err := e.Start(s, Events{}); err == nil || !strings.Contains(err.Error(), "cannot name a secret") {
			t.Errorf("%q: %v", name, err)
		}
		if left, _ := os.ReadDir(s.RunDir); len(left) > 0 {
			t.Errorf("%q left %v", name, left)
		}
	}
	if err := removeSecrets(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}

func TestSecrets_AreKeptOnATmpfsOnly(t *testing.T) {
	t.Parallel()
	if err := KeepsSecrets("/dev/shm"); err != nil {
		t.Error(err)
	}
	if err := KeepsSecrets("/proc"); err == nil || !strings.HasPrefix(err.Error(), "/proc is on a disk, where secrets must not be: set run_dir") {
		t.Error(err)
	}
	if err := KeepsSecrets("/no/such"); err == nil || !strings.HasPrefix(err.Error(), "cannot look at the file system of /no/such: ") {
		t.Error(err)
	}
}
