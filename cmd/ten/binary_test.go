package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var built struct {
	once sync.Once
	path string
	err  error
}

// binary builds ten once for all tests that want the real program.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "ten-binary-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "ten")
		if out, err := exec.Command("go", "build", "-o", built.path, ".").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("cannot build ten: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

func TestBinary_ExitCodes(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		line, stdout, stderr string
		code                 int
	}{
		{"check", "is valid: 2 service(s)\n", "", 0},
		{"health notes:alice --server http://127.0.0.1:1", "", "Error: cannot reach tenement", 1},
		{"nonsense", "", `Error: unknown command "nonsense"`, 2},
		{"ps --nonsense", "", "Error: unknown flag: --nonsense", 2},
	} {
		cmd := exec.CommandContext(t.Context(), binary(t), strings.Fields(c.line)...)
		for k, v := range w.env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.HasSuffix(out.String(), c.stdout) || !strings.HasPrefix(errs.String(), c.stderr) {
			t.Errorf("ten %s: exit %d, want %d (%v)\n%s%s", c.line, code, c.code, err, out.String(), errs.String())
		}
	}
}

// demoRun is the real `ten demo`, with nothing of ours in between.
type demoRun struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *buffer
	temp string
}

func startDemo(t *testing.T) *demoRun {
	d := &demoRun{t: t, out: &buffer{}, temp: t.TempDir()}
	d.cmd = exec.Command(binary(t), "demo")
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.temp)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.cmd.ProcessState == nil { // the test failed before it ended the demo
			_ = d.cmd.Process.Signal(syscall.SIGTERM)
			_ = d.cmd.Wait()
		}
	})
	until(t, "the tour is printed:\n"+d.out.String(), func() bool { return d.says("Ctrl-C") })
	return d
}

func (d *demoRun) says(text string) bool { return strings.Contains(d.out.String(), text) }

// visit loads a customer's page; with a note it posts that first.
func (d *demoRun) visit(id, note string) (page string, pid int) {
	d.t.Helper()
	port := regexp.MustCompile(`http://127\.0\.0\.1:(\d+)/`).FindStringSubmatch(d.out.String())[1]
	req, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/", nil)
	if note != "" {
		req, err = http.NewRequest("POST", "http://127.0.0.1:"+port+"/", strings.NewReader(url.Values{"note": {note}}.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		d.t.Fatal(err)
	}
	req.Host = id + ".notes.localhost:" + port
	resp, err := noRedirect.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		d.t.Fatalf("%s: %s, %v\n%s", id, resp.Status, err, body)
	}
	until(d.t, id+"'s process is told", func() bool { pid = d.pidOf(id); return pid != 0 })
	return string(body), pid
}

// pidOf is the last that was told of a customer's process; 0 if none serves.
func (d *demoRun) pidOf(id string) int {
	told := regexp.MustCompile(`(?m)^  `+id+`(?: woke up: process (\d+) serves|.*)$`).FindAllStringSubmatch(d.out.String(), -1)
	if len(told) == 0 {
		return 0
	}
	pid, _ := strconv.Atoi(told[len(told)-1][1])
	return pid
}

var noRedirect = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func TestBinary_TheDemoIsWhatTheTourSays(t *testing.T) {
	d := startDemo(t)
	page, bob := d.visit("bob", "")
	if bob == 0 || !strings.Contains(page, "Nothing yet.") {
		t.Fatalf("bob's page:\n%s", page)
	}
	d.visit("alice", "kept <through> a kill")
	page, alice := d.visit("alice", "")
	if !strings.Contains(page, "kept &lt;through&gt; a kill") || alice == bob {
		t.Errorf("alice's page, pid %d, bob's %d:\n%s", alice, bob, page)
	}
	if page, _ := d.visit("bob", ""); strings.Contains(page, "through") {
		t.Error("bob sees alice's note")
	}
	if err := syscall.Kill(alice, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the death is told", func() bool { return d.says("alice: its process ended by itself: killed by SIGKILL") })
	page, again := d.visit("alice", "")
	if !strings.Contains(page, "kept &lt;through&gt; a kill") || again == alice {
		t.Errorf("after the kill, pid %d, before %d:\n%s", again, alice, page)
	}
	until(t, "bob sleeps", func() bool { return d.says("bob fell asleep") })
	if !gone(bob) {
		t.Errorf("bob's process %d is still there", bob)
	}
	_, woken := d.visit("bob", "")
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the demo ended with %v:\n%s", err, d.out)
	}
	for _, pid := range []int{again, woken} {
		if !gone(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	if left, _ := os.ReadDir(d.temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// gone reports that no process has this pid; the tests' own are not reused so fast.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
