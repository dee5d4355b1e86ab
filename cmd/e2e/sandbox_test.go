package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func needsRunsc(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(`isolation = "sandbox" needs root`)
	}
	if _, err := exec.LookPath("runsc"); err != nil {
		t.Skipf("runsc is not installed: %v", err)
	}
}

// guests are apps as at the other levels, each over a port and over a socket.
var guests = map[string]realApp{
	"python3 http.server on PORT": {
		needs: []string{"python3"}, files: true,
		toml: "command = \"python3 -u -m http.server --bind 127.0.0.1 {port}\"\nlisten = \"tcp\"\nworkdir = \"{instance_dir}\"",
	},
	"python3 on a socket": {
		needs: []string{"python3"},
		toml:  "command = \"python3 notes.py\"\nlisten = \"unix\"\nworkdir = \"REPO/cmd/e2e/testdata/apps/python\"\nenv = { PYTHONDONTWRITEBYTECODE = \"1\" }",
	},
	"node on PORT": {
		needs: []string{"node"},
		toml:  "command = \"node server.js\"\nlisten = \"tcp\"\nworkdir = \"REPO/examples/node\"",
	},
	"node on a socket": {
		needs: []string{"node"},
		toml:  "command = \"node server.js\"\nlisten = \"unix\"\nworkdir = \"REPO/examples/node\"",
	},
	"Go net/http on PORT": {toml: "command = \"/app/notes\"\nlisten = \"tcp\"\nworkdir = \"{instance_dir}\"\nmounts = [[\"PROGRAMS\", \"/app\", true]]"},
}

// programs is a directory with nothing but what the tests have built.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{goApp, characterApp} {
		if err := os.Link(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSandbox_AppsLiveTheirWholeLife(t *testing.T) {
	t.Parallel()
	needsRunsc(t)
	for name, app := range guests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app.skipUnlessInstalled(t)
			liveAsGuest(t, app)
		})
	}
}

// liveAsGuest: cold, warm, asleep, awake with its data, killed, logged. A start
// takes a second on a busy machine, so the app is left more time until it sleeps.
func liveAsGuest(t *testing.T, app realApp) {
	toml := strings.NewReplacer("REPO", repo, "PROGRAMS", programs(t)).Replace(app.toml)
	d := launch(t, setup{services: "[service.notes]\nisolation = \"sandbox\"\nidle_timeout = 6\napex = \"none\"\n" + toml})
	d.must("register", "notes:alice", "notes:bob")
	for _, id := range []string{"alice", "bob"} {
		write(d, app, id, "secret of "+id)
		if app.files { // that root has put there, for itself alone
			if err := os.Chmod(filepath.Join(d.data, "notes", id, "index.html"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		wantNote(d, id, "secret of "+id)
	}
	d.noteCgroups()
	first := d.awaitState("notes:alice", "running", 10*time.Second).Pid
	d.awaitState("notes:alice", "asleep", 30*time.Second)
	if alive(first) {
		t.Fatalf("notes:alice sleeps and its process %d lives", first)
	}
	wantNote(d, "alice", "secret of alice")
	second := d.awaitState("notes:alice", "running", 10*time.Second).Pid
	if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.awaitNoticed("notes:alice", second)
	wantNote(d, "alice", "secret of alice")
	wantNote(d, "bob", "secret of bob")
	wantLogs(d, "alice")
}

// Go over a socket, and what only gVisor does: the kernel is another one, and an
// exit by SIGTERM within the grace is seen.
func TestSandbox_AProgramSeesAnotherKernelAndIsAskedToEnd(t *testing.T) {
	t.Parallel()
	needsRunsc(t)
	d := launch(t, setup{services: `
[service.go]
command = "/app/character serves"
isolation = "sandbox"
listen = "unix"
idle_timeout = 60
workdir = "{instance_dir}"
mounts = [["` + programs(t) + `", "/app", true]]

[service.kernel]
command = "sh -c 'cat /proc/version; exec python3 -u -m http.server --bind 127.0.0.1 $PORT'"
isolation = "sandbox"
listen = "tcp"
idle_timeout = 60
workdir = "/usr/share"
`})
	d.must("register", "go:alice", "kernel:alice")
	d.want(200, "go", "alice", "/")
	d.want(200, "kernel", "alice", "/")
	d.noteCgroups()
	eventually(t, "the kernel's own words in the logs", 5*time.Second, func() bool {
		return strings.Contains(d.must("logs", "kernel:alice"), "gvisor")
	})
	if out := d.must("logs", "go:alice", "--level", "stderr"); strings.Contains(out, "runsc") || strings.Contains(out, "gvisor") {
		t.Errorf("gVisor's own words are in a tenant's log: %s", out)
	}
	began := time.Now()
	for _, name := range []string{"go:alice", "kernel:alice"} {
		d.must("stop", name)
	}
	if took := time.Since(began); took > 2*5*time.Second {
		t.Errorf("two tenants that end when they are asked took %v", took)
	}
	d.awaitState("go:alice", "asleep", 5*time.Second)
}

func TestSandbox_WithoutRunscTheServiceIsRefusedAndTheOthersRun(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{settings: "runsc_path = \"DIR/none\"", services: `
[service.strange]
command = "CHARACTER serves"
isolation = "sandbox"

[service.known]
command = "CHARACTER serves"
isolation = "process"
`})
	d.must("register", "known:alice")
	d.want(200, "known", "alice", "/")
	want := `service strange is refused: isolation = \"sandbox\" cannot be had here: `
	command := "CGO_ENABLED=0 GOBIN=/usr/local/bin go install gvisor.dev/gvisor/runsc@"
	if log := d.output.String(); !strings.Contains(log, want) || !strings.Contains(log, command) {
		t.Errorf("the log does not say what is missing and how to get it:\n%s", log)
	}
	_, errs, code := d.ten("doctor")
	if code != 1 || !strings.Contains(errs, "1 of 2 service(s) cannot run here") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
