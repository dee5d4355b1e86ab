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
