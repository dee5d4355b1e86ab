package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tenement/conf"
)

// planned is the plan for a configuration, as an installed program would make it.
func planned(t *testing.T, toml string, f installFlags) *installation {
	t.Helper()
	w := newServer(t)
	w.write("srv/notes/tenement.toml", toml)
	a, _, _ := w.app()
	a.flags.config = filepath.Join(w.dir, "srv/notes/tenement.toml")
	f.domain = "example.com"
	p, err := a.planInstall(f, "/usr/bin/env")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// text is the text of one planned file.
func (p *installation) text(t *testing.T, name string) string {
	t.Helper()
	for _, f := range p.files {
		if filepath.Base(f.path) == name {
			return f.text
		}
	}
	t.Fatalf("%s is not planned", name)
	return ""
}

const (
	plainData   = "[settings]\ndata_dir = \"/var/lib/tenement\"\n"
	isEnclosed  = "[service.shop]\ncommand = \"shop\"\nidle_timeout = 9\n"
	isProcess   = "[service.notes]\ncommand = \"notes\"\nisolation = \"process\"\nidle_timeout = 9\n"
	isSomebody  = isProcess + "user = \"www-data\"\n"
	isSandboxed = "[service.guest]\ncommand = \"guest\"\nisolation = \"sandbox\"\nidle_timeout = 9\n"
)

func TestUnit_IsChosenByWhatTheConfigurationPromises(t *testing.T) {
	for _, c := range []struct {
		toml string
		view view
	}{
		{"", enclosedView}, {isEnclosed, enclosedView}, {isEnclosed + isSandboxed, enclosedView},
		{isProcess, userView}, {isSomebody, rootView}, {isProcess + isEnclosed, rootView},
	} {
		p := planned(t, plainData+c.toml, installFlags{})
		unit := p.text(t, serviceUnit)
		if p.view != c.view {
			t.Errorf("%s: the unit %s, want %s", c.toml, p.view, c.view)
		}
		if hides := strings.Contains(unit, "ProtectHome=yes") && strings.Contains(unit, "TENEMENT_UNIT=enclosed"); hides != (c.view == enclosedView) {
			t.Errorf("%s: hides the host: %t\n%s", c.toml, hides, unit)
		}
		if own := strings.Contains(unit, "\nUser=tenement\n"); own != (c.view == userView) {
			t.Errorf("%s: as its own user: %t", c.toml, own)
		}
		if strings.Contains(unit, "@debug") != (c.view == enclosedView && !strings.Contains(c.toml, "sandbox")) {
			t.Errorf("%s: gVisor cannot do without ptrace, others can", c.toml)
		}
	}
	if view(9).String() != "unknown" {
		t.Error("a view without a name")
	}
	p := planned(t, plainData+isProcess+isEnclosed, installFlags{})
	if !slices.ContainsFunc(p.remarks, func(r string) bool {
		return strings.Contains(r, "tenants of notes run as root: set user = \"tenement\"")
	}) {
		t.Errorf("%q", p.remarks)
	}
}

func TestUnit_SaysWhatTheDaemonNeeds(t *testing.T) {
	unit := planned(t, plainData+isEnclosed, installFlags{port: 8080}).text(t, serviceUnit)
	for _, want := range []string{
		"Type=notify\n", "ExecStart=/usr/bin/env serve --domain example.com --port 8080\n", "ExecReload=/usr/bin/env reload\n", "WatchdogSec=30\n",
		"Delegate=yes\n", "KillMode=mixed\n", "OOMPolicy=continue\n", "RuntimeDirectory=tenement/4f78c73c\n", "RuntimeDirectoryPreserve=restart\n",
		"StateDirectory=tenement\n", "Requires=tenement-http.socket\n", "/srv/notes/tenement.toml\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %q:\n%s", want, unit)
		}
	}
	if !strings.Contains(planned(t, plainData, installFlags{}).text(t, serviceUnit), "\nWorkingDirectory=/") {
		t.Error("no working directory")
	}
	if got := (&installation{configPath: "/etc/tenement/tenement.toml"}).workdir(); got != "/" {
		t.Errorf("a configuration below /etc starts tenants in %s", got)
	}
}

