package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
)

func TestPaths_TheRunDirectoryIsTheOneOfTheContract(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		uid  int
		want string
	}{
		{map[string]string{"RUNTIME_DIRECTORY": "/run/ten"}, 0, "/run/ten"},
		{map[string]string{"RUNTIME_DIRECTORY": "/run/ten:/run/other"}, 7, "/run/ten"},
		{map[string]string{"XDG_RUNTIME_DIR": "/run/user/0"}, 0, "/run/tenement/4f78c73c"},
		{map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/tenement/4f78c73c"},
		{nil, 7, filepath.Join(os.TempDir(), "tenement-7/4f78c73c")},
	} {
		a := &app{env: func(k string) string { return c.env[k] }}
		// echo -n /var/lib/tenement | sha256sum
		if got := a.defaultRunDir("/var/lib/tenement", c.uid); got != c.want {
			t.Errorf("%v, uid %d: %s, want %s", c.env, c.uid, got, c.want)
		}
	}
}

func TestPaths_FlagsWinOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	w := newWorld(t)
	w.write(conf.FileName, "[settings]\ndata_dir = \"/from/file\"\nrun_dir = \"/run/from-file\"\n")
	for _, c := range []struct{ flag, env, want string }{
		{"/from/flag", "/from/env", "/from/flag"}, {"", "/from/env", "/from/env"}, {"", "", "/from/file"},
	} {
		a, _, _ := w.app()
		a.flags.dataDir, w.env["TENEMENT_DATA_DIR"] = c.flag, c.env
		p, err := a.place()
		if err != nil || p.dataDir != c.want || p.config.Settings.DataDir != c.want || p.runDir != "/run/from-file" {
			t.Errorf("flag %q, env %q: %+v, %v; want %s", c.flag, c.env, p, err, c.want)
		}
	}
}

func TestPaths_VerbsNeedNoCorrectFileWhenTheDirectoryIsNamed(t *testing.T) {
	w := newWorld(t)
	t.Chdir(w.dir)
	w.write(conf.FileName, "nonsense = ")
	delete(w.env, "TENEMENT_CONFIG")
	a, _, _ := w.app()
	if p, err := a.place(); err != nil || p.dataDir != w.env["TENEMENT_DATA_DIR"] {
		t.Errorf("a broken file that nobody named: %+v, %v", p, err)
	}
	a.flags.config = conf.FileName
	if _, err := a.place(); !errors.As(err, new(conf.Problems)) {
		t.Errorf("a broken file that somebody named: %v", err)
	}
	a.flags.config = "none.toml"
	if _, err := a.place(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	a.flags.config, a.flags.dataDir = "", "~/data"
	if _, err := a.place(); err == nil || !strings.Contains(err.Error(), "~") {
		t.Errorf("a tilde: %v", err)
	}
	a.flags.dataDir = ""
	delete(w.env, "TENEMENT_DATA_DIR")
	if _, err := a.place(); err == nil {
		t.Error("a broken file is passed over without --data-dir")
	}
}

func TestPaths_WithoutAFileTheDefaultsCount(t *testing.T) {
	w := newWorld(t)
	if err := os.Remove(filepath.Join(w.dir, conf.FileName)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(w.dir)
	delete(w.env, "TENEMENT_CONFIG")
	delete(w.env, "TENEMENT_DATA_DIR")
	a, _, _ := w.app()
	wd, _ := os.Getwd()
	if p, err := a.place(); err != nil || p.dataDir != filepath.Join(wd, "tenement-data") {
		t.Errorf("%+v, %v", p, err)
	}
	w.wants(1, "", "ten init writes one", "serve")
	w.wants(1, "", "ten init writes one", "config")
	w.wants(1, "", "ten init writes one", "check")
}

func TestPaths_TheRunDirectoryIsOursAlone(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	if err := ownDir(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), ownDir(dir)); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("it stays %v", info.Mode())
	}
	open := filepath.Join(base, "open")
	if err := errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := ownDir(filepath.Join(open, "x")); err == nil || !strings.Contains(err.Error(), "written by others") {
		t.Errorf("below what others may write: %v", err)
	}
	if err := errors.Join(os.Chmod(open, 0o777|os.ModeSticky), ownDir(filepath.Join(open, "x"))); err != nil {
		t.Errorf("below a sticky one: %v", err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ownDir(file); err == nil {
		t.Error("a file will do")
	}
	if err := trusted(file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
	link := filepath.Join(base, "link")
	if err := errors.Join(os.Symlink(dir, link), ownDir(link), ownDir(filepath.Join(link, "x"))); err != nil {
		t.Errorf("behind a link of ours: %v", err)
	}
	if err := errors.Join(os.Symlink(file, link+"2")); err != nil || trusted(link+"2") == nil || trusted(link+"3") == nil {
		t.Errorf("a link to a file, or nothing, will do (%v)", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("the rest needs root: a directory of somebody else's")
	}
	if err := errors.Join(os.Symlink(base, link+"4"), os.Lchown(link+"4", 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if err := ownDir(filepath.Join(link+"4", "x")); err == nil || !strings.Contains(err.Error(), "belongs to uid 65534") {
		t.Errorf("behind somebody else's link: %v", err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := ownDir(dir); err == nil || !strings.Contains(err.Error(), "belongs to uid 65534") {
		t.Errorf("somebody else's: %v", err)
	}
}
