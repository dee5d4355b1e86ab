package sandbox

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStart_ExitStatusArrivesOnceAndLast(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		for name, want := range map[string]Status{
			"exitsAtOnce": {},
			"crashes":     {Code: 3},
			"killsItself": {Code: -1, Signal: 9},
		} {
			s := character(t, name)
			s.Name = "notes:" + strings.ToLower(name)
			if got := start(t, e, s).wait(); got != want {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

func TestStart_BothStreamsAreBinarySafeAndApart(t *testing.T) {
	t.Parallel()
	n := start(t, newEngine(t, Options{}), character(t, "talks"))
	n.wait()
	if n.output(Stdout) != "to stdout\x00\xff\n" || n.output(Stderr) != "to stderr" {
		t.Errorf("%q %q", n.output(Stdout), n.output(Stderr))
	}
}

func TestStart_LastWordsComeBeforeTheEndThoughAChildHoldsThePipe(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "lastWords"))
		if s := n.wait(); s.Code != 7 {
			t.Errorf("status %v", s)
		}
		if out := n.output(Stdout); len(out) != 200<<10+3 || !strings.HasSuffix(out, "end") {
			t.Errorf("%d bytes of output", len(out))
		}
	})
}

func TestStart_AFloodStarvesNobodyAndIsNotBlocked(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	flood := start(t, e, character(t, "floods"))
	eventually(t, "more than a pipe of output", func() bool {
		flood.mu.Lock()
		defer flood.mu.Unlock()
		return flood.out[Stdout].Len() > 4*pipeSize
	})
	s := character(t, "talks")
	s.Name = "notes:bob"
	start(t, e, s).wait()
}

func TestStart_AProcessIsBornClean(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := character(t, "showsItself", "GREETING=hello", "TENEMENT_RUN=forged")
	s.Dir = t.TempDir()
	out := start(t, e, s).says("\nend\n")
	want := []string{"fd 0 /dev/null", "fd 1 " + s.RunDir + "/1.out", "fd 2 " + s.RunDir + "/1.err", "dir " + s.Dir}
	for _, entry := range append(slices.Clone(s.Env[:len(s.Env)-1]), marker(s.RunDir, 1)) {
		want = append(want, "env "+entry)
	}
	for _, line := range want {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		own := strings.HasPrefix(line, "fd ") && strings.Contains(line, "/proc/") // the listing itself
		if !own && line != "end" && !slices.Contains(want, line) {
			t.Errorf("%q was inherited", line)
		}
	}
}

func TestStart_AnInheritedFileIsNotPassedOn(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := runDaemon(t, "ls -l /proc/self/fd", func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{file} })
	if strings.Contains(out, "secret") || !strings.Contains(out, "/dev/null") {
		t.Error(out)
	}
}

func TestStart_SignalsAndLimitsAreThoseOfTheDaemonsStartNotTheDaemons(t *testing.T) {
	t.Parallel()
	out := runDaemon(t, "ulimit -Sn; grep Sig /proc/self/status", func(cmd *exec.Cmd) {
		cmd.Args = []string{"sh", "-c", `ulimit -Sn 512; trap "" HUP PIPE USR1 INT; exec "$0"`, cmd.Path}
		cmd.Path = "/bin/sh"
	})
	if !strings.HasPrefix(out, "512\n") {
		t.Errorf("the daemon's own limit of files leaked: %s", out)
	}
	for _, field := range []string{"SigIgn", "SigBlk", "SigPnd"} {
		if !strings.Contains(out, field+":\t0000000000000000\n") {
			t.Errorf("%s leaked: %s", field, out)
		}
	}
}

// runDaemon runs the daemon character, in a process of its own, whose tenant
// runs command; it gives what that printed.
func runDaemon(t *testing.T, command string, change func(*exec.Cmd)) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "TEST_CHARACTER=daemon", "TEST_CGROUP=" + cgroupName(),
		"TEST_RUNDIR=" + filepath.Join(shortDir(t), "run"), "TEST_COMMAND=" + command}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	change(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, errs.String())
	}
	return string(out)
}

