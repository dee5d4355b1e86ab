package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inSandbox has a character run at LevelSandbox.
func inSandbox(t testing.TB, e *Engine, s Spec) Spec {
	t.Helper()
	if err := e.Supports(LevelSandbox); err != nil {
		t.Skip(err)
	}
	s = inNamespace(t, s)
	s.Level = LevelSandbox
	return s
}

// guestShell runs a script at LevelSandbox to its end and gives what it wrote.
func guestShell(t *testing.T, script string) (stdout, stderr string, status Status) {
	t.Helper()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Argv = []string{"sh", "-c", script}
	n := start(t, e, s)
	status = n.wait()
	return n.output(Stdout), n.output(Stderr), status
}

func TestGuest_HasNothingButItsOwn(t *testing.T) {
	t.Parallel()
	out, errs, status := guestShell(t, `
		cat /proc/version; id -u; id -g; hostname; pwd
		grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status
		ls -d /proc/[0-9]* | wc -l
		ls -A /root /home /boot /run | grep -c "^[^/]"
		echo mine >$HOME/file && cat $HOME/file
		ls $(dirname $HOME)
		touch /etc/x /usr/x /x 2>/dev/null || echo read-only
		echo $PATH; echo end >&2; exit 3`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []string{
		"Linux version 4.19.0-gvisor", "1900000", "1900000", "notes", "/", "CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1",
	}
	slices.Sort(lines[5:8])
	if len(lines) != 14 || errs != "end\n" || status != (Status{Code: 3}) {
		t.Fatalf("%v\n%s%s", status, out, errs)
	}
	for i, begin := range want {
		if !strings.HasPrefix(lines[i], begin) {
			t.Errorf("%q, want %q", lines[i], begin)
		}
	}
	if got := strings.Join(lines[9:], " "); got != "0 mine alice read-only /usr/bin:/bin" {
		t.Errorf("%q", got)
	}
}

func TestGuest_ListensOnAPortAndOnASocketOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]func(s Spec) Spec{
		"listensTCP4": func(s Spec) Spec { s.Listen, s.Port = ListenTCP, 8080; return s },
		"listensUnix": withSocket,
		"slowStart":   withSocket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, Options{})
			s := inSandbox(t, e, character(t, name, "PORT=8080"))
			n := start(t, e, listen(s))
			at, err := n.Ready(patient(t))
			if err != nil {
				t.Fatal(err, n.output(Stderr))
			}
			if got := ask(t, at); got != "1" { // its pid, as it sees itself
				t.Errorf("answered by %q", got)
			}
		})
	}
}

func TestGuest_IsAskedToEndAndEnds(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	n := start(t, e, inSandbox(t, e, character(t, "handlesTERM")))
	n.says("ready")
	if err := n.Terminate(); err != nil {
		t.Fatal(err)
	}
	if status := n.wait(); !status.Clean() || n.output(Stdout) != "ready\ngoodbye\n" || n.output(Stderr) != "" {
		t.Errorf("%v %q %q", status, n.output(Stdout), n.output(Stderr))
	}
}

func TestGuest_IsKilledWithAllThatGVisorIs(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	n := start(t, e, inSandbox(t, e, character(t, "ignoresTERM")))
	n.says("deaf")
	if err := n.Terminate(); err != nil {
		t.Fatal(err)
	}
	members, err := n.tree.members()
	if err != nil || len(members) < 3 { // runsc run, gofer, kernel
		t.Fatalf("%v %v", members, err)
	}
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	n.wait()
	if err := n.Release(); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		eventually(t, "the end of process "+strconv.Itoa(m.pid), func() bool { return !alive(m.pid) }) // it has left its cgroup and is on its way out
	}
	if files, err := os.ReadDir(n.spec.RunDir); err != nil || len(files) > 0 {
		t.Errorf("left %v %v", files, err)
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(mounts), n.spec.RunDir) {
		t.Errorf("left mounts:\n%s", mounts)
	}
}

func TestGuest_BeforeItsKernelIsThereATermEndsIt(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	n := start(t, e, inSandbox(t, e, character(t, "hangs")))
	if err := n.Terminate(); err != nil {
		t.Fatal(err)
	}
	if status := n.wait(); status.Clean() { // by the signal, or because the kernel that it started did not come
		t.Error(status)
	}
}

func TestGuest_HowItEndedIsTold(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]Status{
		"exit 3":          {Code: 3},
		"kill -SEGV $$":   {Code: -1, Signal: int(unix.SIGSEGV)},
		"exec /bin/false": {Code: 1},
	} {
		out, errs, status := guestShell(t, script)
		if status != want || out+errs != "" {
			t.Errorf("%s: %v %q, want %v", script, status, out+errs, want)
		}
	}
}

