package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Issue 5, done when 3: each of env, secret, limits and a list of 1000.

func TestOverrides_ATenantsVariablesAndSecretsReachItAloneAndAreShownToNobody(t *testing.T) {
	atBothLevels(t, func(t *testing.T, web func(string) string) {
		requireRoot(t, "a namespace needs it")
		d := launch(t, setup{services: web("listen = \"unix\"\nenv = {PLAN = \"free\"}")})
		before := d.want(200, "web", "one", "/environ").body
		if !strings.Contains("\n"+before+"\n", "\nPLAN=free\n") {
			t.Errorf("as the service has it: %s", before)
		}
		if out := d.must("env", "web:one", "PLAN=gold"); out != "Changed the variables of web:one\nIn effect: at its next start: its process keeps what it was started with\n" {
			t.Error(out)
		}
		d.stdin = strings.NewReader("never-shown-$HOME\n")
		d.must("env", "web:one", "STRIPE_KEY", "--secret")
		d.stdin = nil
		if now := d.want(200, "web", "one", "/environ").body; strings.Contains(now, "gold") || strings.Contains(now, "never-shown") {
			t.Errorf("a running process has new variables: %s", now)
		}
		if out := d.must("env", "web:one", "REGION=eu", "--restart"); !strings.HasSuffix(out, "In effect: restarted\n") {
			t.Error(out)
		}
		after := "\n" + d.want(200, "web", "one", "/environ").body + "\n"
		for _, want := range []string{"PLAN=gold", "REGION=eu", "STRIPE_KEY=never-shown-$HOME"} {
			if !strings.Contains(after, "\n"+want+"\n") {
				t.Errorf("no %s: %s", want, after)
			}
		}
		if other := d.want(200, "web", "two", "/environ").body; strings.Contains(other, "gold") || strings.Contains(other, "never-shown") {
			t.Errorf("another tenant has them: %s", other)
		}
		if out := d.must("env", "web:one"); out != "NAME        VALUE\nPLAN        gold\nREGION      eu\nSTRIPE_KEY  (secret)\n" {
			t.Error(out)
		}
		shown := map[string]string{
			"the daemon's log": d.output.String(), "why": d.must("why", "web:one"), "config": d.must("config"), "ps": d.must("ps", "--all", "--json"),
			"env": d.must("env", "web:one", "--json"), "events": d.must("events", "web:one"), "logs": d.must("logs", "web:one"),
		}
		for _, path := range []string{"/api/instances?all=true", "/api/instances/web:one/env", "/api/instances/web:one/why", "/api/telemetry", "/metrics"} {
			r, err := d.api("GET", path, "")
			if err != nil || r.status != 200 {
				t.Errorf("%s: %d, %v", path, r.status, err)
			}
			shown[path] = r.body
		}
		for what, text := range shown {
			if strings.Contains(text, "never-shown") {
				t.Errorf("the secret is in %s: %s", what, text)
			}
		}
		if info, err := os.Stat(filepath.Join(d.data, "registry.db")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the registry, which holds it: %v, %v", info.Mode(), err)
		}
		d.must("env", "web:one", "--unset", "STRIPE_KEY", "--restart")
		if now := d.want(200, "web", "one", "/environ").body; strings.Contains(now, "STRIPE_KEY") || !strings.Contains(now, "PLAN=gold") {
			t.Errorf("after --unset: %s", now)
		}
		d.murder()
		d.start()
		if now := d.want(200, "web", "one", "/environ").body; !strings.Contains(now, "PLAN=gold") {
			t.Errorf("after a crash of the daemon: %s", now)
		}
	})
}

func TestOverrides_LimitsHoldForARunningTenantAtOnce(t *testing.T) {
	atBothLevels(t, func(t *testing.T, web func(string) string) {
		d := launchLimited(t, setup{services: web("listen = \"unix\"\npids_limit = 200")})
		d.want(200, "web", "one", "/")
		pid := d.instances()["web:one"].Pid
		if out := d.must("limits", "web:one", "pids_limit=60"); out != "Changed the limits of web:one\nIn effect: at once\n" {
			t.Error(out)
		}
		if out := d.must("limits", "web:one", "pids_limit=60"); out != "Nothing changed\n" {
			t.Error(out)
		}
		if out := d.must("limits", "web:one"); !strings.Contains(out, "pids_limit        60     the tenant\n") {
			t.Error(out)
		}
		body := d.want(200, "web", "one", "/bomb").body
		var n int
		if _, err := fmt.Sscan(body, &n); err != nil || n > 60 {
			t.Errorf("%v, the bomb: %s", err, body)
		}
		d.await("web:one", "named pids", 60*time.Second, func(i instance) bool { return i.Limit == "pids" })
		if out := d.must("why", "web:one"); !strings.Contains(out, "pids_limit is 60") {
			t.Error(out)
		}
		if now := d.instances()["web:one"].Pid; now != pid {
			t.Errorf("pid %d, was %d: its process was exchanged", now, pid)
		}
		if _, errs, code := d.ten("limits", "web:one", "pids_limit=1"); code != 1 || !strings.Contains(errs, "pids_limit: must be at least 4, not 1") {
			t.Errorf("exit %d: %s", code, errs)
		}
		d.stopClean("web:one")
	})
}

