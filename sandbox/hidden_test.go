package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// anApp is a folder with everything of a daemon's in it: a configuration, the
// data of all tenants, and an app.
func anApp(t *testing.T, parent string, mode os.FileMode) (app string, s Spec) {
	t.Helper()
	s = inNamespace(t, character(t, ""))
	app, err := os.MkdirTemp(parent, "hidden")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(app) })
	data := filepath.Join(app, "data")
	config := filepath.Join(app, "tenement.toml")
	s.DataDir = filepath.Join(data, "notes", "alice")
	s.Hidden, s.Dir = []string{data, filepath.Dir(filepath.Dir(s.RunDir)), config}, app
	err = errors.Join(os.MkdirAll(s.DataDir, 0o700), os.MkdirAll(filepath.Join(data, "notes", "bob"), 0o700), os.WriteFile(filepath.Join(data, "registry.db"), []byte("TOPSECRET"), 0o600),
		os.WriteFile(config, []byte("TOPSECRET"), 0o600), os.WriteFile(filepath.Join(app, "app"), []byte("app"), 0o644), os.Mkdir(filepath.Join(app, "assets"), 0o755), os.Chmod(app, mode))
	if err != nil {
		t.Fatal(err)
	}
	s.Argv = []string{"/bin/sh", "-c", "cat app tenement.toml; ls -A; ls -AR data | tr '\n' ' '; ls /assets/data /assets/tenement.toml; cat /assets/tenement.toml; test -d assets/apt.conf.d && echo assets; echo x >data/notes/alice/x && echo wrote"}
	s.Mounts = append(s.Mounts, Mount{"/etc/apt", filepath.Join(app, "assets"), true})
	return app, s
}

func TestNamespace_WhatIsTheDaemonsShowsNowhere(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for _, parent := range []string{"/tmp", "/srv"} { // made anew by every start, and shown as it is
		for _, mode := range []os.FileMode{0o755, 0o700} { // read by all, and mapped
			app, s := anApp(t, parent, mode)
			s.Mounts = append(s.Mounts, Mount{app, "/assets", true})
			got := outcome(t, e, s)
			const head = "appapp\nassets\ndata\ntenement.toml\ndata: notes  data/notes: alice  data/notes/alice: "
			if !strings.HasPrefix(got, head) || strings.Contains(got, "TOPSECRET") || strings.Contains(got, "bob") || !strings.Contains(got, "assets\nwrote\n") {
				t.Errorf("%s, %o: %q", parent, mode, got)
			}
		}
	}
}

// Where a tenant can write, a path of the operator's may lead anywhere.
func TestNamespace_NoLinkOfATenantsIsFollowedByAMount(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	shared, secret := shortDir(t), shortDir(t)
	err := errors.Join(os.Chmod(shared, 0o777), os.WriteFile(filepath.Join(secret, "secret"), []byte("secret"), 0o600),
		os.Symlink(secret, filepath.Join(shared, "app")), os.Symlink("/etc", filepath.Join(shared, "etc")))
	if err != nil {
		t.Fatal(err)
	}
	link := func(path string) string {
		return fmt.Sprintf("cannot open %q: it goes through a symbolic link where tenants can make some", path)
	}
	for name, c := range map[string]struct {
		change func(*Spec)
		says   string
	}{
		"a working directory":        {func(s *Spec) { s.Dir = filepath.Join(shared, "app") }, link(shared + "/app")},
		"a source":                   {func(s *Spec) { s.Mounts = append(s.Mounts, Mount{shared + "/app", "/app", true}) }, link(shared + "/app")},
		"a destination":              {func(s *Spec) { s.Mounts = append(s.Mounts, Mount{"/srv", "/shared/etc", true}) }, link("/shared/etc")},
		"a destination further down": {func(s *Spec) { s.Mounts = append(s.Mounts, Mount{"/srv", "/shared/etc/ssl", true}) }, link("/shared/etc/ssl")},
	} {
		s := scripted(t, "cat secret")
		s.Mounts = append(s.Mounts, Mount{shared, "/shared", false})
		c.change(&s)
		if _, err := e.Start(s, Events{}); !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v\nwant %s", name, err, c.says)
		}
	}
	current := filepath.Join(shortDir(t), "current") // the operator's own is
	if err := os.Symlink(secret, current); err != nil {
		t.Fatal(err)
	}
	s := scripted(t, "cat secret")
	s.Dir = current
	if got := outcome(t, e, s); got != "secret" {
		t.Error(got)
	}
}

func TestNamespace_NothingOfTheDaemonsIsOpen(t *testing.T) {
	t.Parallel()
	s := scripted(t, `for f in 0 1 2 3 4 5 6 7 8 9 10 11 12; do readlink /proc/$$/fd/$f; done | sed 's/[0-9]*\.out/N.out/; s/[0-9]*\.err/N.err/; s,.*/run/t/1/,,'`)
	if got := outcome(t, newEngine(t, Options{}), s); !strings.HasPrefix(got, "/dev/null\n") || strings.Count(got, "\n") != 3 {
		t.Errorf("%q", got)
	}
}
