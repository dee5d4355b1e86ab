package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keeper is a service whose tenants write to two SQLite databases without pause.
func keeper(t *testing.T, level string) setup {
	t.Helper()
	for _, program := range []string{"sqlite3", "/usr/bin/python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	return setup{services: fmt.Sprintf(`
[service.notes]
command = "/usr/bin/python3 DIR/sqlite/app.py"
isolation = %q
listen = "tcp"
idle_timeout = 600
startup_timeout = 60
apex = "none"
`, level), env: []string{plainPath()}}
}

// withApp puts the app where its user may read it.
func (d *daemon) withApp(name string) {
	d.t.Helper()
	to := filepath.Join(d.dir, name)
	if err := os.CopyFS(to, os.DirFS(filepath.Join("testdata/apps", name))); err != nil {
		d.t.Fatal(err)
	}
	for _, path := range []string{d.dir, to} {
		if err := os.Chmod(path, 0o755); err != nil {
			d.t.Fatal(err)
		}
	}
}

// written says how many transactions a keeper has made, in each database.
func (d *daemon) written(id string) (log, journal int) {
	d.t.Helper()
	r := d.want(200, "notes", id, "/")
	if _, err := fmt.Sscan(r.body, &log, &journal); err != nil {
		d.t.Fatalf("%q: %v", r.body, err)
	}
	return log, journal
}

// query asks a database of a tenant that sleeps.
func (d *daemon) query(id, name, sql string) string {
	d.t.Helper()
	out, err := exec.Command("sqlite3", filepath.Join(d.data, "notes", id, name), sql).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s of %s: %v\n%s", name, id, err, out)
	}
	return strings.TrimSpace(string(out))
}

// whole is what every committed state of a keeper's database answers.
const (
	wholeQuery = `PRAGMA integrity_check; SELECT total.n = max(entry.n), count(*) = 1000, min(entry.n) = total.n - 999 FROM total, entry`
	whole      = "ok\n1|1|1"
)

func TestBackup_OfAnAwakeTenantHoldsWhatWasCommitted(t *testing.T) {
	for _, level := range levels[:2] {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			needsLevel(t, level)
			d := prepare(t, keeper(t, level))
			d.withApp("sqlite")
			d.start()
			d.must("register", "notes:alice", "notes:bob")
			eventually(t, "both databases have all of their entries", time.Minute, func() bool {
				log, journal := d.written("alice")
				return log > 1000 && journal > 1000
			})
			before := d.instances()["notes:alice"]
			for i := range 3 {
				file := filepath.Join(d.dir, fmt.Sprintf("%d.tar.gz", i))
				log, journal := d.written("alice")
				if out := d.must("backup", "--online", "notes:alice", file); !strings.Contains(out, "2 SQLite database(s)") {
					t.Errorf("no database was held still: %s", out)
				}
				logAfter, journalAfter := d.written("alice")
				if logAfter == log || journalAfter == journal {
					t.Errorf("it wrote nothing meanwhile, %d and %d: this proves nothing", log, journal)
				}
				d.must("restore", "notes:bob", file, "--replace")
				for _, c := range []struct {
					name          string
					atLeast, most int
				}{{"log.db", log, logAfter}, {"deep/journal.db", journal, journalAfter}} {
					if got := d.query("bob", c.name, wholeQuery); got != whole {
						t.Errorf("%s of backup %d: %s", c.name, i, got)
					}
					n := 0
					if _, err := fmt.Sscan(d.query("bob", c.name, "SELECT n FROM total"), &n); err != nil || n < c.atLeast || n > c.most {
						t.Errorf("%s of backup %d is of transaction %d, %v: not one between %d and %d", c.name, i, n, err, c.atLeast, c.most)
					}
				}
			}
			if after := d.instances()["notes:alice"]; after.Pid != before.Pid || after.Restarts != 0 {
				t.Errorf("it was not left alone: %+v, then %+v", before, after)
			}
			eventually(t, "what was restored serves", time.Minute, func() bool { // it answers before its first transaction
				log, journal := d.written("bob")
				return log > 0 && journal > 0
			})
		})
	}
}

// One whose database is locked is not copied, and not left held.
func TestBackup_OfALockedDatabaseFailsAndLeavesTheTenant(t *testing.T) {
	t.Parallel()
	d := prepare(t, keeper(t, "process"))
	d.withApp("sqlite")
	d.start()
	d.must("register", "notes:alice")
	d.want(200, "notes", "alice", "/")
	lock := exec.Command("sqlite3", filepath.Join(d.data, "notes/alice/locked.db"))
	in, err := lock.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := lock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "CREATE TABLE t(n); BEGIN EXCLUSIVE; SELECT 'locked';")
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	_, errs, code := d.ten("backup", "--online", "notes:alice", filepath.Join(d.dir, "b"))
	in.Close()
	if err := lock.Wait(); err != nil {
		t.Error(err)
	}
	if code != 1 || !strings.Contains(errs, "cannot copy locked.db of ") || !strings.Contains(errs, "database is locked") {
		t.Errorf("exit %d: %s", code, errs)
	}
	d.want(200, "notes", "alice", "/")
	d.must("backup", "--online", "notes:alice", filepath.Join(d.dir, "b"))
}