func TestProvision_AThousandTenantsByOneListTwice(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "listen = \"unix\"")})
	type entry struct {
		Instance string             `json:"instance"`
		Env      map[string]string  `json:"env"`
		Secrets  map[string]string  `json:"secrets"`
		Limits   map[string]float64 `json:"limits,omitempty"`
		Weight   int                `json:"weight"`
	}
	list := make([]entry, 1000)
	for i := range list {
		list[i] = entry{
			Instance: fmt.Sprintf("web:c%d", i), Weight: i % 101,
			Env: map[string]string{"CUSTOMER": fmt.Sprint("number ", i)}, Secrets: map[string]string{"KEY": fmt.Sprint("secret of ", i)},
		}
	}
	file := filepath.Join(d.dir, "list.json")
	write := func() {
		data, err := json.Marshal(list)
		if err != nil || os.WriteFile(file, data, 0o600) != nil {
			t.Fatal(err)
		}
	}
	list[700].Limits = map[string]float64{"memory": 1}
	write()
	if out, errs, code := d.ten("provision", file); code != 1 || out != "" ||
		!strings.Contains(errs, `nothing is changed: entry 700: web:c700: "memory" is no limit of a tenant's`) {
		t.Errorf("a bad entry: exit %d: %s%s", code, out, errs)
	}
	if n := len(d.instances()); n != 0 {
		t.Errorf("%d tenants of a list that was refused", n)
	}
	list[700].Limits = nil
	write()
	if out := d.must("provision", file); out != "Added 1000, changed 0, 0 unchanged\n" {
		t.Error(out)
	}
	if out := d.must("provision", file); out != "Nothing changed: 1000 tenant(s) are as the list says\n" {
		t.Error(out)
	}
	for _, i := range []int{0, 999} {
		id := fmt.Sprint("c", i)
		environ := "\n" + d.want(200, "web", id, "/environ").body + "\n"
		for _, want := range []string{fmt.Sprint("CUSTOMER=number ", i), fmt.Sprint("KEY=secret of ", i)} {
			if !strings.Contains(environ, "\n"+want+"\n") {
				t.Errorf("%s has no %s: %s", id, want, environ)
			}
		}
		if w := d.instances()["web:"+id].Weight; w != i%101 {
			t.Errorf("%s has weight %d", id, w)
		}
	}
	list[999].Env["CUSTOMER"] = "renamed"
	write()
	if out := d.must("provision", file); !strings.HasPrefix(out, "Added 0, changed 1, 999 unchanged\n1 run with what they were started with") {
		t.Error(out)
	}
}

func TestImport_DirectoriesThatLieThereBecomeTenants(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "listen = \"unix\"")})
	for _, id := range []string{"old", "older", "Shouting"} {
		if err := os.MkdirAll(filepath.Join(d.data, "web", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if out := d.must("import", filepath.Join(d.data, "web", "old")); out != "Imported 1 tenant(s), 0 were known already\n" {
		t.Error(out)
	}
	if out := d.must("import", "web"); !strings.Contains(out, "rename it to shouting") || !strings.HasSuffix(out, "Imported 1 tenant(s), 1 were known already\n") {
		t.Error(out)
	}
	d.want(200, "web", "older", "/")
}

func TestExec_ACommandRunsInTheTenantsEnclosure(t *testing.T) {
	atBothLevels(t, func(t *testing.T, web func(string) string) {
		requireRoot(t, "a namespace needs it")
		d := launch(t, setup{services: web("listen = \"unix\"\nenv = {PLAN = \"free\"}")})
		d.want(200, "web", "one", "/")
		d.must("stop", "web:one")
		d.must("env", "web:one", "PLAN=gold")
		if _, errs, code := d.ten("exec", "--no-wake", "web:one", "--", "true"); code != 1 || !strings.Contains(errs, "web:one is asleep") {
			t.Errorf("exit %d: %s", code, errs)
		}
		d.stdin = strings.NewReader("typed\n")
		out, errs, code := d.ten("exec", "web:one", "--", "sh", "-c", `read word; echo $word $PLAN $TENEMENT_ID; echo kept > "$DATA_DIR"/by-exec; echo bad >&2; exit 7`)
		d.stdin = nil
		if out != "typed gold one\n" || errs != "bad\n" || code != 7 {
			t.Errorf("exit %d: %q, %q", code, out, errs)
		}
		if got := d.tenantFile("web", "one", "by-exec"); got != "kept\n" {
			t.Errorf("in its directory: %q", got)
		}
		if s := d.instances()["web:one"].State; s != "running" {
			t.Errorf("it was not woken: %s", s)
		}
		app := d.must("exec", "web:one", "--", "sh", "-c", "cat /proc/self/mountinfo | wc -l; readlink /proc/self/ns/net /proc/self/ns/pid; id -u; grep -E 'NoNewPrivs|Seccomp:|CapBnd' /proc/self/status")
		pid := d.instances()["web:one"].Pid
		for _, ns := range []string{"net", "pid"} {
			if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns)); err != nil || !strings.Contains(app, link) {
				t.Errorf("not in the app's %s: %s (%v)", link, app, err)
			}
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if (strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Seccomp:") || strings.HasPrefix(line, "CapBnd")) && !strings.Contains(app, line) {
				t.Errorf("the app has %q, the command:\n%s", line, app)
			}
		}
		if _, errs, code := d.ten("exec", "web:one", "--", "no-such-program"); code != 1 || !strings.Contains(errs, "no-such-program") {
			t.Errorf("exit %d: %s", code, errs)
		}
	})
}