func TestUnit_DirectoriesElsewhereAreWritableToo(t *testing.T) {
	toml := "[settings]\ndata_dir = \"/srv/data\"\nrun_dir = \"/srv/run\"\ntls.cache_dir = \"/srv/certs\"\naccess_log_file = \"/var/log/ten/access\"\n" +
		isEnclosed + "mounts = [[\"/srv/shared\", \"/shared\", false], [\"/srv/fonts\", \"/fonts\", true]]\n"
	unit := planned(t, toml, installFlags{}).text(t, serviceUnit)
	want := "ReadWritePaths=-/sys/fs/cgroup/system.slice/tenement.service /proc/sys/net -/srv/data -/srv/run -/srv/certs -/var/log/ten -/srv/shared\n"
	if !strings.Contains(unit, want) || strings.Contains(unit, "StateDirectory") || strings.Contains(unit, "RuntimeDirectory") {
		t.Errorf("want %q:\n%s", want, unit)
	}
}

func TestUnit_WhatTheConfigurationNamesIsShown(t *testing.T) {
	toml := plainData + isEnclosed + "workdir = \"/home/deploy/shop\"\nmounts = [[\"/tmp/shared\", \"/shared\", true]]\n"
	p := planned(t, toml, installFlags{})
	// The world of the test lies below /tmp itself.
	if unit := p.text(t, serviceUnit); !strings.Contains(unit, "ProtectHome=no\n") || !strings.Contains(unit, "PrivateTmp=no\n") || len(p.remarks) != 3 {
		t.Errorf("%q\n%s", p.remarks, unit)
	}
	hook := planned(t, "[settings]\ndata_dir = \"/var/lib/tenement\"\ntls.enabled = true\ntls.acme_email = \"me@example.com\"\ntls.dns_hook = \"/usr/bin/hook\"\n", installFlags{})
	if !slices.ContainsFunc(hook.remarks, func(r string) bool { return strings.Contains(r, "tls.dns_hook runs inside the unit") }) {
		t.Errorf("%q", hook.remarks)
	}
}

func TestUnit_SocketsAreThoseOfTheConfiguration(t *testing.T) {
	const tls = "tls.enabled = true\ntls.acme_email = \"me@example.com\"\n"
	for _, c := range []struct {
		settings    string
		flags       installFlags
		http, https string // what they listen on
	}{
		{"", installFlags{}, "0.0.0.0:80 [::]:80", ""},
		{"", installFlags{port: 8081}, "0.0.0.0:8081 [::]:8081", ""},
		{"", installFlags{caddy: true}, "127.0.0.1:8080", ""},
		{"", installFlags{caddy: true, port: 9000}, "127.0.0.1:9000", ""},
		{tls, installFlags{}, "0.0.0.0:80 [::]:80", "0.0.0.0:443 [::]:443"},
		{tls + "tls.https_port = 8443\ntls.http_port = 8080\n", installFlags{}, "0.0.0.0:8080 [::]:8080", "0.0.0.0:8443 [::]:8443"},
		{tls + "bind = [\"127.0.0.1\", \"unix:/run/edge/edge.sock\"]\n", installFlags{port: 444}, "127.0.0.1:80 /run/edge/edge.sock", "127.0.0.1:444"},
	} {
		p := planned(t, plainData+c.settings, c.flags)
		got := map[string]string{}
		for _, s := range p.sockets {
			var streams []string
			for _, m := range regexp.MustCompile(`(?m)^ListenStream=(.*)$`).FindAllStringSubmatch(s.unit(), -1) {
				streams = append(streams, m[1])
			}
			got[s.speaks] = strings.Join(streams, " ")
			if !strings.Contains(s.unit(), "FileDescriptorName="+s.speaks+"\nService=tenement.service\n") {
				t.Errorf("its unit:\n%s", s.unit())
			}
		}
		if got[passedHTTP] != c.http || got[passedHTTPS] != c.https {
			t.Errorf("%q %+v: %q", c.settings, c.flags, got)
		}
	}
}

func TestUnit_ADataDirectoryNamedByAFlagIsTheDaemonsToo(t *testing.T) {
	w := newServer(t)
	w.write("etc/tenement/tenement.toml", isProcess)
	out, ran := w.installs("-d", "example.com", "--data-dir", "/srv/data")
	if !strings.Contains(w.read(unitAt+serviceUnit), "Environment=TENEMENT_DATA_DIR=/srv/data\n") || !w.has("srv/data") {
		t.Errorf("%s%s", out, w.read(unitAt+serviceUnit))
	}
	if !strings.Contains(ran, "systemd-sysusers\nchown --recursive tenement:tenement /srv/data\n") {
		t.Errorf("it is not its user's: %s", ran)
	}
	w.write("etc/tenement/tenement.toml", isEnclosed+"mounts = [[\"/srv/a b\", \"/x\", false]]\n")
	w.wants(1, "", "choose a path without blanks", "install", "-d", "example.com")
}

