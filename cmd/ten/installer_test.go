package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tenement/conf"
)

// fakeSystem stands in for systemctl and its like: it remembers, and fails when
// told to.
type fakeSystem struct {
	mu    sync.Mutex
	ran   []string
	fails string // what a failing command line contains
}

func (s *fakeSystem) run(_ context.Context, name string, args ...string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := strings.Join(append([]string{name}, args...), " ")
	s.ran = append(s.ran, line)
	if s.fails != "" && strings.Contains(line, s.fails) {
		return nil, errors.New(line + ": exit status 1")
	}
	if name == "journalctl" {
		return []byte("the daemon's last words\x1b[2J\n"), nil
	}
	return nil, nil
}

// server is a world with systemd, whose /etc and /usr are below its directory.
func newServer(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if err := os.MkdirAll(filepath.Join(w.dir, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	delete(w.env, "TENEMENT_CONFIG")
	delete(w.env, "TENEMENT_DATA_DIR")
	delete(w.env, "RUNTIME_DIRECTORY")
	return w
}

const unitAt = "etc/systemd/system/"

func (w *world) has(name string) bool {
	_, err := os.Stat(filepath.Join(w.dir, name))
	return err == nil
}

// installs runs ten install and gives what it printed and had systemd do.
func (w *world) installs(args ...string) (out string, ran string) {
	w.t.Helper()
	w.system.ran = nil
	code, out, errs := w.ten(append([]string{"install"}, args...)...)
	if code != 0 || errs != "" {
		w.t.Fatalf("install %s: exit %d\n%s%s", args, code, out, errs)
	}
	return out, strings.Join(w.system.ran, "\n")
}

func TestInstall_AnEmptyServerGetsEverythingAndASecondTimeNothing(t *testing.T) {
	w := newServer(t)
	out, ran := w.installs("-d", "Example.com", "--email", "me@example.com")
	for _, want := range []string{"Wrote /etc/tenement/tenement.toml\n", "Wrote /usr/local/bin/ten\n", "Wrote /etc/systemd/system/tenement.service\n", "The unit enclosed", "tenement runs"} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %q in\n%s", want, out)
		}
	}
	want := "systemd-sysusers\nsystemctl daemon-reload\n" +
		"systemctl --quiet enable tenement.service tenement-https.socket tenement-http.socket\n" +
		"systemctl stop tenement.service\nsystemctl restart tenement-https.socket tenement-http.socket\n" +
		"systemctl start tenement-https.socket tenement-http.socket\nsystemctl restart tenement.service"
	if ran != want {
		t.Errorf("ran\n%s\nwant\n%s", ran, want)
	}
	config, err := conf.Load(filepath.Join(w.dir, "etc/tenement/tenement.toml"))
	if err != nil || !config.Settings.TLS.Enabled || config.Settings.TLS.Domain != "example.com" || config.Settings.DataDir != "/var/lib/tenement" {
		t.Errorf("the configuration: %v\n%s", err, w.read("etc/tenement/tenement.toml"))
	}
	if info, err := os.Stat(filepath.Join(w.dir, "usr/local/bin/ten")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the program: %v, %v", info, err)
	}

	w.write("etc/tenement/tenement.toml", w.read("etc/tenement/tenement.toml")+"# mine\n")
	out, ran = w.installs("-d", "example.com")
	if strings.Contains(out, "Wrote") || strings.Contains(ran, "restart") || strings.Contains(ran, "stop") {
		t.Errorf("the second time:\n%s%s", out, ran)
	}
	if !strings.Contains(w.read("etc/tenement/tenement.toml"), "# mine") {
		t.Error("the operator's file was overwritten")
	}
}

func TestInstall_AnotherUnitRestartsTheDaemonAndLeavesTheSocketsOpen(t *testing.T) {
	w := newServer(t)
	w.installs("-d", "example.com", "-p", "8080")
	w.write("etc/tenement/tenement.toml", w.read("etc/tenement/tenement.toml")+"[service.notes]\ncommand = \"./notes\"\nisolation = \"process\"\n")
	out, ran := w.installs("-d", "example.com", "-p", "8080")
	if !strings.Contains(out, "The unit with the host's view, as the user tenement") || !strings.HasSuffix(ran, "systemctl restart tenement.service") {
		t.Errorf("%s%s", out, ran)
	}
	if strings.Contains(ran, "restart tenement-http") || strings.Contains(ran, "stop") {
		t.Errorf("the socket was shut: %s", ran)
	}
}

