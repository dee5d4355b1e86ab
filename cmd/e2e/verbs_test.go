package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The verbs of the contract, in an order in which each has something to do.
func TestVerbs_SayWhatTheContractSays(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "listen = \"tcp\"\nhealth = \"/\"")})
	for _, step := range []struct{ args, stdout string }{
		{"ps", `^No running instances\n$`},
		{"register web:one web:two", `.`},
		{"spawn web:one", `^Spawned web:one\nListening on \S+\n$`},
		{"ps", `^INSTANCE +LISTEN +UPTIME +IDLE +HEALTH +WEIGHT *\nweb:one +127\.0\.0\.1:\d+ +\d+[smhd] +\d+[smhd] +\w+ +\d+ *\n\n1 instance\(s\) running on \S+\n$`},
		{"ls", `^INSTANCE +LISTEN`},
		{"ps --all", `STATE[\s\S]*web:one[^\n]*running[\s\S]*web:two[^\n]*asleep`},
		{"health web:one", `^web:one: (healthy|unknown)\n$`},
		{"weight web:one 30", `^Set web:one weight to 30\n$`},
		{"deploy web:v2 -w 40", `^Deploying web:v2 with weight 40\nWaiting for health check \(timeout: 30s\)\.\.\.\nDeployed web:v2\nWeight: 40\nStatus: healthy\n$`},
		{"route web --from one --to v2", `^Routed traffic: web:one -> web:v2\nweb:one weight: 0\nweb:v2 weight: 100\n$`},
		{"restart web:one", `^Restarted web:one\n`},
		{"stop web:one", `^Stopped web:one\n$`},
		{"why web:one", `asleep`},
		{"hold web:one", `.`},
		{"why web:one", `held`},
		{"unhold web:one", `.`},
		{"config", `(?s)web.*process`},
		{"check", ``},
		{"logs web:one", `(?m)^\d\d:\d\d:\d\d \[(OUT|ERR)\] web:one `},
		{"token-gen", `^[^\n]+\n\n  \S+\n$`},
		{"token-gen --tenant one", `^[^\n]+\n\n  \S+\n$`},
		{"forget web:two", `.`},
		{"completion bash", `complete`},
	} {
		if step.args == "logs web:one" {
			d.want(200, "web", "one", "/write?line=hello")
			eventually(t, "a line is logged", 5*time.Second, func() bool { return strings.Contains(d.must("logs", "web:one"), "hello") })
		}
		if out := d.must(strings.Fields(step.args)...); !regexp.MustCompile(step.stdout).MatchString(out) {
			t.Errorf("ten %s: %q, want %s", step.args, out, step.stdout)
		}
	}
	for _, args := range []string{"ps --json", "ps --all --json", "logs --json", "config --json", "why web:one --json"} {
		out := d.must(strings.Fields(args)...)
		if !json.Valid([]byte(out)) {
			wantObjects(t, out)
		}
	}
}

func TestVerbs_MistakesEndWithOneLineAndAnExitCode(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	for args, code := range map[string]int{
		"stop web:nobody": 1, "spawn nothing:here": 1, "weight web:one 101": 1, "stop webone": 1, "restart nothing:here": 1,
		"nonsense": 2, "ps --nonsense": 2, "weight web:one": 2, "stop": 2,
	} {
		_, errs, got := d.ten(strings.Fields(args)...)
		if got != code || !strings.HasPrefix(errs, "Error: ") {
			t.Errorf("ten %s: exit %d, %q; want %d and Error:", args, got, errs, code)
		}
	}
}

func TestVerbs_CheckNamesTheLineToMend(t *testing.T) {
	t.Parallel()
	d := prepare(t, setup{})
	for _, c := range []struct{ toml, clue string }{
		{"[service.web]\ncommand = \"true\"\nisolation = \"process\"\nidle_timout = 3\n", "idle_timeout"},
		{"[service.web]\nisolation = \"process\"\n", "command"},
		{"[service.web]\ncommand = \"true\"\nisolation = \"proces\"\n", "process"},
		{"[service.\"a/b\"]\ncommand = \"true\"\n", "a/b"},
		{"[service.web\n", "tenement.toml:1"},
	} {
		if err := os.WriteFile(d.config, []byte(c.toml), 0o600); err != nil {
			t.Fatal(err)
		}
		out, errs, code := d.ten("check")
		if code != 1 || !strings.Contains(out+errs, c.clue) || !regexp.MustCompile(`\d`).MatchString(out+errs) {
			t.Errorf("%q: exit %d %q %q, want 1, a line and %q", c.toml, code, out, errs, c.clue)
		}
	}
}

func TestVerbs_InitWritesWhatServes(t *testing.T) {
	t.Parallel()
	d := prepare(t, setup{})
	os.Remove(d.config)
	run := func(args ...string) (string, int) {
		cmd := exec.Command(tenBinary, args...)
		cmd.Dir = d.dir
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if err := os.WriteFile(filepath.Join(d.dir, "go.mod"), []byte("module notes\n\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := run("init"); code != 0 {
		t.Fatalf("init: %d %s", code, out)
	}
	if out, code := run("check"); code != 0 {
		t.Errorf("check of what init wrote: %d %s", code, out)
	}
	text, _ := os.ReadFile(d.config)
	level := `isolation = "process"`
	if os.Geteuid() == 0 {
		level = `isolation = "namespace"`
	}
	for _, want := range []string{level, "idle_timeout", `apex = "none"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("init did not write %s:\n%s", want, text)
		}
	}
	if out, code := run("init"); code != 1 {
		t.Errorf("a second init overwrote: %d %s", code, out)
	}
}

// visit asks a loopback port for the first page of a host; 0 = no answer.
func visit(host, port string) int {
	r, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/", nil)
	if err != nil {
		return 0
	}
	r.Host = host
	resp, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestDemo_ServesThreeCustomersAndLeavesNothing(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(tenBinary, "demo")
	tmp, err := os.MkdirTemp(root, "demo")
	if err != nil {
		t.Fatal(err)
	}
	out := &output{}
	cmd.Dir, cmd.Env = tmp, append(os.Environ(), "TMPDIR="+tmp, "HOME="+tmp, "XDG_RUNTIME_DIR="+tmp)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ended by the signal below
	link := regexp.MustCompile(`http://([a-z0-9-]+\.[a-z0-9-]+\.localhost):(\d+)`)
	var links [][]string
	eventually(t, "three URLs are printed", 30*time.Second, func() bool {
		links = link.FindAllStringSubmatch(out.String(), -1)
		return len(links) >= 3
	})
	seen := map[string]bool{}
	for _, l := range links {
		if seen[l[1]] {
			continue
		}
		seen[l[1]] = true
		status := 0
		eventually(t, l[0]+" answers", 20*time.Second, func() bool {
			status = visit(l[1], l[2])
			return status == 200
		})
	}
	if len(seen) != 3 {
		t.Errorf("customers: %v, want three", seen)
	}
	cmd.Process.Signal(syscall.SIGINT)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after Ctrl-C: %v", err)
		}
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		t.Error("Ctrl-C did not end it")
	}
	if left := processesOf(tmp); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if entries, _ := os.ReadDir(tmp); len(entries) > 0 {
		t.Errorf("files are left: %v", entries)
	}
	if t.Failed() {
		t.Logf("demo said:\n%s", out)
	}
}