func TestUnit_PathsThatNoUnitCanCarryAreRefused(t *testing.T) {
	for _, path := range []string{"/srv/a b", "/srv/a\"b", "/srv/a\nUser=root", `/srv/a\x20b`, "/srv/a'b"} {
		if checkUnitText("/fine", path) == nil {
			t.Errorf("%q was taken", path)
		}
	}
	if err := checkUnitText("/srv/grüße/100%/a$b"); err != nil {
		t.Error(err)
	}
	if got := command("/srv/100%/a$b"); got != "/srv/100%%/a$$b" {
		t.Error(got)
	}
}

// systemdReads has systemd's own tools look at the planned units.
func systemdReads(t *testing.T, toml string, f installFlags, tool ...string) string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skipf("systemd-analyze is not installed: %v", err)
	}
	dir := t.TempDir()
	for _, f := range planned(t, toml, f).files {
		if strings.HasPrefix(f.path, unitDir) {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.path)), []byte(f.text), 0o600); err != nil {
				t.Fatal(err)
			}
			tool = append(tool, filepath.Join(dir, filepath.Base(f.path)))
		}
	}
	out, err := exec.Command("systemd-analyze", tool...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v\n%s", tool[0], err, out)
	}
	return string(out)
}

func TestUnit_SystemdKnowsEveryWordOfIt(t *testing.T) {
	for _, toml := range []string{isEnclosed, isProcess, isProcess + isEnclosed, "tls.enabled = true\ntls.acme_email = \"me@example.com\"\n" + isSandboxed} {
		if out := systemdReads(t, plainData+toml, installFlags{}, "verify", "--man=no", "--generators=no"); strings.Contains(out, "tenement") {
			t.Errorf("%s:\n%s", toml, out)
		}
	}
}

// How much an attacker has in the daemon's place, as systemd counts it (0 to 10).
func TestUnit_TheEnclosedOneIsExposedNoMoreThanItsWorkTakes(t *testing.T) {
	for toml, most := range map[string]float64{isEnclosed: 4.2, isEnclosed + isSandboxed: 4.2} {
		p := planned(t, plainData+toml, installFlags{})
		if p.tmpShown { // the world of the test lies there, a server's does not
			p.tmpShown = false
		}
		p.configPath = "/etc/tenement/tenement.toml"
		dir := t.TempDir()
		path := filepath.Join(dir, serviceUnit)
		if err := os.WriteFile(path, []byte(p.service()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := exec.LookPath("systemd-analyze"); err != nil {
			t.Skipf("systemd-analyze is not installed: %v", err)
		}
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", path).CombinedOutput()
		m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got, _ := strconv.ParseFloat(string(m[1]), 64); got > most {
			t.Errorf("%.1f, at most %.1f was\n%s", got, most, out)
		}
	}
}

func TestEnclosed_WhatItsUnitCannotDoIsRefusedByName(t *testing.T) {
	config, err := conf.Parse("/srv/tenement.toml", []byte(plainData+isProcess+isEnclosed+"[service.home]\ncommand = \"x\"\nworkdir = \"/home/nobody-here/app\"\n"+
		"[service.each]\ncommand = \"x\"\nworkdir = \"/home/{id}/app\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	a, _, _ := w.app()
	a.refuseUnseen(config)
	if config.Services["notes"].Refused != "" {
		t.Fatal("refused outside of that unit")
	}
	w.env[unitMark] = unitEnclosed
	a.refuseUnseen(config)
	for name, want := range map[string]string{
		"notes": `isolation = "process" promises the host's view, which the installed unit does not have: run ` + "`ten install` again",
		"home":  "/home/nobody-here/app is not to be seen in the installed unit: run",
		"shop":  "", "each": "",
	} {
		if got := config.Services[name].Refused; !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestEnclosed_AMountToWriteOnAReadOnlySystemIsRefused(t *testing.T) {
	s := &conf.Service{Argv: []string{"x"}, Isolation: conf.IsolationNamespace, Mounts: []conf.Mount{{Source: t.TempDir(), Destination: "/x"}}}
	strict := func(string) bool { return true }
	if why := unseen(s, readOnly); why != "" {
		t.Errorf("a directory that can be written to: %q", why)
	}
	if why := unseen(s, strict); !strings.Contains(why, "can only be read in the installed unit") {
		t.Errorf("%q", why)
	}
	s.Mounts[0].ReadOnly = true
	if why := unseen(s, strict); why != "" {
		t.Errorf("read-only as asked: %q", why)
	}
}
