package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
)

func TestRestore_WhatCannotBePutInPlaceLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	to := write("there")
	if _, err := moveInto(write("new"), to, filepath.Join(dir, "none", "aside")); err == nil {
		t.Error("set aside nowhere")
	}
	if got, _ := os.ReadFile(to); string(got) != "there" {
		t.Errorf("what was there is %q", got)
	}
	if _, err := moveInto(filepath.Join(dir, "new"), to, filepath.Join(dir, "aside")); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(to); string(got) != "new" {
		t.Errorf("what is there is %q", got)
	}
	if back, err := moveInto(filepath.Join(dir, "not in the backup"), to, filepath.Join(dir, "aside")); err != nil {
		t.Error(err)
	} else {
		back()
	}
	if got, _ := os.ReadFile(to); string(got) != "new" {
		t.Errorf("what is not in the backup took away what is there: %q", got)
	}
}

func TestRestore_AStateIsPutInPlaceAsAWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"stage/" + tokenName, "stage/" + registryName, "there/" + tokenName, "file"} {
		w.write(name, name)
	}
	moves := []move{{"none of the backup", w.file("there/none")}, {tokenName, w.file("there/" + tokenName)}, {registryName, w.file("file/no directory/x")}}
	if err := moveAll(w.file("stage"), moves); err == nil || !strings.HasPrefix(err.Error(), "cannot put "+registryName+" in place: ") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"stage/" + tokenName, "stage/" + registryName, "there/" + tokenName} {
		if got := w.read(name); got != name {
			t.Errorf("%s is %q", name, got)
		}
	}
	if w.has("there/none") || w.has("stage/former-"+tokenName) {
		t.Error("something is there that was not")
	}
}

// F14: the disk is full in the middle of it.
func TestRestore_AFullDiskLeavesEverythingAsItWas(t *testing.T) {
	w := filled(t)
	w.does("backup", w.file("small"))
	w.does("backup", "notes:alice", w.file("small-alice"))
	large := strings.Repeat("a certificate", 1<<17) // more than the disk has
	w.write("data/acme/certs/large.pem", large)
	w.write("data/notes/alice/large", large)
	w.does("backup", w.file("large"))
	w.does("backup", "notes:alice", w.file("large-alice"))
	onSmallDisk(t, 1<<20, func(dir string) {
		other := elsewhere(t)
		other.env["TENEMENT_DATA_DIR"] = dir
		fails := func(args ...string) {
			t.Helper()
			before := treeOf(t, dir)
			other.wants(1, "", "no space left on device", append([]string{"restore"}, args...)...)
			if after := treeOf(t, dir); !maps.Equal(before, after) {
				t.Errorf("restore %v left %v, there was %v", args, after, before)
			}
		}
		other.wants(1, "", "no space left on device", "restore", w.file("large"))
		if left := treeOf(t, dir); left[registryName] != "" || left[tokenName] != "" || left["acme/certs/large.pem"] != "" {
			t.Errorf("a part of the state is there: %v", left)
		}
		other.does("restore", w.file("small"))
		other.does("restore", "notes:alice", w.file("small-alice"))
		fails(w.file("large"), "--replace")
		fails("notes:alice", w.file("large-alice"), "--replace")
		fails("notes:bob", w.file("large-alice"))
	})
}

// The machine gets its tenement.toml from the backup, with the state or not at all.
func TestRestore_AFullDiskLeavesNoConfigurationWithoutState(t *testing.T) {
	w := filled(t)
	w.write("data/acme/certs/large.pem", strings.Repeat("a certificate", 1<<17))
	w.does("backup", w.file("large"))
	t.Chdir(t.TempDir())
	onSmallDisk(t, 1<<20, func(dir string) {
		other := elsewhere(t)
		other.env = map[string]string{"TENEMENT_DATA_DIR": dir, "RUNTIME_DIRECTORY": other.file("run")}
		back := w.file(conf.FileName) // below the other machine's root
		other.wants(1, "Wrote "+back+"\nTook "+back+" away again\n", "no space left on device", "restore", w.file("large"))
		if other.has(back) {
			t.Error("the configuration is there, and the state is not")
		}
	})
}

// treeOf is every file below a directory, shortened: what it begins with and its size.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		tree[name] = e.Type().String()
		if e.Type().IsRegular() {
			text, err := os.ReadFile(path)
			tree[name] = fmt.Sprintf("%d bytes %.40q", len(text), text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return tree
}
