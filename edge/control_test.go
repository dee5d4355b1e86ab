package edge

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestControl_TheSocketIsTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	conn := dialAndAccept(t, l, path)
	conn.Close()
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file stays after Close: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

// dialAndAccept checks that the owner is let in.
func dialAndAccept(t *testing.T, l net.Listener, path string) net.Conn {
	t.Helper()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestControl_ASocketLeftByADeadDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialAndAccept(t, l, path).Close()
}

func TestControl_ALivingDaemonsSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	first, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := ListenControl(path); err == nil || !strings.Contains(err.Error(), "another daemon answers on "+path) {
		t.Errorf("the second got %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first no longer answers: %v", err)
	}
	conn.Close()
}

func TestControl_WhatIsNoSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl(path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("got %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("the file holds %q now", b)
	}
	if _, err := ListenControl(filepath.Join(path, "x")); err == nil {
		t.Error("below a file it works")
	}
	if _, err := ListenControl(filepath.Join(t.TempDir(), strings.Repeat("x", 200))); err == nil {
		t.Error("with a path that is too long it works")
	}
}

func TestControl_AnotherUserIsShutOut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it connects as another user")
	}
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ctl.sock")
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// The modes are the first wall; this is about the one behind it.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() { // ended by the owner's connection, or by Close
		if conn, err := l.Accept(); err == nil {
			accepted <- conn
		}
		close(accepted)
	}()
	stranger := connectAs(t, 65534, path)
	defer stranger.Close()
	if n, err := stranger.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the stranger read %d, %v", n, err)
	}
	owner, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	conn, ok := <-accepted
	if !ok {
		t.Fatal("the owner was not let in")
	}
	conn.Close()
}

// connectAs connects with the effective uid of somebody else, which one thread
// of a process may have for itself.
func connectAs(t *testing.T, uid int, path string) *os.File {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	keep := ^uintptr(0)
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); e != 0 {
		t.Fatal(e)
	}
	err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 0, keep); e != 0 {
		panic(e) // the thread must not go on as somebody else
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), path)
}
