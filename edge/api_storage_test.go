package edge

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/actors"
)

// plantFiles makes files of these sizes below dir.
func plantFiles(t *testing.T, dir string, files map[string]int) {
	t.Helper()
	for name, size := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStorage_AddsUpFilesAndFollowsNoLink(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "alice")
	plantFiles(t, base, map[string]int{"alice/a": 100, "alice/sub/deep/b": 20, "bob/secret": 5000})
	for link, to := range map[string]string{"loop": ".", "out": "../bob", "abs": base, "file": "../bob/secret"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := usedBytes(t.Context(), dir); n != 120 || err != nil {
		t.Errorf("%d bytes, %v; want 120", n, err)
	}
}

func TestStorage_ADirectoryThatIsNotThereHoldsNothing(t *testing.T) {
	for _, dir := range []string{"none", "no/ne"} {
		if n, err := usedBytes(t.Context(), filepath.Join(t.TempDir(), dir)); n != 0 || err != nil {
			t.Errorf("%s: %d bytes, %v", dir, n, err)
		}
	}
}

func TestStorage_ATenantsDirectoryThatBecameALinkIsRefused(t *testing.T) {
	base := t.TempDir()
	plantFiles(t, base, map[string]int{"bob/secret": 5000})
	if err := os.Symlink("bob", filepath.Join(base, "alice")); err != nil {
		t.Fatal(err)
	}
	if n, err := usedBytes(t.Context(), filepath.Join(base, "alice")); err == nil || n != 0 || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestStorage_TheWalkIsBounded(t *testing.T) {
	dir := t.TempDir()
	plantFiles(t, dir, map[string]int{strings.Repeat("d/", maxWalkDepth) + "f": 1})
	if n, err := usedBytes(t.Context(), dir); n != 1 || err != nil {
		t.Errorf("as deep as it may be: %d bytes, %v", n, err)
	}
	plantFiles(t, dir, map[string]int{strings.Repeat("d/", maxWalkDepth+1) + "f": 1})
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

func TestStorage_ACallerWhoLeavesEndsTheWalk(t *testing.T) {
	dir := t.TempDir()
	plantFiles(t, dir, map[string]int{"a": 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := usedBytes(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestStorage_TheAnswerHasUseAndQuota(t *testing.T) {
	d := newAsker(t)
	alice := d.host.tenants[apiName("notes:alice")]
	plantFiles(t, alice.DataDir, map[string]int{"f": 50})
	got := decodedReply[StorageJSON](t, d.ask("alice", "GET", "/api/instances/notes:alice/storage", ""))
	if want := (StorageJSON{UsedBytes: 50, Path: alice.DataDir}); got != want {
		t.Errorf("without a quota: %+v", got)
	}
	alice.QuotaBytes = 200
	d.host.tenants[alice.Name] = alice
	got = decodedReply[StorageJSON](t, d.ask("alice", "GET", "/api/instances/notes:alice/storage", ""))
	if want := (StorageJSON{UsedBytes: 50, QuotaBytes: 200, UsagePercent: 25, Path: alice.DataDir}); got != want {
		t.Errorf("with a quota: %+v", got)
	}
	if err := errors.Join(os.RemoveAll(alice.DataDir), os.WriteFile(alice.DataDir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	d.ask("alice", "GET", "/api/instances/notes:alice/storage", "").wants(t, 500, "cannot measure notes:alice")
}

func TestStorage_AListMeasuresEachTenantOnceInAWhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "alice")
	plantFiles(t, dir, map[string]int{"f": 10})
	m, infos := newStorageMeter(), []actors.Info{{DataDir: dir}, {DataDir: filepath.Join(dir, "f")}}
	if used := m.measure(t.Context(), infos); used[0] == nil || *used[0] != 10 || used[1] != nil {
		t.Errorf("first: %v", used)
	}
	plantFiles(t, dir, map[string]int{"g": 10})
	if used := m.measure(t.Context(), infos); *used[0] != 10 {
		t.Errorf("measured again at once: %d", *used[0])
	}
	last := m.seen[dir]
	last.at = last.at.Add(-2 * storageFresh)
	m.seen[dir] = last
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if used := m.measure(gone, infos); *used[0] != 10 {
		t.Errorf("out of time: %d, want what it last held", *used[0])
	}
	if used := m.measure(t.Context(), infos); *used[0] != 20 {
		t.Errorf("later: %d", *used[0])
	}
}
