package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tenement/actors/ledger"
	"tenement/conf"
)

// filled is a world whose data directory has a registry, a token, certificates
// and alice's files.
func filled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.write("data/"+tokenName, "ten_secret\n")
	w.write("data/acme/certs/example.com.pem", "a certificate")
	w.write("data/notes/alice/notes.db", "alice's notes")
	w.write("data/notes/alice/deep/er/file", "deep")
	store, err := ledger.Open(filepath.Join(w.dir, "data", registryName))
	if err != nil {
		t.Fatal(err)
	}
	alice := conf.Instance{Service: "notes", ID: "alice"}
	if err := errors.Join(store.Apply(ledger.PutTenant{Tenant: ledger.Tenant{Name: alice, UID: 1_900_000_001, Weight: 70}}), store.Close()); err != nil {
		t.Fatal(err)
	}
	return w
}

// elsewhere is another machine with the same configuration and nothing else.
func elsewhere(t *testing.T) *world { return newWorld(t) }

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

// does runs a command line that has to succeed.
func (w *world) does(args ...string) string {
	w.t.Helper()
	code, out, errs := w.ten(args...)
	if code != 0 || errs != "" {
		w.t.Fatalf("ten %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func TestBackup_TheStateComesBackOnAnotherMachine(t *testing.T) {
	w := filled(t)
	for _, running := range []bool{false, true} {
		file := w.file("state.tar.gz")
		if running {
			w.daemon()
			file = w.file("running.tar.gz")
		}
		if out := w.does("backup", file); !strings.Contains(out, "4 file(s)") {
			t.Errorf("running %t: %s", running, out)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("anybody may read it: %v, %v", info.Mode(), err)
		}
		other := elsewhere(t)
		out := other.does("restore", file)
		if !strings.Contains(out, "Restored the state of 20") || !strings.Contains(out, "Left as it is: "+other.file(conf.FileName)) {
			t.Errorf("%s", out)
		}
		if other.read("data/"+tokenName) != "ten_secret\n" || other.read("data/acme/certs/example.com.pem") != "a certificate" {
			t.Error("the token or the certificates are not there")
		}
		store, err := ledger.Open(other.file("data/" + registryName))
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := store.Load()
		if err != nil || len(all) != 1 || all[0].Weight != 70 {
			t.Errorf("%+v, %v", all, err)
		}
		store.Close()
		left, err := filepath.Glob(other.file("data/.restore*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestRestore_AMachineWithoutAConfigurationGetsThatOfTheBackup(t *testing.T) {
	w := filled(t)
	if err := os.Chmod(w.file(conf.FileName), 0o640); err != nil {
		t.Fatal(err)
	}
	w.does("backup", w.file("b"))
	other := elsewhere(t)
	other.env = map[string]string{"TENEMENT_DATA_DIR": other.file("data"), "RUNTIME_DIRECTORY": other.file("run")}
	t.Chdir(t.TempDir())
	out := other.does("restore", w.file("b"))
	back := other.file(w.file(conf.FileName)) // below the other machine's root
	info, err := os.Stat(back)
	if err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(out, "Wrote "+w.file(conf.FileName)) || !other.has("data/"+registryName) {
		t.Fatalf("%v, %v\n%s", info, err, out)
	}
	if text, err := os.ReadFile(back); err != nil || string(text) != worldConfig {
		t.Errorf("%q, %v", text, err)
	}
	other.wants(1, "", "is there, and is not the tenement.toml in use", "restore", "--replace", w.file("b"))
}

func TestBackup_ATenantComesBackWithItsRightsTimesAndLinks(t *testing.T) {
	w := filled(t)
	dir := w.file("data/notes/alice")
	if err := errors.Join(os.Symlink("notes.db", filepath.Join(dir, "link")), os.Symlink("/etc/passwd", filepath.Join(dir, "out")),
		os.Chmod(filepath.Join(dir, "deep/er/file"), 0o640), syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if out := w.does("backup", "notes:alice", w.file("alice")); !strings.Contains(out, "2 file(s)") || !strings.Contains(out, "Left out: 1 socket(s)") {
		t.Errorf("%s", out)
	}
	other := elsewhere(t)
	other.does("restore", "notes:bob", w.file("alice"))
	if other.read("data/notes/bob/notes.db") != "alice's notes" || other.read("data/notes/bob/deep/er/file") != "deep" {
		t.Error("its files are not there")
	}
	for name, want := range map[string]string{"link": "notes.db", "out": "/etc/passwd"} {
		if got, err := os.Readlink(other.file("data/notes/bob/" + name)); got != want || err != nil {
			t.Errorf("%s leads to %q, %v", name, got, err)
		}
	}
	before, _ := os.Stat(filepath.Join(dir, "deep/er/file"))
	after, err := os.Stat(other.file("data/notes/bob/deep/er/file"))
	if err != nil || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("%v, %v; it was %v", after, err, before)
	}
	other.wants(1, "", "notes:bob has data already: --replace", "restore", "notes:bob", w.file("alice"))
	other.write("data/notes/bob/newer", "x")
	other.does("restore", "notes:bob", w.file("alice"), "--replace")
	if other.has("data/notes/bob/newer") {
		t.Error("what was there before is there still")
	}
}

func TestBackup_ATenantIsHeldMeanwhileAndAfterwardsAsItWas(t *testing.T) {
	for name, deeds := range map[string]string{
		"alice": "hold notes:alice, unhold notes:alice, spawn notes:alice", // awake before
		"bob":   "hold notes:bob, unhold notes:bob",
	} {
		w := filled(t)
		w.write("data/notes/bob/x", "x")
		w.daemon()
		w.does("backup", "notes:"+name, w.file("b"))
		if got := w.host.all(); got != deeds {
			t.Errorf("the daemon did %q, want %q", got, deeds)
		}
	}
	w := filled(t)
	w.daemon()
	w.does("hold", "notes:alice")
	w.does("backup", "notes:alice", w.file("b"))
	if got := w.host.all(); got != "hold notes:alice" {
		t.Errorf("one that was held is let go: %q", got)
	}
	w.does("restore", "notes:alice", w.file("b"), "--replace")
	if got := w.host.all(); got != "hold notes:alice, register [notes:alice]" {
		t.Errorf("restored: %q", got)
	}
}

func TestBackup_OneThatSomebodyWokeMeanwhileIsNone(t *testing.T) {
	w := filled(t)
	w.daemon()
	w.host.stubborn = true
	w.wants(1, "", "somebody woke notes:alice meanwhile", "backup", "notes:alice", w.file("b"))
	if left, _ := filepath.Glob(w.file("b*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackup_InterruptedItLetsGoAndLeavesNothing(t *testing.T) {
	w := filled(t)
	w.daemon()
	a, _, _ := w.app()
	p, err := a.place()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, err := newArchive(w.file("b"), a.manifestOf("notes:alice"))
	if err != nil {
		t.Fatal(err)
	}
	alice := conf.Instance{Service: "notes", ID: "alice"}
	err = p.whileAsleep(ctx, alice, func() error {
		cancel()
		return out.addTree(ctx, p.dirOf(alice), dataPrefix)
	})
	out.drop()
	if !errors.Is(err, context.Canceled) || !strings.HasSuffix(w.host.all(), "unhold notes:alice, spawn notes:alice") {
		t.Errorf("%v, the daemon did %q", err, w.host.all())
	}
}

func TestBackup_WhatIsWrongIsSaid(t *testing.T) {
	w := filled(t)
	w.write("there", "x")
	for _, c := range []struct{ line, says string }{
		{"backup FILE/there", "is there already: a backup overwrites nothing"},
		{"backup FILE/none/b", "cannot write the backup"},
		{"backup notes:Bo/b FILE/b", "not a valid name"},
		{"backup notes:zoe FILE/b", "notes:zoe has no directory"},
		{"backup FILE/b --server http://127.0.0.1:1", "on the daemon's own machine: leave out --server"},
		{"restore FILE/none", "cannot read the backup"},
		{"restore FILE/there", "is no backup of tenement's"},
	} {
		code, _, errs := w.ten(strings.Fields(strings.ReplaceAll(c.line, "FILE", w.dir))...)
		if code != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d, %q, want %q", c.line, code, errs, c.says)
		}
	}
	w.does("backup", w.file("state"))
	w.does("backup", "notes:alice", w.file("alice"))
	w.wants(1, "", "has a registry already: --replace", "restore", w.file("state"))
	w.wants(1, "", "this is a backup of notes:alice", "restore", w.file("alice"))
	w.wants(1, "", "this is a backup of the daemon's state", "restore", "notes:alice", w.file("state"))
	w.wants(1, "", "there is no service none", "restore", "none:alice", w.file("alice"))
	if err := os.WriteFile(w.file("data/"+registryName), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.wants(1, "", "no valid header", "backup", w.file("damaged"))

	w = filled(t)
	w.does("backup", w.file("state"))
	w.daemon()
	w.wants(1, "", "is in use by pid", "restore", w.file("state"), "--replace")
	w.wants(1, "", "notes:zoe", "backup", "notes:zoe", w.file("b"))
	w.write("data/shop/zoe/x", "not registered")
	w.wants(1, "", "shop:zoe", "backup", "shop:zoe", w.file("b"))
}

// forged is a backup with entries of anybody's making.
func forged(t *testing.T, path string, entries ...tar.Header) {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	out := tar.NewWriter(zip)
	for _, h := range entries {
		text := []byte("stolen")
		if h.Name == manifestName {
			text = []byte(`{"format":1,"of":"notes:alice"}`)
		}
		h.Mode = 0o6755
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(text))
		}
		if err := out.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = out.Write(text)
		}
	}
	if err := errors.Join(out.Close(), zip.Close(), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestRestore_NothingOfABackupGetsOutOfTheDirectory(t *testing.T) {
	head := tar.Header{Name: manifestName, Typeflag: tar.TypeReg}
	dir := tar.Header{Name: "data/", Typeflag: tar.TypeDir}
	for about, entries := range map[string][]tar.Header{
		"a path upwards":   {head, dir, {Name: "data/../../../escaped", Typeflag: tar.TypeReg}},
		"an absolute path": {head, dir, {Name: "/escaped", Typeflag: tar.TypeReg}},
		"through a link":   {head, dir, {Name: "data/up", Typeflag: tar.TypeSymlink, Linkname: "../../.."}, {Name: "data/up/escaped", Typeflag: tar.TypeReg}},
		"over a link":      {head, dir, {Name: "data/up", Typeflag: tar.TypeSymlink, Linkname: "../../../escaped"}, {Name: "data/up", Typeflag: tar.TypeReg}},
		"a device":         {head, dir, {Name: "data/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"of the state":     {head, {Name: registryName, Typeflag: tar.TypeReg}},
	} {
		w := elsewhere(t)
		forged(t, w.file("b"), entries...)
		if code, _, errs := w.ten("restore", "notes:alice", w.file("b")); code != 1 || !strings.Contains(errs, "cannot restore") {
			t.Errorf("%s: exit %d, %s", about, code, errs)
		}
		if w.has("escaped") || w.has("data/notes/alice") || w.has("data/escaped") {
			t.Errorf("%s: it got out, or half of it is in place", about)
		}
		if left, _ := filepath.Glob(w.file("data/notes/.restore*")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", about, left)
		}
	}
	w := elsewhere(t)
	forged(t, w.file("b"), head, dir, tar.Header{Name: "data/tool", Typeflag: tar.TypeReg})
	w.does("restore", "notes:alice", w.file("b"))
	if info, err := os.Stat(w.file("data/notes/alice/tool")); err != nil || info.Mode() != fs.FileMode(0o755) {
		t.Errorf("more than plain rights: %v, %v", info.Mode(), err)
	}
}

func TestRestore_ADamagedBackupChangesNothing(t *testing.T) {
	w := filled(t)
	w.does("backup", w.file("state"))
	whole := w.read("state")
	for _, size := range []int{len(whole) / 2, len(whole) - 4} {
		w.write("cut", whole[:size])
		other := elsewhere(t)
		if code, _, errs := other.ten("restore", w.file("cut")); code != 1 || other.has("data/"+registryName) || !strings.Contains(errs, "unexpected EOF") {
			t.Errorf("%d of %d bytes: exit %d, %s", size, len(whole), code, errs)
		}
	}
	other := elsewhere(t)
	forged(t, other.file("b"), tar.Header{Name: manifestName, Typeflag: tar.TypeReg})
	from, err := openArchive(other.file("b"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.file.Close()
	if err := from.each(func(*tar.Header, io.Reader) error { return errors.New("not reached") }); err != nil {
		t.Errorf("an empty one: %v", err)
	}
}
