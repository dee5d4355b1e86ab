package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnThread_WhatIsDoneToTheThreadHappensToNobodyElse(t *testing.T) {
	t.Parallel()
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			err := onThread(func() error {
				if unix.Gettid() == unix.Getpid() {
					t.Error("on the main thread, which cannot end")
				}
				if err := unix.Unshare(unix.CLONE_FS); err != nil {
					return err
				}
				if old := unix.Umask(0o777); old == 0o777 {
					t.Error("this thread was somebody's before")
				}
				return unix.Chdir("/proc")
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a thread's umask is ours: %v", err)
	}
	if wd, err := os.Getwd(); err != nil || wd == "/proc" {
		t.Errorf("a thread's directory is ours: %s, %v", wd, err)
	}
}

func TestOnThread_GivesTheError(t *testing.T) {
	t.Parallel()
	oops := errors.New("oops")
	if err := onThread(func() error { return oops }); err != oops {
		t.Error(err)
	}
}
