package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
}

// realApps: two listen on a socket, three on PORT, one on what it is handed.
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
		toml:  "command = \"php -S 127.0.0.1:{port} index.php\"\nlisten = \"tcp\"\nworkdir = \"REPO/cmd/e2e/testdata/apps/php\"",
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

func TestApps_LiveTheirWholeLife(t *testing.T) {
	t.Parallel()
	for name, app := range realApps {
		for _, level := range []string{"process", "namespace"} {
			t.Run(name+" at "+level, func(t *testing.T) {
				t.Parallel()
				app.skipUnlessInstalled(t)
				if level == "namespace" {
					app.skipUnlessSeen(t)
				}
				liveWholeLife(t, app, level)
			})
		}
	}
}

// skipUnlessSeen skips programs of somebody's home, which tenants do not see.
func (a realApp) skipUnlessSeen(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("isolation = \"namespace\" needs root")
	}
	for _, name := range a.needs {
		cmd := exec.Command("sh", "-c", "command -v "+name)
		cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
		if out, err := cmd.Output(); err != nil {
			t.Skipf("%s is not installed for everybody: %s", name, out)
		}
	}
}

// liveWholeLife: cold, warm, asleep, awake with its data, killed, logged, and
// never mixed up with another.
func liveWholeLife(t *testing.T, app realApp, level string) {
	toml := strings.ReplaceAll(app.toml, "REPO", repo)
	d := launch(t, setup{services: fmt.Sprintf("[service.notes]\nisolation = %q\nidle_timeout = 2\napex = \"none\"\nmounts = [[%q, %[2]q, true]]\n%s", level, goApp, toml)})
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
	first := d.awaitState("notes:alice", "running", 10*time.Second).Pid
	wantNote(d, "alice", "secret of alice")
	if again := d.instances()["notes:alice"].Pid; again != first {
		t.Fatalf("a warm request met process %d, the one before %d", again, first)
	}

	for _, id := range []string{"alice", "bob"} {
		d.awaitState("notes:"+id, "asleep", 15*time.Second)
	}
	if alive(first) {
		t.Fatalf("notes:alice sleeps and its process %d lives", first)
	}
	wantNote(d, "alice", "secret of alice")

	second := d.awaitState("notes:alice", "running", 10*time.Second).Pid
	if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
		t.Fatal(err)
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app.skipUnlessInstalled(t)
			level := "process"
			if os.Geteuid() == 0 && strings.HasPrefix(name, "Go ") { // of the others, PID 1 takes the children along
				level = "namespace"
			}
			toml := strings.ReplaceAll(app.toml, "REPO", repo)
			d := launch(t, setup{services: fmt.Sprintf("[service.notes]\nisolation = %q\nidle_timeout = 60\napex = \"none\"\nmounts = [[%q, %[2]q, true]]\n%s", level, goApp, toml)})
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

// write gives a tenant something to remember.
func write(d *daemon, app realApp, id, text string) {
	d.t.Helper()
	if app.files {
		dir := filepath.Join(d.data, "notes", id)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			d.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("notes of "+id+"\n"+text+"\n"), 0o600); err != nil {
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

func TestExamples_RunAsTheirReadmeSays(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]realApp{
		"python": {needs: []string{"gunicorn"}, modules: []string{"flask", "gunicorn"}},
		"node":   {needs: []string{"node"}},
		"go":     {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app.skipUnlessInstalled(t)
			d := prepare(t, setup{})
			if err := os.CopyFS(d.dir+"/app", os.DirFS(filepath.Join(repo, "examples", name))); err != nil {
				t.Fatal(err)
			}
			if name == "go" {
				build := exec.Command("go", "build", "-o", "notes", "main.go")
				build.Dir = d.dir + "/app"
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("the README's command: %v\n%s", err, out)
				}
			}
			example, err := os.ReadFile(d.dir + "/app/tenement.toml")
			if err != nil {
				t.Fatal(err)
			}
			// Only the places change: the file is otherwise the user's own.
			d.writeConfig(setup{services: string(example)})
			d.cwd = d.dir + "/app"
			if out := d.must("check"); strings.Contains(strings.ToLower(out), "warning") {
				t.Errorf("the example is not clean: %s", out)
			}
			d.start()
			write(d, app, "alice", "hello")
			wantNote(d, "alice", "hello")
		})
	}
}
