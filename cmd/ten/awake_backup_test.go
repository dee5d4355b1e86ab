package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// sqlite is the real shell, in no enclosure.
func sqlite(ctx context.Context, x actors.Execution) (sandbox.Status, error) {
	cmd := exec.CommandContext(ctx, x.Argv[0], x.Argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.Streams[0], x.Streams[1], x.Streams[2]
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return sandbox.Status{Code: exit.ExitCode()}, nil
	}
	return sandbox.Status{}, err
}

// says is a shell that answers with fixed lines, whatever it is told.
func says(code int, out, errs string) func(context.Context, actors.Execution) (sandbox.Status, error) {
	return func(_ context.Context, x actors.Execution) (sandbox.Status, error) {
		fmt.Fprint(x.Streams[1], out)
		fmt.Fprint(x.Streams[2], errs)
		return sandbox.Status{Code: code}, nil
	}
}

// sql runs a statement on a file of the world's.
func (w *world) sql(name, statement string) string {
	w.t.Helper()
	out, err := exec.Command(sqliteShell, w.file(name), statement).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", statement, err, out)
	}
	return strings.TrimSpace(string(out))
}

// kept is a world with a daemon, in which alice has two databases.
func kept(t *testing.T) *world {
	t.Helper()
	if _, err := exec.LookPath(sqliteShell); err != nil {
		t.Skip("sqlite3 is not installed")
	}
	w := filled(t)
	w.host.shell = sqlite
	for _, name := range []string{"data/notes/alice/notes.db", "data/notes/alice/deep/it's; odd\n.db"} {
		w.write(name, "")
		w.sql(name, "PRAGMA journal_mode=WAL; CREATE TABLE t(n); INSERT INTO t VALUES(7);")
	}
	w.daemon()
	return w
}

func TestBackupOnline_AnAwakeTenantStaysAwake(t *testing.T) {
	w := kept(t)
	out := w.does("backup", "--online", "notes:alice", w.file("b"))
	if !strings.Contains(out, "Held still meanwhile: 2 SQLite database(s)") || strings.Contains(out, "Changed") {
		t.Error(out)
	}
	deeds := w.host.all()
	if strings.Contains(deeds, "hold notes") || strings.Count(deeds, "exec notes:alice [sqlite3 -batch -bail -init /dev/null "+w.file("data/notes/alice")) != 2 {
		t.Errorf("the daemon did %s", deeds)
	}
	other := elsewhere(t)
	other.does("restore", "notes:bob", w.file("b"))
	for _, name := range []string{"notes.db", "deep/it's; odd\n.db"} {
		if got := other.sql("data/notes/bob/"+name, "PRAGMA integrity_check; SELECT n FROM t"); got != "ok\n7" {
			t.Errorf("%q: %s", name, got)
		}
	}
	if other.read("data/notes/bob/deep/er/file") != "deep" {
		t.Error("the other files are not there")
	}
}

// What is in the log only counts as well; what belongs to a moment does not.
func TestBackupOnline_TheLogComesWithItsDatabase(t *testing.T) {
	w := kept(t)
	// The reader outlives the writer, so that nothing is moved out of the log.
	reader := exec.Command(sqliteShell, w.file("data/notes/alice/notes.db"))
	in, err := reader.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	seen, err := reader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "SELECT n FROM t;")
	if _, err := seen.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	w.sql("data/notes/alice/notes.db", "INSERT INTO t VALUES(8)")
	if !w.has("data/notes/alice/notes.db-wal") || !w.has("data/notes/alice/notes.db-shm") {
		t.Fatal("there is no log: this proves nothing")
	}
	w.does("backup", "--online", "notes:alice", w.file("b"))
	in.Close()
	if err := reader.Wait(); err != nil {
		t.Error(err)
	}
	other := elsewhere(t)
	other.does("restore", "notes:bob", w.file("b"))
	if !other.has("data/notes/bob/notes.db-wal") || other.has("data/notes/bob/notes.db-shm") {
		t.Error("the log is missing, or more than it came along")
	}
	if got := other.sql("data/notes/bob/notes.db", "PRAGMA integrity_check; SELECT group_concat(n) FROM t"); got != "ok\n7,8" {
		t.Error(got)
	}
}

func TestBackupOnline_ASleeperIsCopiedAsItLies(t *testing.T) {
	w := filled(t)
	w.write("data/notes/bob/notes.db", string(sqliteMark)+"…")
	w.daemon()
	out := w.does("backup", "--online", "notes:bob", w.file("b"))
	if got := w.host.all(); got != "" || strings.Contains(out, "Held still") {
		t.Errorf("the daemon did %q\n%s", got, out)
	}
	w = filled(t)
	w.does("backup", "--online", "notes:alice", w.file("b")) // no daemon runs
	if !w.has("b") {
		t.Error("no backup")
	}
}

