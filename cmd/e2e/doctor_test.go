package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestDoctor_AnOrdinaryUserIsToldWhatItsDaemonLacks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	user := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	d := prepare(t, setup{wrap: user, services: `
[service.enclosed]
command = "CHARACTER serves"
isolation = "namespace"
idle_timeout = 60

[service.open]
command = "CHARACTER serves"
isolation = "process"
idle_timeout = 60
`})
	for _, path := range []string{root, d.dir} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{d.dir, d.config} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	d.start()
	d.must("register", "open:alice")
	d.want(200, "open", "alice", "/")
	const missing = `cannot be had here: it needs root (uid 65534): run the daemon as root, as the unit of "ten install" does; isolation = "process" can`
	if log := d.output.String(); !strings.Contains(log, `isolation = \"namespace\" `+strings.ReplaceAll(missing, `"`, `\"`)) {
		t.Errorf("the daemon does not say it:\n%s", log)
	}
	doctor := exec.Command(user[0], append(user[1:], tenBinary, "doctor")...)
	doctor.Dir, doctor.Env = d.dir, append(os.Environ(), "TENEMENT_CONFIG="+d.config)
	out, err := doctor.CombinedOutput()
	if err == nil || doctor.ProcessState.ExitCode() != 1 || !strings.HasSuffix(string(out), "Error: 1 of 2 service(s) cannot run here\n") ||
		!strings.Contains(string(out), "service enclosed cannot run here: isolation = \"namespace\" "+missing) {
		t.Errorf("%v\n%s", err, out)
	}
}
