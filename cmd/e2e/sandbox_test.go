package e2e

import (
	"os"
	"os/exec"
	"strings"
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
mounts = [["APPS", "/app", true]]

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

func TestExec_AtSandboxACommandIsInTheTenantsGVisor(t *testing.T) {
	t.Parallel()
	needsRunsc(t)
	d := launch(t, setup{services: `
[service.web]
command = "/app/character serves"
isolation = "sandbox"
listen = "unix"
env = {PLAN = "gold"}
open_files = 200
mounts = [["APPS", "/app", true]]
`})
	d.must("register", "web:one")
	if _, errs, code := d.ten("exec", "--no-wake", "web:one", "--", "true"); code != 1 || !strings.Contains(errs, "web:one is asleep") {
		t.Errorf("exit %d: %s", code, errs)
	}
	d.stdin = strings.NewReader("typed\n")
	out, errs, code := d.ten("exec", "web:one", "--", "sh", "-c", `read word; echo $word $PLAN $TENEMENT_ID $(ulimit -n); grep -o gvisor /proc/version; echo kept > "$DATA_DIR"/by-exec; echo bad >&2; exit 7`)
	d.stdin = nil
	if out != "typed gold one 200\ngvisor\n" || errs != "bad\n" || code != 7 {
		t.Errorf("exit %d: %q, %q", code, out, errs)
	}
	if got := d.tenantFile("web", "one", "by-exec"); got != "kept\n" {
		t.Errorf("in its directory: %q", got)
	}
	if out, errs, code := d.ten("exec", "web:one", "--", "no-such-program"); code != 1 || out != "" || !strings.Contains(errs, `cannot run a command in web:one: cannot execute in web:one: cannot find "no-such-program" in the PATH`) {
		t.Errorf("exit %d: %q, %q", code, out, errs)
	}
	if _, errs, code := d.ten("exec", "web:one", "--", "sh", "-c", "kill -SEGV $$"); code != 128+11 || errs != "" {
		t.Errorf("exit %d: %q", code, errs)
	}
	d.want(200, "web", "one", "/")
}