func TestStart_ACommandThatCannotRunSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	script := file("script", "#!/usr/bin/pythonn -u\n", 0o755)
	plain := file("plain", "hello", 0o755)
	locked := file("locked", "#!/bin/sh\n", 0o644)
	for _, listen := range []Listen{ListenUnix, ListenFD} {
		e := newEngine(t, Options{})
		for _, row := range []struct {
			name, argv, dir, want string
		}{
			{"missing", "/no/such/app", "/", "cannot start notes:alice: cannot execute /no/such/app: no such file or directory"},
			{"not on PATH", "pythonn", "/", `cannot start notes:alice: cannot find "pythonn" in the PATH "/usr/bin:/bin"`},
			{"relative and missing", "./app", dir, "cannot execute " + dir + "/app: no such file or directory"},
			{"interpreter", script, "/", "cannot start notes:alice: cannot execute " + script + ": its interpreter /usr/bin/pythonn does not exist"},
			{"not executable", locked, "/", "cannot execute " + locked + ": it is not executable (chmod +x)"},
			{"directory", dir, "/", "cannot execute " + dir + ": it is a directory"},
			{"no program", plain, "/", "it is neither a program for this machine nor a script with a #! line"},
			{"below a file", plain + "/app", "/", "not a directory"},
			{"workdir missing", "/bin/true", "/no/such/dir", `cannot use the working directory "/no/such/dir": no such file or directory`},
			{"workdir a file", "/bin/true", plain, `cannot use the working directory "` + plain + `": not a directory`},
			{"empty", "", "/", "the command is empty"},
		} {
			s := withSocket(character(t, "exitsAtOnce"))
			s.Listen, s.Argv, s.Dir = listen, []string{row.argv}, row.dir
			_, err := e.Start(s, Events{Exited: func(Status) { t.Error("an end without a start") }})
			if !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s, %s: %v", listen, row.name, err)
			}
			if files, _ := os.ReadDir(s.RunDir); len(files) > 0 {
				t.Errorf("%s, %s: left %v", listen, row.name, files)
			}
		}
	}
}

func TestStart_ALevelThatCannotBeHadIsRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := character(t, "hangs")
	s.Level = "qemu"
	if _, err := e.Start(s, Events{}); !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), `isolation = "qemu" is none of "process"`) {
		t.Error(err)
	}
}