func TestInstall_WithoutTLSAnyMoreItsSocketGoes(t *testing.T) {
	w := newServer(t)
	w.installs("-d", "example.com", "--email", "me@example.com")
	if !w.has(unitAt + httpsUnit) {
		t.Fatal("there was no socket of HTTPS")
	}
	w.write("etc/tenement/tenement.toml", "[settings]\ndata_dir = \"/var/lib/tenement\"\n")
	out, ran := w.installs("-d", "example.com")
	if w.has(unitAt+httpsUnit) || !strings.Contains(out, "Removed /etc/systemd/system/tenement-https.socket") ||
		!strings.Contains(ran, "systemctl disable --quiet tenement-https.socket\nsystemctl stop tenement.service tenement-https.socket") {
		t.Errorf("%s%s", out, ran)
	}
	if !strings.Contains(out, "Note: plain HTTP only") {
		t.Errorf("not said:\n%s", out)
	}
}

func TestInstall_DryRunPrintsEveryFileAndDoesNothing(t *testing.T) {
	w := newServer(t)
	out, ran := w.installs("-d", "example.com", "--caddy", "--dry-run")
	for _, want := range []string{"# /etc/tenement/tenement.toml\n", "# /etc/systemd/system/tenement.service\n", "# /etc/systemd/system/tenement-http.socket\n",
		"# /etc/tenement/Caddyfile\n", "# /etc/sysusers.d/tenement.conf\n", "ListenStream=127.0.0.1:8080\n", "trusted_proxies = [\"127.0.0.1\"]", "# would copy "} {
		if !strings.Contains(out, want) {
			t.Errorf("not printed: %q in\n%s", want, out)
		}
	}
	if ran != "" || w.has("etc") || w.has("usr") {
		t.Errorf("it did something: %s", ran)
	}
}

func TestInstall_WhatIsWrongIsSaidAndNothingIsDone(t *testing.T) {
	const tls = "[settings]\ntls.enabled = true\ntls.acme_email = \"me@example.com\"\n"
	for _, c := range []struct{ line, toml, says string }{
		{"-d nodot", "", `--domain "nodot": "nodot": not a domain`},
		{"-d 192.0.2.1", "", "it is an address"},
		{"-d example.com -p 70000", "", "--port 70000: a port from 1 to 65535"},
		{"-d example.com --dns-provider hetzner", "", "--dns-provider goes with --caddy"},
		{"-d example.com --email me@example.com", "[settings]\n", "--email is for a new file"},
		{"-d example.com --caddy", tls, "set tls.enabled = false"},
		{"-d example.com", "[settings]\ntls.enabled = true\n", "tls.acme_email"},
		{"-d example.com -p 80", tls, "cannot both be on port 80"},
		{"-d example.com", "nonsense = 1\n", "nonsense"},
		{"-d example.com -c none.toml", "", "none.toml"},
		{"-d example.com --data-dir /var/lib/with\tblank", "", "cannot write"},
	} {
		w := newServer(t)
		if c.toml != "" {
			w.write("etc/tenement/tenement.toml", c.toml)
		}
		args := strings.Split(c.line, " ")
		code, _, errs := w.ten(append([]string{"install"}, args...)...)
		if code != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("install %s: exit %d, %q, want %q", c.line, code, errs, c.says)
		}
		if len(w.system.ran) > 0 || w.has(unitAt+serviceUnit) {
			t.Errorf("install %s did something: %s", c.line, w.system.ran)
		}
	}
	newServer(t).wants(2, "", "-d DOMAIN is missing", "install")
}

