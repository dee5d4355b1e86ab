package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
	"tenement/sandbox"
)

func TestRemove_TakesOneTenantsLogOnly(t *testing.T) {
	j := newJournal(t)
	for _, name := range []conf.Instance{alice, bob} {
		if err := j.Remove(name); err != nil {
			t.Fatalf("nothing is there yet: %v", err)
		}
		w := j.Writer(name)
		w.Write(sandbox.Stdout, []byte(name.ID+"\n"))
		w.Close()
	}
	for range 2 {
		if err := j.Remove(alice); err != nil {
			t.Fatal(err)
		}
	}
	said(t, j, alice)
	said(t, j, bob, "bob")
	if err := j.Remove(bob); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(j.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRemove_NeverFollowsALink(t *testing.T) {
	j := newJournal(t)
	outside := t.TempDir()
	precious := filepath.Join(outside, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plant(t, j, alice, "0000000001.log", at(1, "x"))
	for _, link := range []string{"notes/alice/link", "notes/mallory", "evil"} {
		if err := os.Symlink(outside, filepath.Join(j.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []conf.Instance{alice, {Service: "notes", ID: "mallory"}} {
		if err := j.Remove(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []conf.Instance{{Service: "evil", ID: "precious"}, {Service: "notes", ID: "../../../x"}} {
		if err := j.Remove(name); err == nil || !strings.HasPrefix(err.Error(), "cannot remove the log of "+name.String()) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
