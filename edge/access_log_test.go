package edge

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAccessFile_FollowsItsNameWhenItIsMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := OpenAccessFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(s string) {
		t.Helper()
		if _, err := f.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	f.looked = time.Now().Add(-time.Second)
	write("two\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // nothing can be opened there
		t.Fatal(err)
	}
	f.looked = time.Now().Add(-time.Second)
	write("lost with the file that was removed\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.looked = time.Now().Add(-time.Second)
	write("three\n")
	for name, want := range map[string]string{path + ".1": "one\n", path: "three\n"} {
		if got, _ := os.ReadFile(name); string(got) != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("anybody may read it: %v, %v", info.Mode(), err)
	}
}

func TestAccessFile_LinesOfManyStayWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := OpenAccessFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				_, _ = f.Write([]byte(strings.Repeat("x", 500) + "\n"))
			}
		})
	}
	all.Wait()
	got, _ := os.ReadFile(path)
	if want := strings.Repeat(strings.Repeat("x", 500)+"\n", 400); string(got) != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

func TestAccessFile_OneThatCannotBeOpenedIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "access.log")
	if _, err := OpenAccessFile(path); err == nil || !strings.Contains(err.Error(), "cannot open the access log") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