func TestBackupOnline_OneThatWakesAndSleepsIsTriedThreeTimes(t *testing.T) {
	w := filled(t)
	w.write("data/notes/bob/x", "x")
	bob := conf.Instance{Service: "notes", ID: "bob"}
	w.daemon()
	for _, c := range []struct {
		moves  int64 // how often it does so
		looks  int64 // how often the daemon is asked
		code   int
		reason string
	}{{1, 4, 0, ""}, {99, 6, 1, "it woke up or fell asleep meanwhile"}} {
		var looks atomic.Int64
		w.host.looked = func() {
			if n := looks.Add(1); n%2 == 0 && n/2 <= c.moves {
				i := w.host.tenants[bob]
				i.Generation++
				w.host.tenants[bob] = i
			}
		}
		file := w.file(fmt.Sprint("b", c.moves))
		code, _, errs := w.ten("backup", "--online", "notes:bob", file)
		if code != c.code || !strings.Contains(errs, c.reason) || looks.Load() != c.looks || isFile(file) != (c.code == 0) {
			t.Errorf("%d moves: exit %d, %s, %d looks", c.moves, code, errs, looks.Load())
		}
	}
	if left, _ := filepath.Glob(w.file("b99*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackupOnline_WhatIsWrongIsSaidAndNothingIsLeft(t *testing.T) {
	for about, c := range map[string]struct {
		shell func(context.Context, actors.Execution) (sandbox.Status, error)
		says  string
	}{
		"no program": {func(context.Context, actors.Execution) (sandbox.Status, error) {
			return sandbox.Status{}, errors.New("cannot execute sqlite3: not found")
		}, "cannot execute sqlite3: not found: --online needs the program sqlite3 where the tenant runs (apt install sqlite3)"},
		"a locked one":        {says(1, "", "Error: database is locked\n"), "/data/notes/alice: sqlite3 says Error: database is locked: --online needs"},
		"one that leaves":     {says(0, "", ""), "sqlite3 ended too early"},
		"not to the end":      {says(0, "held\n", ""), "/data/notes/alice: sqlite3 ended too early\n"},
		"endless words":       {says(1, strings.Repeat("x", 1<<20)+"\nheld\n", ""), "sqlite3"},
		"more than anybody's": {says(1, "", strings.Repeat("y", 4000)), "sqlite3 says " + strings.Repeat("y", 500) + ": "},
	} {
		w := filled(t)
		w.write("data/notes/alice/notes.db", string(sqliteMark)+"…")
		w.host.shell = c.shell
		w.daemon()
		code, out, errs := w.ten("backup", "--online", "notes:alice", w.file("b"))
		if code != 1 || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d, %.300s\nwant %.100s", about, code, errs, c.says)
		}
		if left, _ := filepath.Glob(w.file("b*")); len(left) > 0 {
			t.Errorf("%s left %v", about, left)
		}
	}
	w := filled(t)
	w.wants(1, "", "--online goes with a tenant", "backup", "--online", w.file("b"))
	w.write("data/notes/alice/notes.db", string(sqliteMark)+"…")
	w.write(conf.FileName, strings.Replace(worldConfig, `"process"`, `"sandbox"`, 1))
	w.daemon()
	w.wants(1, "", `it is a SQLite database, and locks at isolation = "sandbox" do not hold outside of it: leave out --online`, "backup", "--online", "notes:alice", w.file("b"))
	w.wants(1, "", "notes:zoe has no directory", "backup", "--online", "notes:zoe", w.file("b"))
}

func TestBackupOnline_AShellThatSaysNothingIsLeftWithTheBackup(t *testing.T) {
	w := filled(t)
	w.write("data/notes/alice/notes.db", string(sqliteMark)+"…")
	asked := make(chan struct{})
	w.host.shell = func(ctx context.Context, _ actors.Execution) (sandbox.Status, error) {
		close(asked)
		<-ctx.Done()
		return sandbox.Status{Code: -1, Signal: int(syscall.SIGKILL)}, nil
	}
	w.daemon()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends when the shell is asked
		<-asked
		cancel()
	}()
	a, _, _ := w.app()
	p, err := a.place()
	if err != nil {
		t.Fatal(err)
	}
	alice := conf.Instance{Service: "notes", ID: "alice"}
	if err := a.tryTenant(ctx, p, alice, w.file("b"), true); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(w.file("b*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What a tenant does to its files between the look and the opening.
func TestTree_NothingMakesItWaitOrLeadsOut(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("of the host"), 0o600), syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.Symlink(secret, filepath.Join(dir, "out")),
		os.Mkdir(filepath.Join(dir, "folder"), 0o700)); err != nil {
		t.Fatal(err)
	}
	tr, err := openTree(dir, "data")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	for _, name := range []string{"pipe", "folder"} {
		if _, _, err := tr.open(name); !errors.Is(err, errNoFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"out", "../" + filepath.Base(dir) + "/pipe", secret} {
		if f, _, err := tr.open(name); err == nil {
			t.Errorf("%s leads to %s", name, f.Name())
		}
	}
	write("shrinks", "0123456789")
	out, err := newArchive(filepath.Join(t.TempDir(), "b"), manifest{})
	if err != nil {
		t.Fatal(err)
	}
	defer out.drop()
	tr.hold = func(context.Context, string) (func(context.Context) error, error) {
		return nil, errors.New("not asked for")
	}
	if err := out.addFile(t.Context(), tr, "pipe"); err != nil || out.skipped != 1 {
		t.Errorf("a file that is a pipe by now: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := out.addFile(ended, tr, "shrinks"); !errors.Is(err, context.Canceled) {
		t.Errorf("told to end: %v", err)
	}
	if _, err := openTree(filepath.Join(dir, "none"), "data"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
