package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTemplate_IsSharedUntilTheHostsMountsChange(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := scripted(t, "true")
	take := func() *template {
		t.Helper()
		e.templating.Lock()
		defer e.templating.Unlock()
		one, err := e.template(layoutOf(s), s.Mounts)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	first := take()
	if again := take(); again != first {
		t.Error("made twice")
	}
	other := s
	other.Hostname = "other"
	if layoutOf(other) == layoutOf(s) {
		t.Error("two services share a host name")
	}
	other = s
	other.UID, other.Name, other.RunDir, other.DataDir = 1, "notes:bob", "/elsewhere", "/data/bob"
	if layoutOf(other) != layoutOf(s) {
		t.Error("two tenants of a service do not share a template")
	}
	e.templating.Lock()
	first.mounts, first.looked = "others", time.Time{} // as if the kernel had not told
	e.templating.Unlock()
	if take() == first {
		t.Error("an outdated one is used")
	}
}

func TestTemplate_NoticesAMount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	err := onThread(func() error { // in a mount namespace of our own
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
			return err
		}
		one := &template{changes: opened(t, "/proc/thread-self/mountinfo")}
		defer one.changes.Close()
		if err := one.look(); err != nil {
			return err
		}
		if one.outdated(); one.outdated() {
			t.Error("outdated without a change")
		}
		if err := unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""); err != nil {
			return err
		}
		told := one.outdated()
		one.looked = time.Time{}
		if !told && !one.outdated() {
			t.Error("a new mount was neither told nor seen")
		}
		one.changes.Close()
		if !one.outdated() && one.look() == nil {
			t.Error("what cannot be read is taken for unchanged")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTemplate_TheirNumberIsBounded(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for i := range 70 {
		s := Spec{Level: LevelNamespace, Dir: "/", Hostname: fmt.Sprint("host", i)}
		e.templating.Lock()
		e.templates[layoutOf(s)] = &template{ns: opened(t, os.DevNull), changes: opened(t, "/proc/self/mountinfo")}
		e.templating.Unlock()
	}
	if os.Geteuid() != 0 {
		t.Skip("a template needs root")
	}
	view, err := e.openTemplate(Spec{Level: LevelNamespace, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	view.Close()
	if n := len(e.templates); n > 64 {
		t.Errorf("%d templates", n)
	}
}

func opened(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLayout_WhatIsShownOfTheHost(t *testing.T) {
	t.Parallel()
	base := Spec{Level: LevelNamespace, RunDir: "/run/tenement/t/1", DataDir: "/var/lib/t/notes/alice", Hidden: []string{"/var/lib/t", "/run/tenement"}}
	for _, c := range []struct {
		dir, rootfs, workdir string
	}{
		{"/", "", ""}, {"/srv/app", "", ""}, {"/root/app", "", "/root/app"}, {"/home/alice/app", "", "/home/alice/app"}, {"/tmp/app", "", ""},
		{"/tmp", "", ""}, {"/root/app", "/srv/image", ""}, {"/var/lib/t/notes/alice", "", ""}, {"/run/tenement/x", "", ""}, {"/mnt/disk/app", "", "/mnt/disk/app"},
	} {
		s := base
		s.Dir, s.Rootfs = c.dir, c.rootfs
		if got := layoutOf(s).workdir; got != c.workdir {
			t.Errorf("%s: %q, want %q", c.dir, got, c.workdir)
		}
	}
	for _, c := range []struct{ socket, dir string }{
		{"", ""}, {"/run/tenement/t/1/1.sock", ""}, {"/var/lib/t/notes/alice/app.sock", ""}, {"/var/lib/t/notes/alice/run/app.sock", ""}, {"/tmp/app.sock", ""},
		{"/run/notes/app.sock", "/run/notes"}, {"/srv/sockets/app.sock", "/srv/sockets"}, {"/var/lib/t/notes/alicia/app.sock", "/var/lib/t/notes/alicia"},
	} {
		s := base
		s.Socket = c.socket
		if got := s.socketDir(); got != c.dir {
			t.Errorf("%s: %q, want %q", c.socket, got, c.dir)
		}
	}
}

func TestSpec_CoversWhereverAMountShowsWhatIsHidden(t *testing.T) {
	t.Parallel()
	s := Spec{Hidden: []string{"/srv/app/data", "", "/run/t"}, Mounts: []Mount{{"/srv/app", "/assets", true}, {"/srv", "/srv", false}, {"/srv/app/data/x", "/x", true}, {"/usr", "/usr", true}}}
	if got, want := s.covered(), []string{"/srv/app/data", "/run/t", "/assets/data"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestIdmap_AFileSystemThatCannotIsNamed(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	dir := "/proc/sys/fs/binfmt_misc" // a directory of a file system that maps nothing
	s := scripted(t, "true")
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := e.cloneMapped(fd, mapping{from: 0, to: s.UID}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%s: %v", dir, err)
	}
	told := lockedError("/srv/app", 0, unix.EINVAL)
	if want := `cannot show the working directory "/srv/app" to the tenant: only user 0 can read it, and its file system cannot map that away (invalid argument): chmod -R o+rX /srv/app`; told.Error() != want || !errors.Is(told, ErrCannotExecute) {
		t.Errorf("%v, want %s", told, want)
	}
}

func TestMounts_SayWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	if _, err := cloneTree("/no/where", "/x", tame); err == nil || err.Error() != `cannot open "/no/where": no such file or directory` {
		t.Error(err)
	}
	if err := bind("/no/where", "/no/where"); err == nil || !strings.Contains(err.Error(), `cannot mount at "/no/where"`) {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makePoint(filepath.Join(file, "x"), true); err == nil {
		t.Error("a directory in a file")
	}
	for path, want := range map[string]bool{"/a/b": true, "/a": true, "/ab": false, "/": false} {
		if beneath(path, "/a") != want {
			t.Error(path)
		}
	}
}
