package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRestrict_WritesOnlyWhereAllowed(t *testing.T) {
	t.Parallel()
	version := landlockVersion()
	if version == 0 {
		t.Skip("this kernel has no Landlock")
	}
	dir, other := t.TempDir(), t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for v := 1; v <= version; v++ { // older kernels have fewer rights, newer ones take old rules
		err := onThread(func() error {
			if err := errors.Join(noNewPrivileges(), restrict(v, []string{dir, file})); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(other, "x"), nil, 0o600); !errors.Is(err, unix.EACCES) {
				t.Errorf("version %d: wrote outside: %v", v, err)
			}
			if err := unix.Mount("tmpfs", other, "tmpfs", 0, ""); !errors.Is(err, unix.EPERM) && os.Geteuid() == 0 {
				t.Errorf("version %d: mounted: %v", v, err)
			}
			if _, err := os.ReadDir(other); err != nil {
				t.Errorf("version %d: cannot read: %v", v, err)
			}
			if err := os.WriteFile(os.DevNull, []byte("x"), 0); err != nil {
				t.Errorf("version %d: /dev/null: %v", v, err)
			}
			return errors.Join(os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600), os.Truncate(filepath.Join(dir, "x"), 0),
				os.WriteFile(file, []byte("y"), 0o600))
		})
		if err != nil {
			t.Errorf("version %d: %v", v, err)
		}
	}
}

func TestRestrict_WithoutLandlockNothingIsDone(t *testing.T) {
	t.Parallel()
	if err := restrict(0, []string{"/no/where"}); err != nil {
		t.Error(err)
	}
}

func TestRestrict_NamesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	version := landlockVersion()
	if version == 0 {
		t.Skip("this kernel has no Landlock")
	}
	err := onThread(func() error { return restrict(version, []string{"/no/where"}) })
	if err == nil || err.Error() != "open /no/where: no such file or directory" {
		t.Error(err)
	}
}

func TestFileRights_GrowWithTheVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]uint64{1: 0x1fff, 2: 0x3fff, 3: 0x7fff, 4: 0x7fff, 5: 0xffff, 7: 0xffff} {
		if got := fileRights(version); got != want {
			t.Errorf("version %d: %#x, want %#x", version, got, want)
		}
	}
}
