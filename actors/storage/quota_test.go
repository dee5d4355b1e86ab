//go:build quotas

// Not every kernel has project quotas (CONFIG_QFMT_V2), so these tests are asked
// for by a tag: .ci runs them on the VPS.

package storage

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// insideVariable names the file system with quotas to the test that is run there.
const insideVariable = "STORAGE_TEST_INSIDE"

// A small ext4 with project quotas is mounted in a namespace, and this test runs
// again in there; mount and loop device go with it.
func TestProject_OnAFileSystemThatKeepsQuotas(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		t.Run("AQuotaIsKept", aQuotaIsKept)
		t.Run("ADirectoryTakenOutOfItsProjectIsWalked", aDirectoryTakenOutOfItsProjectIsWalked)
		t.Run("WhatLiesDeepIsCountedAndNoLinkIsFollowed", whatLiesDeepIsCountedAndNoLinkIsFollowed)
		return
	}
	dir := t.TempDir()
	image, point := filepath.Join(dir, "image"), filepath.Join(dir, "point")
	script := `set -e
truncate -s 64M "$1"
mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$1"
mkdir "$2"
mount -o loop,prjquota "$1" "$2"
chmod 755 "$2"
exec "$3" -test.run=KeepsQuotas -test.v`
	for _, up := range []string{dir, filepath.Dir(dir)} { // for the owner of the data, who is not root
		if err := os.Chmod(up, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", image, point, exe)
	cmd.Env = append(os.Environ(), insideVariable+"="+point)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("/AQuotaIsKept")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func inside(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(os.Getenv(insideVariable), filepath.Base(t.Name()))
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 70000, 70000)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeAs writes so many megabytes as the owner of the directory: root may
// always write.
func writeAs(t *testing.T, file string, mb string) error {
	t.Helper()
	cmd := exec.Command("dd", "if=/dev/zero", "of="+file, "bs=1M", "count="+mb, "conv=fsync")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 70000, Gid: 70000}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

func aQuotaIsKept(t *testing.T) {
	dir := inside(t)
	if err := writeAs(t, filepath.Join(dir, "before"), "2"); err != nil {
		t.Fatal(err)
	}
	if err := Limit(t.Context(), dir, 70000, 5<<20); err != nil {
		t.Fatal(err)
	}
	used, err := Measure(t.Context(), dir, 70000)
	if err != nil || used.Method != ByProject || used.Bytes < 2<<20 || used.Bytes > 2<<20+64<<10 {
		t.Errorf("what was there before: %+v, %v", used, err)
	}
	if err := writeAs(t, filepath.Join(dir, "after"), "2"); err != nil {
		t.Errorf("below the quota: %v", err)
	}
	if err := writeAs(t, filepath.Join(dir, "more"), "2"); err == nil || !strings.Contains(err.Error(), "Disk quota exceeded") {
		t.Errorf("beyond the quota: %v", err)
	}
	if used, err = Measure(t.Context(), dir, 70000); err != nil || used.Bytes > 5<<20 || used.Bytes < 4<<20 {
		t.Errorf("full: %+v, %v", used, err)
	}
	if err := Limit(t.Context(), dir, 70000, 20<<20); err != nil {
		t.Fatal(err)
	}
	if err := writeAs(t, filepath.Join(dir, "more"), "8"); err != nil {
		t.Errorf("with a larger quota: %v", err)
	}
	if err := Limit(t.Context(), dir, 70000, 0); err != nil {
		t.Fatal(err)
	}
	if err := writeAs(t, filepath.Join(dir, "most"), "20"); err != nil {
		t.Errorf("without a quota: %v", err)
	}
}

func aDirectoryTakenOutOfItsProjectIsWalked(t *testing.T) {
	dir := inside(t)
	if err := Limit(t.Context(), dir, 70001, 5<<20); err != nil {
		t.Fatal(err)
	}
	if err := writeAs(t, filepath.Join(dir, "file"), "1"); err != nil {
		t.Fatal(err)
	}
	fd, err := openDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := mark(fd, 0, 0); err != nil {
		t.Fatal(err)
	}
	if used, err := Measure(t.Context(), dir, 70001); err != nil || used != (Usage{1 << 20, ByWalk}) {
		t.Errorf("%+v, %v", used, err)
	}
}

func whatLiesDeepIsCountedAndNoLinkIsFollowed(t *testing.T) {
	dir := inside(t)
	outside := filepath.Join(filepath.Dir(dir), "outside")
	plant(t, outside, map[string]int{"big": 3 << 20})
	plant(t, dir, map[string]int{"a/b/c/file": 1 << 20})
	if err := errors.Join(os.Symlink(outside, filepath.Join(dir, "link")), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := Limit(t.Context(), dir, 70002, 5<<20); err != nil {
		t.Fatal(err)
	}
	if used, err := Measure(t.Context(), dir, 70002); err != nil || used.Method != ByProject || used.Bytes < 1<<20 || used.Bytes > 1<<20+64<<10 {
		t.Errorf("%+v, %v", used, err)
	}
}
