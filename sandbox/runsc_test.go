package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindRunsc_SaysWhatIsWrongWithIt(t *testing.T) {
	dir := t.TempDir()
	script, plain := filepath.Join(dir, "script"), filepath.Join(dir, "plain")
	for path, mode := range map[string]os.FileMode{script: 0o755, plain: 0o644} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): filepath.Join(dir, "none") + ": no such file or directory",
		plain:                      plain + " is not executable",
		dir:                        dir + " is not executable",
		script:                     script + " needs /bin/sh, which it does not find once it is enclosed",
	} {
		found, version, err := findRunsc(path)
		if err == nil || err.Error() != want || found != "" || version != "" {
			t.Errorf("%q %q %v, want %s", found, version, err, want)
		}
	}
	t.Setenv("PATH", dir)
	if _, _, err := findRunsc(""); err == nil || err.Error() != "there is no runsc in the PATH" {
		t.Error(err)
	}
}

// A program of ours stands in: any static Go binary tells its version.
func TestFindRunsc_TellsTheVersionOfAGoProgram(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found, version, err := findRunsc(path)
	if interpreterOf(path) != "" { // as under -race
		if err == nil || !strings.HasPrefix(err.Error(), path+" needs /lib") {
			t.Error(err)
		}
		return
	}
	if err != nil || found != path || strings.ContainsAny(version, "()") {
		t.Errorf("%q %q %v", found, version, err)
	}
}
