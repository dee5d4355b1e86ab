package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// realApp is an app as a founder has it, with the lines of TOML that run it.
type realApp struct {
	needs   []string // programs
	modules []string // of the python that runs gunicorn
	toml    string
	files   bool // serves files and takes no POST
	checks  bool // has /checks, which uses whatever its language has
}

// realApps are as many languages, each on a socket and on PORT where it can.
var realApps = map[string]realApp{
	"python3 http.server on PORT": {
		needs: []string{"python3"}, files: true,
		toml: "command = \"python3 -u -m http.server --bind 127.0.0.1 {port}\"\nlisten = \"tcp\"\nworkdir = \"{instance_dir}\"",
	},
	"gunicorn with Flask on a socket": {
		needs: []string{"gunicorn"}, modules: []string{"flask", "gunicorn"},
		toml: "command = \"gunicorn --bind unix:{socket} app:app\"\nlisten = \"unix\"\nworkdir = \"REPO/examples/python\"\nenv = { PYTHONDONTWRITEBYTECODE = \"1\" }",
	},
	"node on a socket": {
		needs: []string{"node"},
		toml:  "command = \"node server.js\"\nlisten = \"unix\"\nworkdir = \"REPO/examples/node\"",
	},
	"node on PORT": {
		needs: []string{"node"},
		toml:  "command = \"node server.js\"\nlisten = \"tcp\"\nworkdir = \"REPO/examples/node\"",
	},
	"Go net/http by fd":   {toml: "command = \"GOAPP\"\nlisten = \"fd\""},
	"Go net/http on PORT": {toml: "command = \"GOAPP\"\nlisten = \"tcp\""},
	"php -S on PORT": {
		needs: []string{"php"},
		toml:  "command = \"php -S 127.0.0.1:{port} index.php\"\nlisten = \"tcp\"\nworkdir = \"TESTAPPS/php\"",
	},
	"python with threads, processes and SQLite on PORT": {
		needs: []string{"python3"}, checks: true,
		toml: "command = \"python3 everything.py\"\nlisten = \"tcp\"\nworkdir = \"TESTAPPS/python\"",
	},
	"python with threads, processes and SQLite on a socket": {
		needs: []string{"python3"}, checks: true,
		toml: "command = \"python3 everything.py\"\nlisten = \"unix\"\nworkdir = \"TESTAPPS/python\"",
	},
	"node with workers and a native module on PORT": {
		needs: []string{"node", "gcc"}, checks: true,
		toml: "command = \"node everything.js\"\nlisten = \"tcp\"\nworkdir = \"APPS/node\"",
	},
	"node with workers and a native module on a socket": {
		needs: []string{"node", "gcc"}, checks: true,
		toml: "command = \"node everything.js\"\nlisten = \"unix\"\nworkdir = \"APPS/node\"",
	},
	"puma on PORT": {
		needs: []string{"puma"}, checks: true,
		toml: "command = \"puma -b tcp://127.0.0.1:{port} config.ru\"\nlisten = \"tcp\"\nworkdir = \"TESTAPPS/ruby\"",
	},
	"puma on a socket": {
		needs: []string{"puma"}, checks: true,
		toml: "command = \"puma -b unix://{socket} config.ru\"\nlisten = \"unix\"\nworkdir = \"TESTAPPS/ruby\"",
	},
}

func (a realApp) skipUnlessInstalled(t *testing.T) {
	t.Helper()
	for _, name := range a.needs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: %v", name, err)
		}
	}
	for _, name := range a.modules {
		// The interpreter that gunicorn's first line names.
		path, _ := exec.LookPath("gunicorn")
		text, _ := os.ReadFile(path)
		python, _, _ := strings.Cut(strings.TrimPrefix(string(text), "#!"), "\n")
		fields := append(strings.Fields(python), "-c", "import "+name)
		if out, err := exec.Command(fields[0], fields[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s is not installed for %s: %s", name, python, out)
		}
	}
}

// nodeApp builds the native module beside the program, once.
var nodeApp = sync.OnceValue(func() error {
	dir := filepath.Join(apps, "node")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repo, "cmd/e2e/testdata/apps/node"))); err != nil {
		return err
	}
	build := exec.Command("gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", "addon.node", "addon.c")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the native module: %w\n%s", err, out)
	}
	return nil
})

func TestApps_LiveTheirWholeLife(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		for name, app := range realApps {
			if level == "sandbox" && strings.Contains(app.toml, `listen = "fd"`) {
				continue // cannot be had there, and is refused
			}
			t.Run(name+" at "+level, func(t *testing.T) {
				t.Parallel()
				app.skipUnlessInstalled(t)
				needsLevel(t, level)
				liveWholeLife(t, app, level)
			})
		}
	}
}

// plainPath is what a service manager gives: no interpreter in somebody's home.
// runsc is wherever CI has put it.
func plainPath() string {
	path := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if runsc, err := exec.LookPath("runsc"); err == nil {
		path += ":" + filepath.Dir(runsc)
	}
	return path
}

