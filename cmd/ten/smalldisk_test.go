package main

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

// onSmallDisk runs f with a directory on a file system of this many bytes. It is
// mounted in a mount namespace of one thread, which ends with f: nobody else
// ever sees it, and nothing is left of it.
func onSmallDisk(t *testing.T, bytes int, f func(dir string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system to fill it up")
	}
	dir := t.TempDir()
	done := make(chan error)
	go func() { // ends below, and takes its locked thread along
		runtime.LockOSThread()
		err := syscall.Unshare(syscall.CLONE_NEWNS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		if err == nil {
			err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(bytes))
		}
		if err == nil {
			defer func() { done <- syscall.Unmount(dir, syscall.MNT_DETACH) }()
			f(dir)
			return
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
}