func TestInstall_WithoutSystemdOrOverSomebodyElsesUnitItRefuses(t *testing.T) {
	w := newWorld(t)
	w.wants(1, "", "this machine is not run by systemd", "install", "-d", "example.com")
	w.wants(1, "", "this machine is not run by systemd", "uninstall")
	w = newServer(t)
	w.write(unitAt+serviceUnit, "[Service]\nExecStart=/bin/mine\n")
	w.wants(1, "", "was not written by ten install: move it away first", "install", "-d", "example.com")
	if !strings.Contains(w.read(unitAt+serviceUnit), "mine") || w.has("etc/tenement") {
		t.Error("it wrote all the same")
	}
	w = newServer(t)
	w.write(unitAt+serviceUnit+"/x", "") // a directory
	w.wants(1, "", "cannot look at what is there", "install", "-d", "example.com")
}

func TestInstall_ADaemonThatDoesNotStartIsQuoted(t *testing.T) {
	w := newServer(t)
	w.system.fails = "restart tenement.service"
	code, _, errs := w.ten("install", "-d", "example.com")
	if code != 1 || !strings.Contains(errs, `the daemon's last words\x1b[2J`) || !strings.Contains(errs, "the daemon does not start: mend what the lines above say") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	w = newServer(t)
	w.system.fails = "daemon-reload"
	if code, _, errs = w.ten("install", "-d", "example.com"); code != 1 || !strings.Contains(errs, "cannot have systemd run it: systemctl daemon-reload") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

func TestInstall_WhatCannotBeWrittenIsNamed(t *testing.T) {
	for at, says := range map[string]string{"usr": "cannot write /usr/local/bin/ten", "etc": "cannot"} {
		w := newServer(t)
		w.write(at, "a file where a directory has to be")
		if code, _, errs := w.ten("install", "-d", "example.com"); code != 1 || !strings.Contains(errs, says) {
			t.Errorf("%s: exit %d, %s", at, code, errs)
		}
	}
	w := newServer(t)
	w.write("srv", "")
	w.wants(1, "The unit enclosed: root with few rights and without the host's homes, disks and temporary files; every service has an enclosure of its own\nWrote /usr/local/bin/ten\n",
		"cannot make data_dir", "install", "-d", "example.com", "--data-dir", "/srv/data")
}

func TestUninstall_LeavesTheDataAndTheConfiguration(t *testing.T) {
	w := newServer(t)
	w.installs("-d", "example.com", "--email", "me@example.com")
	w.write("var/lib/tenement/registry.db", "data")
	w.system.ran = nil
	code, out, errs := w.ten("uninstall")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	want := "systemctl --quiet stop tenement-http.socket tenement-https.socket tenement.service\n" +
		"systemctl --quiet disable tenement-http.socket tenement-https.socket tenement.service\nsystemctl daemon-reload"
	if got := strings.Join(w.system.ran, "\n"); got != want {
		t.Errorf("ran\n%s\nwant\n%s", got, want)
	}
	for path, there := range map[string]bool{
		"var/lib/tenement/registry.db": true, "etc/tenement/tenement.toml": true, unitAt + serviceUnit: false, unitAt + httpUnit: false,
		unitAt + httpsUnit: false, "etc/sysusers.d/tenement.conf": false, "usr/local/bin/ten": false,
	} {
		if w.has(path) != there {
			t.Errorf("%s: there is %t, want %t\n%s", path, !there, there, out)
		}
	}
	w.wants(0, "Nothing of ten install is here\n", "", "uninstall")
}

func TestUninstall_ErrorsAreSaid(t *testing.T) {
	for fails, says := range map[string]string{"stop": "cannot end it", "daemon-reload": "cannot tell systemd"} {
		w := newServer(t)
		w.installs("-d", "example.com")
		w.system.fails = fails
		if code, _, errs := w.ten("uninstall"); code != 1 || !strings.Contains(errs, says) {
			t.Errorf("%s: exit %d, %s", fails, code, errs)
		}
	}
}

func TestRunProgram_AFailureSaysWhatWasRunAndWhatItSaid(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	_, err := runProgram(t.Context(), "sh", "-c", "echo no such unit >&2; exit 5")
	if err == nil || !strings.Contains(err.Error(), "exit status 5: no such unit") {
		t.Errorf("%v", err)
	}
	if out, err := runProgram(t.Context(), "echo", "yes"); err != nil || string(out) != "yes\n" {
		t.Errorf("%q, %v", out, err)
	}
}
