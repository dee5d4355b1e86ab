package edge

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

func TestStorage_TheAnswerHasUseAndQuota(t *testing.T) {
	d := newAsker(t)
	alice := d.host.tenants[apiName("notes:alice")]
	plantFiles(t, alice.DataDir, map[string]int{"f": 50})
	got := decodedReply[StorageJSON](t, d.ask("alice", "GET", "/api/instances/notes:alice/storage", ""))
	if want := (StorageJSON{UsedBytes: 50, Path: alice.DataDir, Measured: "walk"}); got != want {
		t.Errorf("without a quota: %+v", got)
	}
	alice.QuotaBytes = 200
	d.host.tenants[alice.Name] = alice
	got = decodedReply[StorageJSON](t, d.ask("alice", "GET", "/api/instances/notes:alice/storage", ""))
	if want := (StorageJSON{UsedBytes: 50, QuotaBytes: 200, UsagePercent: 25, Path: alice.DataDir, Measured: "walk"}); got != want {
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