func TestGuest_ACommandThatIsNotThereIsSaidBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	for command, want := range map[string]string{
		"no-such-program": `cannot find "no-such-program" in the PATH "/usr/bin:/bin"`,
		"/root/program":   "cannot execute /root/program: no such file or directory",
	} {
		s.Argv = []string{command}
		p, err := e.Start(s, Events{})
		if p != nil || !errors.Is(err, ErrCannotExecute) || err.Error() != "cannot start "+s.Name+": "+want {
			t.Errorf("%v", err)
		}
	}
}

func TestCanExecute_AnswersAsExecveWould(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want error
	}{
		"program": {"#!/bin/sh\n", 0o755, nil},
		"data":    {"#!/bin/sh\n", 0o644, unix.EACCES},
		"orphan":  {"#!/nowhere/sh -e\n", 0o755, unix.ENOENT},
		"strange": {"text", 0o755, nil}, // gVisor's to say
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"./" + name, filepath.Join(dir, name)} {
			if err := canExecute(dir, path); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s: %v, want %v", path, err, c.want)
			}
		}
	}
	if err := canExecute("/", dir); err != unix.EACCES {
		t.Errorf("a directory: %v", err)
	}
	if err := canExecute("/", "nowhere"); err != unix.ENOENT {
		t.Error(err)
	}
}

func TestGuest_WithoutRunscNothingIsStarted(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	for _, c := range []struct {
		path string
		err  error
		want string
	}{
		{"", errors.New("there is no runsc in the PATH"), "cannot use runsc: there is no runsc in the PATH"},
		{"/nowhere/runsc", nil, "cannot open /nowhere/runsc: no such file or directory"},
	} {
		e.runsc = func() (string, error) { return c.path, c.err }
		if _, err := e.Start(s, Events{}); err == nil || err.Error() != "cannot start "+s.Name+": "+c.want || !errors.Is(err, ErrCannotExecute) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestGuest_ASocketIsNotPassedIn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := withSocket(inSandbox(t, e, character(t, "listensFD")))
	s.Listen = ListenFD
	_, err := e.Start(s, Events{})
	if !errors.Is(err, ErrCannotExecute) || err.Error() != "cannot start "+s.Name+": gVisor accepts on no socket that was passed in" {
		t.Error(err)
	}
}

func TestGuest_OutlivesItsDaemonAndEndsForTheNextOne(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "listensTCP4", "PORT=8080"))
	s.Listen, s.Port = ListenTCP, 8080
	n := start(t, e, s)
	if _, err := n.Ready(patient(t)); err != nil {
		t.Fatal(err)
	}
	next := newEngine(t, Options{})
	adopted := &tenant{t: t, exited: make(chan Status, 2)}
	p, err := next.Adopt(n.Record(), adopted.events())
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p.Record().Endpoint); got != "1" {
		t.Errorf("answered by %q", got)
	}
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	if status := adopted.wait(); !status.Unknown {
		t.Error(status)
	}
	if status := n.wait(); status.Signal != int(unix.SIGTERM) {
		t.Error(status)
	}
	if err := p.Release(); err != nil {
		t.Error(err)
	}
}

func TestEnd_OfAGuestAsksItsProgramFirst(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	n := start(t, e, inSandbox(t, e, character(t, "handlesTERM")))
	n.says("ready")
	if err := newEngine(t, Options{}).End(n.Record()); err != nil {
		t.Fatal(err)
	}
	n.wait()
	if n.output(Stdout) != "ready\ngoodbye\n" {
		t.Errorf("%q", n.output(Stdout))
	}
}

