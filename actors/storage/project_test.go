package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProject_WithoutQuotasALimitIsRefusedAndAWalkMeasures(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]int{"f": 70})
	if err := Limit(t.Context(), dir, 70000, 1<<20); !errors.Is(err, ErrNoQuota) {
		t.Skipf("this file system has project quotas: %v", err)
	}
	if err := Limit(t.Context(), dir, 70000, 0); err != nil {
		t.Errorf("no limit to lift: %v", err)
	}
	if used, err := Measure(t.Context(), dir, 70000); err != nil || used != (Usage{70, ByWalk}) {
		t.Errorf("%+v, %v", used, err)
	}
}

func TestProject_ADirectoryThatIsNoneIsTold(t *testing.T) {
	base := t.TempDir()
	plant(t, base, map[string]int{"file": 1, "dir/x": 1})
	if err := os.Symlink("dir", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "link", "nobody"} {
		dir := filepath.Join(base, name)
		if err := Limit(t.Context(), dir, 1, 1); err == nil || !strings.HasPrefix(err.Error(), "cannot limit what "+dir+" holds: open ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
