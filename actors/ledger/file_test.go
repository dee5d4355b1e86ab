package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestOpen_AnEmptyFileIsLikeNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	if !s.Fresh() {
		t.Error("an empty file counts as a registry")
	}
	apply(t, s, PutTenant{tenant("alice", base)})
	if s = reopen(t, s); s.Fresh() {
		t.Error("the registry that was made is not there")
	}
}

func TestOpen_ACreationThatCrashedIsStartedAnew(t *testing.T) {
	file, _, _ := twoStates(t)
	for what, left := range map[string][]byte{"torn": file[:5000], "empty": nil, "whole": file} {
		path := filepath.Join(t.TempDir(), "registry.db")
		if err := os.WriteFile(path+".new", left, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openAt(t, path)
		if got, _ := load(t, s); !s.Fresh() || len(got) != 0 {
			t.Errorf("%s: fresh %v, with %d tenants", what, s.Fresh(), len(got))
		}
		if _, err := os.Stat(path + ".new"); err == nil {
			t.Errorf("%s: the sibling is still there", what)
		}
	}
}

func TestOpen_WhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "registry.db")
	for says, arrange := range map[string]func() error{
		"is a directory": func() error { return os.Mkdir(path, 0o700) },
		"not a regular file (p": func() error {
			return syscall.Mkfifo(path, 0o600)
		},
		"not a regular file (Dc": func() error { return os.Symlink("/dev/null", path) },
		"no such file or directory": func() error {
			return os.Symlink(filepath.Join(dir, "nowhere", "at-all"), filepath.Join(dir, "registry.db.new"))
		},
	} {
		if err := arrange(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		refused(t, err, "cannot open the registry "+path, says)
		os.Remove(path)
	}
}

func TestOpen_WithoutItsDirectoryIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not-there", "registry.db")
	_, err := Open(path)
	refused(t, err, "cannot open the registry "+path, "cannot make it", "no such file")
}

func TestOpen_AnUnreadableFileIsRefusedAndKept(t *testing.T) {
	path := closedStore(t)
	dir := filepath.Dir(path)
	err := errors.Join(os.Chmod(filepath.Dir(dir), 0o711), os.Chmod(dir, 0o711), os.Chmod(path, 0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = asNobody(func() (*Store, error) { return Open(path) })
	refused(t, err, "cannot open the registry "+path+": permission denied")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := load(t, openAt(t, path)); len(got) != 1 {
		t.Errorf("%d tenants afterwards, want 1", len(got))
	}
}

// asNobody runs f on a thread whose file accesses are those of an ordinary user,
// also when the tests run as root. The thread ends with f.
func asNobody(f func() (*Store, error)) (s *Store, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		}
		s, err = f()
	}()
	<-done
	return s, err
}

func TestOpen_AFileThatAnotherHasOpenIsRefusedInASecond(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	_, err := Open(s.path)
	refused(t, err, "cannot open the registry "+s.path+": another process has it open", "stop the daemon")
	if got := uidOf(t, s, "a"); got != base {
		t.Errorf("the first store gives uid %d", got)
	}
}

func TestOpen_ManyAtOnceMakeOneRegistry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := Open(path)
			for err != nil && strings.Contains(err.Error(), "another process has it open") {
				s, err = Open(path) // it waits for a second each time
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			uid, err := s.UID(name(fmt.Sprint(i)), base)
			if err := errors.Join(err, s.Apply(PutTenant{tenant(fmt.Sprint(i), uid)})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, _ := load(t, openAt(t, path)); len(got) != 6 {
		t.Errorf("%d tenants are there, want 6", len(got))
	}
}

func TestApply_AFullDiskChangesNothingAndPasses(t *testing.T) {
	onSmallDisk(t, 1<<20, func(dir string) {
		path := filepath.Join(dir, "registry.db")
		s, err := Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		stuff := filepath.Join(dir, "stuff")
		if err := s.Apply(PutTenant{tenant("alice", base)}); err != nil {
			t.Error(err)
		}
		fillUp(t, stuff)
		big := PutTenant{Tenant{Name: name("bob"), UID: base + 1, Env: map[string]string{"A": strings.Repeat("x", 60000)}}}
		for range 3 {
			if err := s.Apply(big); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("error %v, want no space left", err)
			}
		}
		if got, _, err := s.Load(); err != nil || len(got) != 1 {
			t.Errorf("on the full disk: %d tenants, %v", len(got), err)
		}
		if err := errors.Join(os.Remove(stuff), s.Apply(big), s.Close()); err != nil {
			t.Error(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer again.Close()
		if got, _, err := again.Load(); err != nil || len(got) != 2 {
			t.Errorf("after space returned: %d tenants, %v", len(got), err)
		}
	})
}

func TestOpen_OnAFullDiskIsAClearErrorAndPasses(t *testing.T) {
	onSmallDisk(t, 64<<10, func(dir string) {
		path := filepath.Join(dir, "registry.db")
		stuff := filepath.Join(dir, "stuff")
		fillUp(t, stuff)
		_, err := Open(path)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "cannot make it") {
			t.Errorf("error %v, want no space left", err)
		}
		os.Remove(stuff)
		s, err := Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		s.Close()
	})
}

// fillUp writes to path until the disk is full.
func fillUp(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}