func TestGuest_ReadsWhatTheHostChangesAndMountsAndWorkdir(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	dir := shortDir(t)
	shown := filepath.Join(dir, "shown")
	if err := errors.Join(os.Mkdir(shown, 0o755), os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(shown, "file"), []byte("old\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s.Mounts = append(s.Mounts, Mount{Source: shown, Destination: "/shown", ReadOnly: true})
	s.Dir = s.DataDir
	s.Argv = []string{"sh", "-c", `pwd; cat /shown/file; touch /shown/x 2>/dev/null || echo refused; echo waiting
		until grep -q new /shown/file; do sleep 0.01; done; cat /shown/file; touch here; ls`}
	n := start(t, e, s)
	n.says("waiting")
	if err := os.WriteFile(filepath.Join(shown, "file"), []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status := n.wait(); !status.Clean() {
		t.Errorf("%v %s", status, n.output(Stderr))
	}
	if got, want := n.output(Stdout), s.Dir+"\nold\nrefused\nwaiting\nnew\nhere\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(s.DataDir, "here"), &st); err != nil || st.Uid != s.UID {
		t.Errorf("%v, of user %d", err, st.Uid)
	}
}

func TestGuest_HasAsLargeAnEnvironmentAsAnybody(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	for i := range 15 {
		s.Env = append(s.Env, "BIG"+strconv.Itoa(i)+"="+strings.Repeat("<", 120<<10))
	}
	s.Argv = []string{"sh", "-c", "env | wc -c"}
	n := start(t, e, s)
	if status := n.wait(); !status.Clean() || len(n.output(Stdout)) != len("1844444\n") {
		t.Errorf("%v %q %.300s", status, n.output(Stdout), n.output(Stderr))
	}
}

func TestGuest_OpensAsManyFilesAsItMay(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Limits.OpenFiles = 64
	s.Argv = []string{"sh", "-c", "ulimit -Hn; ulimit -n"}
	n := start(t, e, s)
	if status := n.wait(); !status.Clean() || n.output(Stdout) != "64\n64\n" {
		t.Errorf("%v %q %q", status, n.output(Stdout), n.output(Stderr))
	}
}

func TestGuest_ReadsItsSecrets(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Secrets = map[string][]byte{"KEY": []byte("swordfish")}
	s.Argv = []string{"cat", filepath.Join(SecretsDir(s.RunDir), "KEY")}
	n := start(t, e, s)
	if status := n.wait(); !status.Clean() || n.output(Stdout) != "swordfish" {
		t.Errorf("%v %q %q", status, n.output(Stdout), n.output(Stderr))
	}
}

func TestGuest_IsKeptWithinItsMemory(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Limits.MemoryBytes = 128 << 20
	if err := e.Enforces(s.Limits); err != nil {
		t.Skip(err)
	}
	s.Argv = []string{"python3", "-c", "print('begins', flush=True)\nx = b'x' * (512 << 20)\nprint('got it', flush=True)"}
	n := start(t, e, s)
	n.says("begins")
	if status := n.wait(); status.Clean() || strings.Contains(n.output(Stdout), "got it") {
		t.Errorf("%v %q", status, n.output(Stdout))
	}
}

func TestGuest_TemporaryFilesAreOneHoweverTheyAreCalled(t *testing.T) {
	t.Parallel()
	out, errs, status := guestShell(t, "echo one >/tmp/x; echo two >>/var/tmp/x; cat /tmp/x; mktemp >/dev/null && ls /var/tmp | wc -l")
	if want := "one\ntwo\n"; !status.Clean() || errs != "" || !strings.HasPrefix(out, want) || strings.TrimPrefix(out, want) < "2" {
		t.Errorf("%v %q %q", status, out, errs)
	}
}

func TestGuest_ListensWhereTheUserWants(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(Spec) string{
		"in its data": func(s Spec) string { return filepath.Join(s.DataDir, "app.sock") },
		"in /tmp":     func(Spec) string { return "/tmp/app.sock" },
		"elsewhere":   func(Spec) string { return "/run/app/app.sock" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, Options{})
			s := inSandbox(t, e, character(t, "listensUnix"))
			s.Socket = at(s)
			s.Env = append(s.Env, "SOCKET_PATH="+s.Socket)
			n := start(t, e, s)
			found, err := n.Ready(patient(t))
			if err != nil {
				t.Fatal(err, n.output(Stderr))
			}
			if got := ask(t, found); got != "1" {
				t.Errorf("answered by %q", got)
			}
		})
	}
}

func TestGuest_WorksInAFolderThatOnlyRootCanRead(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Dir = filepath.Join(shortDir(t), "app")
	if err := errors.Join(os.Mkdir(s.Dir, 0o700), os.WriteFile(filepath.Join(s.Dir, "secret"), []byte("of the app\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s.Argv = []string{"sh", "-c", "cat secret; touch more 2>/dev/null || echo read-only"}
	n := start(t, e, s)
	if status, out := n.wait(), n.output(Stdout)+n.output(Stderr); !status.Clean() || out != "of the app\nread-only\n" {
		t.Errorf("%v %q", status, out)
	}
}

func TestGuest_AWorkingDirectoryThatIsNotInItsViewIsSaid(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := inSandbox(t, e, character(t, "none"))
	s.Dir = filepath.Join(s.DataDir, "none")
	_, err := e.Start(s, Events{})
	if !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), "cannot use the working directory") || !strings.Contains(err.Error(), s.Dir) {
		t.Error(err)
	}
}

func TestGuestStatus_KnowsSignals(t *testing.T) {
	for code, want := range map[int]Status{
		0: {}, 1: {Code: 1}, 128: {Code: 128}, 137: {Code: -1, Signal: 9}, 192: {Code: -1, Signal: 64}, 193: {Code: 193}, 255: {Code: 255},
	} {
		if got := guestStatus(Status{Code: code}); got != want {
			t.Errorf("%d: %v", code, got)
		}
	}
	if s := (Status{Code: -1, Signal: 9}); guestStatus(s) != s {
		t.Error("a signal to runsc itself is one")
	}
}
