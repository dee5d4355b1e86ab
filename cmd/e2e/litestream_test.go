package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// streamed is a service of docs/backup.md's recipe, with its replicas in a
// directory: litestream is the tenant's program and the app is its child.
func streamed(t *testing.T, level, replicas string) setup {
	t.Helper()
	program, err := exec.LookPath("litestream")
	if err != nil {
		t.Skip("litestream is not installed")
	}
	s := keeper(t, level)
	replica := "file://" + replicas
	if level != "process" { // homes are hidden there, and so is whatever lies beside a tenant
		s.services += fmt.Sprintf("mounts = [[%q, \"/tmp/litestream\", true], [%q, \"/tmp/replicas\", false]]\n", filepath.Dir(program), replicas)
		program, replica = "/tmp/litestream/litestream", "file:///tmp/replicas"
	}
	const app = `"/usr/bin/python3 DIR/sqlite/app.py"`
	command := fmt.Sprintf(`'%s replicate -restore-if-db-not-exists -exec "/usr/bin/python3 DIR/sqlite/app.py log.db" {instance_dir}/log.db %s/{name}/{id}'`, program, replica)
	s.services = strings.Replace(s.services, app, command, 1)
	return s
}

// shared is a directory for replicas that every tenant's user may write to.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(root, "replicas")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Mkdir(dir+"/notes", 0o755), os.Chmod(dir, 0o777), os.Chmod(dir+"/notes", 0o777)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sent is the newest entry of a replica, "" while there is none.
func sent(t *testing.T, replica string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored.db")
	if exec.Command("litestream", "restore", "-o", to, "file://"+replica).Run() != nil {
		return ""
	}
	n, _ := exec.Command("sqlite3", to, "SELECT n FROM total").Output() // an empty one has no such table
	return strings.TrimSpace(string(n))
}

func TestLitestream_ATenantComesBackOnAnotherServer(t *testing.T) {
	for _, level := range levels[:2] {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			needsLevel(t, level)
			replicas := shared(t)
			lost := prepare(t, streamed(t, level, replicas))
			lost.withApp("sqlite")
			lost.start()
			lost.must("register", "notes:alice", "notes:bob")
			for _, id := range []string{"alice", "bob"} {
				eventually(t, id+" has entries", time.Minute, func() bool {
					log, _ := lost.written(id)
					return log > 100
				})
			}
			last := strings.Fields(lost.want(200, "notes", "alice", "/rest").body)[0]
			eventually(t, "Litestream has sent the last of them", time.Minute, func() bool { return sent(t, replicas+"/notes/alice") == last })
			lost.terminate()

			found := prepare(t, streamed(t, level, replicas))
			found.withApp("sqlite")
			found.start()
			found.must("register", "notes:alice", "notes:bob")
			eventually(t, "alice writes again", time.Minute, func() bool {
				log, _ := found.written("alice")
				return log > 0
			})
			found.must("stop", "notes:alice")
			if got := found.query("alice", "log.db", "PRAGMA integrity_check; SELECT total.n >= "+last+", total.n = max(entry.n), max(entry.n) - min(entry.n) = count(*) - 1 FROM total, entry"); got != "ok\n1|1|1" {
				t.Errorf("of %s entries and more came back: %s", last, got)
			}
			if found.tenantFile("notes", "bob", "log.db") != "" {
				t.Error("bob came back before anybody asked for him")
			}
		})
	}
}
