package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// visit runs a command beside a tenant's program and gives all that it wrote.
func visit(t *testing.T, p *Process, stdin string, argv ...string) (string, Status, error) {
	t.Helper()
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	exited := make(chan Status, 2)
	_, err = p.Exec(Command{Argv: argv, Env: []string{"PATH=/usr/bin:/bin", "OWN=variable"}, Streams: [3]*os.File{in, theirs, theirs}}, func(s Status) { exited <- s })
	theirs.Close()
	_, _ = io.WriteString(feed, stdin) // who reads nothing may be gone
	feed.Close()
	if err != nil {
		return "", Status{}, err
	}
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(said), <-exited, nil
}

// enclosureOf is a script that tells how its process is enclosed, and as whom.
const enclosureOf = `id; grep -E 'CapEff|CapBnd|CapPrm|NoNewPrivs|Seccomp:|Groups' /proc/self/status; for n in net mnt ipc uts pid; do readlink /proc/self/ns/$n; done;
hostname; pwd; umask; cat /proc/self/cgroup; ls /home /root 2>&1; touch /usr/x 2>&1; ls /proc | grep -c '^1$'`

func TestExec_ACommandIsEnclosedAsTheTenantIs(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	n := start(t, e, scripted(t, enclosureOf+"; echo told; exec sleep 1000"))
	own, _, _ := strings.Cut(n.says("told\n"), "told\n")
	got, status, err := visit(t, n.Process, "", "sh", "-c", enclosureOf)
	if err != nil || !status.Clean() {
		t.Fatalf("%v, %s: %s", err, status, got)
	}
	if got != own {
		t.Errorf("a command is enclosed so:\n%s\nthe tenant so:\n%s", got, own)
	}
	for _, want := range []string{fmt.Sprint("uid=", n.spec.UID), "NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestExec_LandlockBindsACommandToo(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	if e.landlock == 0 {
		t.Skip("this kernel has no Landlock")
	}
	script := `echo x > $OWN_FILE && echo wrote; mkdir /dev/shm/d && echo made; mkdir /dev/d 2>&1`
	n := start(t, e, scripted(t, "exec sleep 1000"))
	got, _, err := visit(t, n.Process, "", "sh", "-c", "OWN_FILE="+n.spec.DataDir+"/f; "+script)
	if err != nil || !strings.HasPrefix(got, "wrote\nmade\n") || !strings.Contains(got, "/dev/d") {
		t.Errorf("%v: %s", err, got)
	}
}

func TestExec_StreamsExitCodeAndEnvironmentAtBothLevels(t *testing.T) {
	for level, spec := range map[string]func() Spec{
		"process":   func() Spec { s := character(t, ""); s.Argv = []string{"/bin/sleep", "1000"}; return s },
		"namespace": func() Spec { return scripted(t, "exec sleep 1000") },
	} {
		t.Run(level, func(t *testing.T) {
			n := start(t, newEngine(t, Options{}), spec())
			got, status, err := visit(t, n.Process, "typed\n", "sh", "-c", "read word; echo $word $OWN; echo bad >&2; echo again > /dev/stdout; exit 7")
			if err != nil || got != "typed variable\nbad\nagain\n" || status.Code != 7 {
				t.Errorf("%v, %s, %q", err, status, got)
			}
			if _, _, err := visit(t, n.Process, "", "no-such-program"); err == nil || !strings.Contains(err.Error(), "cannot execute in "+n.spec.Name) {
				t.Error(err)
			}
			if !alive(n.pid) {
				t.Error("the tenant's own program ended")
			}
		})
	}
}

func TestExec_ASignalReachesItAndItEndsWithTheTenant(t *testing.T) {
	t.Parallel()
	n := start(t, newEngine(t, Options{}), scripted(t, "exec sleep 1000"))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	run := func() (func(syscall.Signal) error, chan Status) {
		exited := make(chan Status, 2)
		out, theirs, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		in, feed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		t.Cleanup(func() { feed.Close() })
		signal, err := n.Exec(Command{Argv: []string{"/bin/sh", "-c", "echo up; sleep 999 & wait"}, Streams: [3]*os.File{in, theirs, theirs}}, func(s Status) { exited <- s })
		theirs.Close()
		if err != nil {
			t.Fatal(err)
		}
		if line := make([]byte, 3); true {
			if _, err := io.ReadFull(out, line); err != nil || string(line) != "up\n" {
				t.Fatalf("%v %q", err, line)
			}
		}
		return signal, exited
	}
	signal, exited := run()
	if err := signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if status := <-exited; status.Signal != int(syscall.SIGTERM) {
		t.Errorf("it ended by %s", status)
	}
	if err := signal(syscall.SIGKILL); err != nil {
		t.Errorf("after its end: %v", err)
	}
	_, exited = run()
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if status := <-exited; status.Signal != int(syscall.SIGKILL) {
		t.Errorf("it ended by %s", status)
	}
	n.wait()
	if _, err := n.Exec(Command{Argv: []string{"/bin/true"}}, nil); !errors.Is(err, ErrExited) {
		t.Error(err)
	}
}

func TestExec_WhatTheKernelDoesNotExecuteLeavesNoProcess(t *testing.T) {
	for level, spec := range map[string]func() Spec{
		"process":   func() Spec { return character(t, "") },
		"bounded":   func() Spec { s := character(t, ""); s.Limits.OpenFiles = 64; return s },
		"namespace": func() Spec { return scripted(t, "") },
	} {
		t.Run(level, func(t *testing.T) {
			s := spec()
			s.Argv = []string{"/bin/sleep", "1000"}
			n := start(t, newEngine(t, Options{}), s)
			before := children()
			if _, _, err := visit(t, n.Process, "", "/etc/passwd"); err == nil || !strings.Contains(err.Error(), "cannot execute /etc/passwd: it is not executable (chmod +x)") {
				t.Error(err)
			}
			for _, pid := range children() {
				if s, err := readStat(pid); err == nil && s.parent == os.Getpid() && !slices.Contains(before, pid) && mains.has(pid) {
					t.Errorf("process %d is left, state %c", pid, s.state)
				}
			}
		})
	}
}
