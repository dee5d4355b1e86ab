package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plant makes files of these sizes below dir.
func plant(t *testing.T, dir string, files map[string]int) {
	t.Helper()
	for name, size := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWalk_AddsUpFilesAndFollowsNoLink(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "alice")
	plant(t, base, map[string]int{"alice/a": 100, "alice/sub/deep/b": 20, "bob/secret": 5000})
	for link, to := range map[string]string{"loop": ".", "out": "../bob", "abs": base, "file": "../bob/secret"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := usedBytes(t.Context(), dir); n != 120 || err != nil {
		t.Errorf("%d bytes, %v; want 120", n, err)
	}
}

func TestWalk_ADirectoryThatIsNotThereHoldsNothing(t *testing.T) {
	for _, dir := range []string{"none", "no/ne"} {
		if n, err := usedBytes(t.Context(), filepath.Join(t.TempDir(), dir)); n != 0 || err != nil {
			t.Errorf("%s: %d bytes, %v", dir, n, err)
		}
	}
}

func TestWalk_ATenantsDirectoryThatBecameALinkIsRefused(t *testing.T) {
	base := t.TempDir()
	plant(t, base, map[string]int{"bob/secret": 5000})
	if err := os.Symlink("bob", filepath.Join(base, "alice")); err != nil {
		t.Fatal(err)
	}
	if n, err := usedBytes(t.Context(), filepath.Join(base, "alice")); err == nil || n != 0 || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestWalk_TheWalkIsBounded(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]int{strings.Repeat("d/", maxWalkDepth) + "f": 1})
	if n, err := usedBytes(t.Context(), dir); n != 1 || err != nil {
		t.Errorf("as deep as it may be: %d bytes, %v", n, err)
	}
	plant(t, dir, map[string]int{strings.Repeat("d/", maxWalkDepth+1) + "f": 1})
	if _, err := usedBytes(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("too deep: %v", err)
	}
	w := storageWalk{ctx: t.Context(), entries: maxWalkEntries}
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := w.enter(root, filepath.Base(dir), 0); err == nil || !strings.Contains(err.Error(), "more than 1000000 files") {
		t.Errorf("too many: %v", err)
	}
}

func TestWalk_ACallerWhoLeavesEndsTheWalk(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]int{"a": 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := usedBytes(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
