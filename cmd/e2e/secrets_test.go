package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// onTmpfs moves a daemon's run directory to where secrets may be.
func (d *daemon) onTmpfs() {
	d.t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "e2e")
	if err != nil {
		d.t.Skipf("no tmpfs to be had: %v", err)
	}
	d.t.Cleanup(func() { // before the daemon's own finish
		if d.running() {
			d.terminate()
		}
		if left, _ := filepath.Glob(dir + "/run/t/*/*"); len(left) > 0 {
			d.t.Errorf("left in the run directory: %v", left)
		}
		os.RemoveAll(dir)
	})
	d.runDir = filepath.Join(dir, "run")
	d.writeConfig(d.setup)
}

func writeSecret(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecrets_ReachTheTenantAndNobodyElse(t *testing.T) {
	atBothLevels(t, secretsReachTheTenantAndNobodyElse)
}

func secretsReachTheTenantAndNobodyElse(t *testing.T, web func(string) string) {
	requireRoot(t, "a namespace needs it")
	d := prepare(t, setup{services: web("listen = \"unix\"\nenv_file = \"DIR/{id}.env\"\nsecrets = {DB_KEY = \"DIR/key\"}")})
	writeSecret(t, filepath.Join(d.dir, "one.env"), "API_TOKEN=in-the-environment-$HOME\n")
	writeSecret(t, filepath.Join(d.dir, "key"), "in-a-file")
	d.onTmpfs()
	d.start()
	environ := d.want(200, "web", "one", "/environ").body
	if !strings.Contains("\n"+environ, "\nAPI_TOKEN=in-the-environment-$HOME") { // in whatever order
		t.Errorf("env_file: %s", environ)
	}
	_, rest, _ := strings.Cut(environ, "DB_KEY_FILE=")
	file, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(file, d.runDir) || !strings.Contains(environ, "SECRETS_DIR="+filepath.Dir(file)) {
		t.Errorf("DB_KEY_FILE is %q: %s", file, environ)
	}
	if got := d.want(200, "web", "one", "/read?file="+url.QueryEscape(file)).body; got != "0400 in-a-file <nil>" {
		t.Errorf("the tenant reads %q", got)
	}
	for _, pid := range append(processesOf(d.dir), d.cmd.Process.Pid) {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(cmdline), "in-the-env") || strings.Contains(string(cmdline), "in-a-file") {
			t.Errorf("a secret is an argument of process %d: %q", pid, cmdline)
		}
	}
	for what, text := range map[string]string{
		"the daemon's log": d.output.String(), "why": d.must("why", "web:one"), "config": d.must("config"), "ps": d.must("ps", "--all", "--json"),
	} {
		if strings.Contains(text, "in-the-env") || strings.Contains(text, "in-a-file") {
			t.Errorf("a secret is in %s: %s", what, text)
		}
	}
	d.must("stop", "web:one")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the secret outlives its process: %v", err)
	}
}

func TestSecrets_OneThatOthersCanReadIsRefusedByCheckAndAtTheStart(t *testing.T) {
	t.Parallel()
	d := prepare(t, setup{services: character("web", "serves", "listen = \"unix\"\nsecrets = {DB_KEY = \"DIR/key\"}")})
	key := writeSecret(t, filepath.Join(d.dir, "key"), "in-a-file")
	d.onTmpfs()
	d.start()
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, code := d.ten("check")
	if want := "service.web.secrets.DB_KEY: " + key + " can be read by others (mode 0644): chmod 600 " + key; code != 1 || !strings.Contains(out, want) {
		t.Errorf("check: exit %d, %s%s, want %s", code, out, errs, want)
	}
	if r := d.get("web", "one", "/"); r.status != 503 {
		t.Errorf("started all the same: %d %s", r.status, r.body)
	}
	if why := d.must("why", "web:one"); !strings.Contains(why, "secrets.DB_KEY: "+key+" can be read by others") {
		t.Errorf("why: %s", why)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	d.must("restart", "web:one")
	d.want(200, "web", "one", "/")
}