// setup runs the app as service notes at a level.
func (a realApp) setup(t *testing.T, level string, idle int) setup {
	t.Helper()
	if strings.Contains(a.toml, "APPS/node") {
		if err := nodeApp(); err != nil {
			t.Fatal(err)
		}
	}
	toml := strings.NewReplacer("TESTAPPS", filepath.Join(repo, "cmd/e2e/testdata/apps"), "REPO", repo).Replace(a.toml)
	if level != "process" && !strings.Contains(toml, "workdir") {
		toml += "\nworkdir = \"APPS\"" // elsewhere a program is seen only where it is named
	}
	return setup{
		env:      []string{plainPath()},
		services: fmt.Sprintf("[service.notes]\nisolation = %q\nidle_timeout = %d\napex = \"none\"\n%s", level, idle, toml),
	}
}

// liveWholeLife: cold, warm, asleep, awake with its data, killed, logged, and
// never mixed up with another.
func liveWholeLife(t *testing.T, app realApp, level string) {
	idle := 2
	if level != "process" {
		idle = 6 // a start takes a second on a busy machine
	}
	d := launch(t, app.setup(t, level, idle))
	d.must("register", "notes:alice", "notes:bob")
	if i := d.instances()["notes:alice"]; i.State != "asleep" || i.Pid != 0 {
		t.Fatalf("registered and not asleep: %+v", i)
	}
	for _, id := range []string{"alice", "bob"} {
		write(d, app, id, "secret of "+id)
	}
	for _, id := range []string{"alice", "bob"} { // cold for files, warm for the others
		wantNote(d, id, "secret of "+id)
	}
	d.noteCgroups()
	if app.checks {
		wantChecks(d, "alice")
	}
	wantNote(d, "alice", "secret of alice") // it was bob's turn for a while
	first := d.awaitState("notes:alice", "running", 10*time.Second).Pid
	wantNote(d, "alice", "secret of alice")
	if again := d.instances()["notes:alice"].Pid; again != first {
		t.Fatalf("a warm request met process %d, the one before %d", again, first)
	}

	for _, id := range []string{"alice", "bob"} {
		d.awaitState("notes:"+id, "asleep", 30*time.Second)
	}
	if alive(first) {
		t.Fatalf("notes:alice sleeps and its process %d lives", first)
	}
	wantNote(d, "alice", "secret of alice")

	second := d.awaitState("notes:alice", "running", 10*time.Second).Pid
	if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if level == "sandbox" { // where gVisor answers for a while yet
		d.awaitNoticed("notes:alice", second)
	}
	wantNote(d, "alice", "secret of alice")
	wantNote(d, "bob", "secret of bob")
	for _, id := range []string{"alice", "bob"} {
		wantLogs(d, id)
	}
}

// TestApps_AVisitRightAfterAKillIsServed: whenever a visit comes after the
// kill, to a socket that is still there, half gone or shut, the next process
// serves it. Each tenant dies once: the policy is the default one.
func TestApps_AVisitRightAfterAKillIsServed(t *testing.T) {
	t.Parallel()
	for name, app := range realApps {
		if app.checks {
			continue // a server as one of the others, and slower
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app.skipUnlessInstalled(t)
			level := "process"
			if os.Geteuid() == 0 && strings.HasPrefix(name, "Go ") { // who is one process alone
				level = "namespace"
			}
			d := launch(t, app.setup(t, level, 60))
			for n := range 12 {
				id := fmt.Sprintf("t%d", n)
				write(d, app, id, "hello")
				wantNote(d, id, "hello")
				pid := d.awaitState("notes:"+id, "running", 10*time.Second).Pid
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(n%4) * 200 * time.Microsecond) // a visit comes whenever it comes
				wantNote(d, id, "hello")
				d.must("stop", "notes:"+id)
			}
		})
	}
}

// wantChecks has an app use whatever its language has.
func wantChecks(d *daemon, id string) {
	d.t.Helper()
	r := d.want(200, "notes", id, "/checks")
	var found struct {
		Ran      int
		Failures map[string]string
	}
	if err := json.Unmarshal([]byte(r.body), &found); err != nil || found.Ran < 5 || len(found.Failures) > 0 {
		d.t.Errorf("it cannot work as it does elsewhere: %v %s", err, r.body)
	}
}

// write gives a tenant something to remember.
func write(d *daemon, app realApp, id, text string) {
	d.t.Helper()
	if app.files {
		dir := filepath.Join(d.data, "notes", id)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			d.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("notes of "+id+"\n"+text+"\n"), 0o644); err != nil {
			d.t.Fatal(err)
		}
		return
	}
	r, err := d.try("POST", d.host("notes", id), "/", text)
	if err != nil || r.status != 201 {
		d.t.Fatalf("cannot write a note of %s: %v %d %s\n%s", id, err, r.status, r.body, d.why("notes:"+id))
	}
}

func wantNote(d *daemon, id, text string) {
	d.t.Helper()
	r := d.want(200, "notes", id, "/")
	if want := fmt.Sprintf("notes of %s\n%s\n", id, text); r.body != want {
		d.t.Fatalf("%s reads %q, want %q", id, r.body, want)
	}
}

// wantLogs waits for the app's own output: every app writes a line a request.
func wantLogs(d *daemon, id string) {
	d.t.Helper()
	var out string
	eventually(d.t, "the logs of notes:"+id+" show its output", 5*time.Second, func() bool {
		out = d.must("logs", "notes:"+id)
		return strings.Contains(out, "reading the notes") || strings.Contains(out, `"GET / HTTP/1.1" 200`)
	})
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if !strings.Contains(line, " notes:"+id+" ") {
			d.t.Errorf("the logs of notes:%s show a line of somebody else: %q", id, line)
		}
	}
}