func TestExecuteError_WhatMayPassIsNotPermanent(t *testing.T) {
	t.Parallel()
	for _, err := range []error{unix.EAGAIN, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOSPC, unix.ETXTBSY} {
		if got := executeError(Spec{}, "/bin/true", err); errors.Is(got, ErrCannotExecute) || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestExecuteError_AMissingLoaderOfAProgramIsNamed(t *testing.T) {
	t.Parallel()
	if got := interpreterOf("/bin/sh"); !strings.HasPrefix(got, "/lib") {
		t.Skipf("/bin/sh is a static program here: %q", got)
	}
	if err := executeError(Spec{}, "/bin/sh", unix.ENOENT); !strings.Contains(err.Error(), "its interpreter /lib") {
		t.Error(err)
	}
}

func TestFindCommand_RelativePATHEntriesAreSkipped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(locked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := Spec{Argv: []string{"app"}, Dir: dir, Env: []string{"PATH=.::" + filepath.Dir(locked)}}
	if _, err := findCommand(s); err == nil || !strings.Contains(err.Error(), "it is not executable") {
		t.Error(err)
	}
	s.Env[0] += ":" + dir
	if path, err := findCommand(s); err != nil || path != filepath.Join(dir, "app") {
		t.Error(path, err)
	}
}

func TestStart_AStaleSocketIsRemovedAndNothingElse(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	stale := func(path string) {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	inRunDir := withSocket(character(t, "listensUnix"))
	if err := os.Mkdir(inRunDir.RunDir, 0o755); err != nil {
		t.Fatal(err)
	}
	stale(inRunDir.Socket)
	own := withSocket(character(t, "listensUnix"))
	own.Name, own.Socket = "notes:bob", filepath.Join(shortDir(t), "my.sock")
	own.Env = append(own.Env[:len(own.Env)-1], "SOCKET_PATH="+own.Socket)
	stale(own.Socket)
	for _, s := range []Spec{inRunDir, own} {
		n := start(t, e, s)
		at, err := n.Ready(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		ask(t, at)
	}
	if info, err := os.Stat(inRunDir.RunDir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the run directory is open to others: %v", info.Mode())
	}
}

func TestStart_WhatIsInTheWayIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	elsewhere := shortDir(t)
	precious := filepath.Join(elsewhere, "precious")
	if err := os.WriteFile(precious, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("unix", filepath.Join(elsewhere, "busy.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, row := range map[string]struct {
		prepare func(s *Spec) error
		want    string
	}{
		"file for socket":    {func(s *Spec) error { return os.Link(precious, s.Socket) }, "is in the way: it is not a socket"},
		"symlink for socket": {func(s *Spec) error { return os.Symlink(precious, s.Socket) }, "is in the way: it is not a socket"},
		"file for FIFO":      {func(s *Spec) error { return os.Link(precious, s.RunDir+"/1.err") }, "is in the way: it is not a FIFO"},
		"own path a file":    {func(s *Spec) error { s.Socket = precious; return nil }, "is in the way: it is not a socket"},
		"own path in use":    {func(s *Spec) error { s.Socket = busy.Addr().String(); return nil }, "is in the way: another process listens there"},
		"run dir a symlink": {func(s *Spec) error {
			return errors.Join(os.Remove(s.RunDir), os.Symlink(elsewhere, s.RunDir))
		}, "is not a directory"},
		"run dir a file":     {func(s *Spec) error { return errors.Join(os.Remove(s.RunDir), os.Link(precious, s.RunDir)) }, "not a directory"},
		"run dir relative":   {func(s *Spec) error { s.RunDir = "run"; return nil }, "is not an absolute path"},
		"path with no room":  {func(s *Spec) error { s.Listen, s.Socket = ListenFD, s.RunDir+"/"+strings.Repeat("x", 100); return nil }, "cannot listen on"},
		"no path to listen":  {func(s *Spec) error { s.Listen, s.Socket = ListenFD, ""; return nil }, "cannot listen without a path"},
		"cgroup name in use": {func(s *Spec) error { start(t, e, *s); return nil }, "are left in it"},
	} {
		s := withSocket(character(t, "hangs"))
		if err := os.Mkdir(s.RunDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := row.prepare(&s); err != nil {
			t.Fatal(err)
		}
		if e.root == nil && name == "cgroup name in use" {
			continue
		}
		if _, err := e.Start(s, Events{}); err == nil || errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, err := os.ReadFile(precious); err != nil || string(data) != "data" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := os.Stat(busy.Addr().String()); err != nil {
		t.Error(err)
	}
}

// Where anybody can make directories, one may have been put in our way.
func TestStart_ADirectoryOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to somebody else")
	}
	s := character(t, "hangs")
	if err := errors.Join(os.Mkdir(s.RunDir, 0o700), os.Chown(s.RunDir, 65534, 65534), os.Chmod(filepath.Dir(s.RunDir), 0o1777)); err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(t, Options{}).Start(s, Events{}); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Error(err)
	}
}

func TestStart_AClosedEngineLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{CgroupName: cgroupName()}, {NoCgroup: true}} {
		e, err := NewEngine(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		s := character(t, "hangs")
		if e.root != nil {
			if err := os.Mkdir(e.root.dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Start(s, Events{}); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if e.root != nil {
			if err := e.root.close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestStart_WorksForAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the other tests do: this is no root")
	}
	dir := shortDir(t)
	exe := filepath.Join(dir, "test")
	data, err := os.ReadFile(must1(t)(os.Executable()))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeProgram(exe, data), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"forksAway", "leavesZombies"} {
		cmd := exec.Command(exe)
		cmd.Dir = dir
		cmd.Env = []string{"TEST_CHARACTER=reaps", "TEST_TENANT=" + tenant, "TEST_COUNT=50", "TEST_RUNDIR=" + filepath.Join(dir, "run-"+tenant)}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "0 zombies") {
			t.Errorf("%s: %v: %s", tenant, err, out)
		}
	}
}

func must1(t *testing.T) func(string, error) string {
	return func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
