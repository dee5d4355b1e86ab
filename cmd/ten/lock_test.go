package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLock_TheSecondIsToldThePidOfTheFirst(t *testing.T) {
	dir := t.TempDir()
	first, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockData(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by pid %d", os.Getpid())) {
		t.Errorf("the second got %v", err)
	}
	if err := first.write("http://localhost:1234"); err != nil {
		t.Fatal(err)
	}
	if url := lockedURL(dir); url != "http://localhost:1234" {
		t.Errorf("it serves %q", url)
	}
	first.Close()
	again, err := lockData(dir)
	if err != nil {
		t.Fatalf("after the first gave it back: %v", err)
	}
	defer again.Close()
	if url := lockedURL(dir); url != "" {
		t.Errorf("before it serves: %q", url)
	}
}

func TestLock_WhatCannotBeLockedIsSaid(t *testing.T) {
	if _, err := lockData(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "cannot lock the data directory") {
		t.Errorf("got %v", err)
	}
	if url := lockedURL(t.TempDir()); url != "" {
		t.Errorf("nobody serves %q", url)
	}
	if pid, url := readLock(strings.NewReader("")); pid != "unknown" || url != "" {
		t.Errorf("an empty file: %q %q", pid, url)
	}
}
