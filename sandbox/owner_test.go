package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func ownerAt(t *testing.T, path string) [2]uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return [2]uint32{st.Uid, st.Gid}
}

func TestHandOver_GivesWhatWasTheFormerOwnersAndNothingOutside(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	base := t.TempDir()
	dir, outside := filepath.Join(base, "alice"), filepath.Join(base, "outside")
	deep := filepath.Join(dir, "a", "b")
	err := errors.Join(os.MkdirAll(deep, 0o700), os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600),
		os.WriteFile(filepath.Join(deep, "file"), nil, 0o600), os.Symlink(outside, filepath.Join(dir, "out")), os.Symlink("../../outside/secret", filepath.Join(dir, "a", "out")),
		os.WriteFile(filepath.Join(dir, "others"), nil, 0o600), os.Chown(filepath.Join(dir, "others"), 77, 77))
	if err != nil {
		t.Fatal(err)
	}
	if err := handOver(dir, 1234, 1235); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]uint32{
		dir: {1234, 1235}, deep: {1234, 1235}, filepath.Join(deep, "file"): {1234, 1235}, filepath.Join(dir, "out"): {1234, 1235},
		outside: {0, 0}, filepath.Join(outside, "secret"): {0, 0}, filepath.Join(dir, "others"): {77, 77},
	} {
		if got := ownerAt(t, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	late := filepath.Join(dir, "late")
	if err := os.WriteFile(late, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := handOver(dir, 1234, 1235); err != nil || ownerAt(t, late) != [2]uint32{0, 0} {
		t.Errorf("handed over a second time: %v", err)
	}
}

func TestHandOver_ALinkIsNoDirectory(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	if err := handOver(filepath.Join(base, "none"), 1, 1); err == nil || !strings.Contains(err.Error(), "cannot open the directory") {
		t.Error(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	if _, err := cloneOwned(link, tame); err == nil {
		t.Error("a link was taken for the tenant's directory")
	}
}

// What a tenant makes of its own directories leads nowhere (F20).
func TestNamespace_TricksWithLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	outside := shortDir(t)
	victim := filepath.Join(outside, "victim.sock")
	listener, err := listen(nil, victim)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listener)

	t.Run("a socket that becomes a link to another's", func(t *testing.T) {
		s := withSocket(inNamespace(t, character(t, "listensUnix")))
		s.Mounts = append(s.Mounts, Mount{Source: outside, Destination: "/outside"})
		n := start(t, e, s)
		at, err := n.Ready(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/proc/%d/root%s", n.Pid(), s.Socket)
		for name, swap := range map[string]func() error{
			"a link to the host's path":    func() error { return os.Symlink(victim, path) },
			"a link to a path in its view": func() error { return os.Symlink("/outside/victim.sock", path) },
			"a file":                       func() error { return os.WriteFile(path, nil, 0o600) },
		} {
			if err := errors.Join(os.Remove(path), swap()); err != nil {
				t.Fatal(err)
			}
			if c, err := at.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "it is no socket of the tenant's") {
				t.Errorf("%s: %v, %v", name, c, err)
			}
			if n.look(); n.listensAt(s.Socket) {
				t.Errorf("%s listens", name)
			}
		}
		foreign := Endpoint{Network: "unix", Address: "/outside/victim.sock", inside: n.inside}
		if c, err := foreign.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "it is no socket of the tenant's") {
			t.Errorf("somebody else's in its view: %v, %v", c, err)
		}
	})
	t.Run("a link where a socket is to be passed in", func(t *testing.T) {
		s := withSocket(inNamespace(t, character(t, "listensFD")))
		s.Listen = ListenFD
		if err := errors.Join(os.MkdirAll(s.RunDir, 0o700), os.Symlink(victim, s.Socket)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Start(s, Events{}); err == nil || !strings.Contains(err.Error(), "is in the way") {
			t.Error(err)
		}
	})
	t.Run("a directory in the data that became a link", func(t *testing.T) {
		s := inNamespace(t, character(t, "hangs"))
		s.Socket = filepath.Join(s.DataDir, "run", "victim.sock")
		if err := os.Symlink(outside, filepath.Join(s.DataDir, "run")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Start(s, Events{}); err == nil {
			t.Error("removed through a link")
		}
	})
	t.Run("the run directory", func(t *testing.T) {
		s := inNamespace(t, character(t, "hangs"))
		if err := os.Symlink(outside, s.RunDir); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Start(s, Events{}); err == nil || !strings.Contains(err.Error(), "is not a directory") {
			t.Error(err)
		}
	})
	t.Run("the data directory", func(t *testing.T) {
		s := inNamespace(t, character(t, "hangs"))
		if err := errors.Join(os.Remove(s.DataDir), os.Symlink(outside, s.DataDir)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Start(s, Events{}); err == nil {
			t.Error("a link was mounted as the data directory")
		}
	})
	if _, err := os.Lstat(victim); err != nil || ownerAt(t, victim) != [2]uint32{0, 0} || ownerAt(t, outside) != [2]uint32{0, 0} {
		t.Errorf("something happened outside: %v", err)
	}
}
