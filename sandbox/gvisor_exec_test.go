package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sleeping is a tenant at LevelSandbox that has nothing to do.
func sleeping(t *testing.T) *tenant {
	t.Helper()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Limits.OpenFiles = 64
	s.Argv = []string{"/bin/sh", "-c", guestTells + "; echo up; exec sleep 1000"}
	n := start(t, e, s)
	n.says("up\n")
	return n
}

// guestTells is a script that tells as what its process runs in gVisor.
const guestTells = `head -c 27 /proc/version; echo; id -u; id -g; pwd; umask; ulimit -n; hostname; grep -E 'CapEff|CapBnd|CapPrm|NoNewPrivs' /proc/self/status; ls -A /root /home /boot`

func TestGuestExec_ACommandIsBesideTheTenantInGVisor(t *testing.T) {
	t.Parallel()
	n := sleeping(t)
	own, _, _ := strings.Cut(n.output(Stdout), "up\n")
	got, status, err := visit(t, n.Process, "", "sh", "-c", guestTells)
	if err != nil || !status.Clean() {
		t.Fatalf("%v, %s: %s", err, status, got)
	}
	if got != own || !strings.HasPrefix(got, "Linux version 4.19.0-gvisor") || !strings.Contains(got, fmt.Sprint("\n", n.spec.UID, "\n")) {
		t.Errorf("a command runs as\n%s\nthe tenant as\n%s", got, own)
	}
	got, status, err = visit(t, n.Process, "typed\n", "sh", "-c", `read word; echo $word $OWN; echo bad >&2; echo kept > "$0"; ps -e 2>/dev/null | grep -c sleep; exit 7`, filepath.Join(n.spec.DataDir, "by-exec"))
	if err != nil || got != "typed variable\nbad\n1\n" || status.Code != 7 {
		t.Errorf("%v, %s, %q", err, status, got)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(n.spec.DataDir, "by-exec"), &st); err != nil || st.Uid != n.spec.UID {
		t.Errorf("%v, of user %d", err, st.Uid)
	}
	if files := n.output(Stderr); files != "" {
		t.Errorf("on the tenant's own stderr: %s", files)
	}
}

func TestGuestExec_WhatCannotBeRunIsSaid(t *testing.T) {
	t.Parallel()
	n := sleeping(t)
	data := filepath.Join(n.spec.DataDir, "data")
	if err := os.WriteFile(data, []byte("neither\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{
		"no-such-program": `cannot find "no-such-program" in the PATH "/usr/bin:/bin"`,
		"/etc/passwd":     "cannot execute /etc/passwd: it is not executable (chmod +x)",
		data:              "gVisor did not run it: runsc ended: ",
	} {
		if out, _, err := visit(t, n.Process, "", command); out != "" || err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot execute in "+n.spec.Name) {
			t.Errorf("%s: %v %q", command, err, out)
		}
	}
	if left := runscsOf(t, n); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// stay runs a command that stays, and waits until it is there.
func stay(t *testing.T, n *tenant, script string) (signal func(syscall.Signal) error, exited chan Status) {
	t.Helper()
	var pipes [2][2]*os.File
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		pipes[i] = [2]*os.File{r, w}
	}
	exited = make(chan Status, 2)
	signal, err := n.Exec(Command{Argv: []string{"/bin/sh", "-c", "echo up; " + script}, Streams: [3]*os.File{pipes[0][0], pipes[1][1], pipes[1][1]}}, func(s Status) { exited <- s })
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 3)
	if _, err := pipes[1][0].Read(line); err != nil || string(line) != "up\n" {
		t.Fatalf("%v %q", err, line)
	}
	return signal, exited
}

func end(t *testing.T, exited chan Status) Status {
	t.Helper()
	select {
	case s := <-exited:
		return s
	case <-time.After(terminalPatience):
		t.Fatal("the command did not end")
		return Status{}
	}
}

func TestGuestExec_SignalsReachTheCommandAndItEndsWithTheTenant(t *testing.T) {
	t.Parallel()
	n := sleeping(t)
	signal, exited := stay(t, n, "sleep 999 & wait")
	if err := signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if status := end(t, exited); status.Signal != int(syscall.SIGTERM) {
		t.Errorf("it ended by %s", status)
	}
	if err := signal(syscall.SIGKILL); err != nil {
		t.Errorf("after its end: %v", err)
	}
	signal, exited = stay(t, n, "trap 'exit 5' USR1; while :; do sleep 0.05; done")
	if err := signal(syscall.SIGUSR1); err != nil {
		t.Error(err)
	}
	if status := end(t, exited); status.Code != 5 {
		t.Errorf("it ended by %s", status)
	}
	_, exited = stay(t, n, "exec sleep 999")
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if status := end(t, exited); status.Signal != int(syscall.SIGKILL) {
		t.Errorf("it ended by %s", status)
	}
	n.wait()
	if _, err := n.Exec(Command{Argv: []string{"/bin/true"}}, nil); !errors.Is(err, ErrExited) {
		t.Error(err)
	}
}

// runscsOf are those of a tenant's tree that stand for commands.
func runscsOf(t *testing.T, n *tenant) (pids []int) {
	t.Helper()
	members, err := n.tree.members()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.pid)) // gone: none
		if strings.Contains(string(line), "\x00exec\x00") {
			pids = append(pids, m.pid)
		}
	}
	return pids
}

func TestGuestExec_WhoseRunscIsKilledIsKilledItself(t *testing.T) {
	t.Parallel()
	n := sleeping(t)
	file := filepath.Join(n.spec.DataDir, "ticks")
	_, exited := stay(t, n, "while :; do echo tick >> "+file+"; sleep 0.02; done")
	pids := runscsOf(t, n)
	if len(pids) != 1 {
		t.Fatalf("%v stand for one command", pids)
	}
	if err := unix.Kill(pids[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := end(t, exited); status.Signal != int(unix.SIGKILL) {
		t.Errorf("it ended by %s", status)
	}
	out, _, err := visit(t, n.Process, "", "sh", "-c", "grep -l 't[i]cks' /proc/[0-9]*/cmdline 2>/dev/null | grep -v /$$/ | wc -l")
	if err != nil || out != "0\n" {
		t.Errorf("%v: %s processes of it are left", err, out)
	}
}

func TestGuestExec_ATenantThatEndsByItselfTakesTheCommandAlong(t *testing.T) {
	t.Parallel()
	n := sleeping(t)
	_, exited := stay(t, n, "exec sleep 999")
	if err := n.Terminate(); err != nil {
		t.Fatal(err)
	}
	n.wait()
	if status := end(t, exited); status.Signal != int(syscall.SIGKILL) {
		t.Errorf("it ended by %s", status)
	}
}

func TestGuestNumber_IsAwaitedForALimitedTime(t *testing.T) {
	for said, want := range map[string]string{"": "runsc ended", "17": "", "x": "invalid syntax", "slow": "it has not begun after 1ms"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		patience := terminalPatience
		if said == "slow" {
			patience = time.Millisecond
		} else if _, err := w.WriteString(said); err != nil {
			t.Fatal(err)
		} else {
			w.Close()
		}
		n, err := guestNumber(int(r.Fd()), patience)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && n != 17 {
			t.Errorf("%q: %d, %v", said, n, err)
		}
		r.Close()
		w.Close()
	}
}
