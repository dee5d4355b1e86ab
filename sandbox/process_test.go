package sandbox

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filed waits for a pid in a file.
func filed(t *testing.T, file string) int {
	t.Helper()
	eventually(t, "a pid in "+file, func() bool { _, err := os.Stat(file); return err == nil })
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestProcess_TerminateReachesTheWholeTree(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		s := character(t, "")
		s.Argv = []string{"/bin/sh", "-c", `TEST_CHARACTER=handlesTERM "$0" & TEST_CHARACTER=handlesTERM "$0" & trap "" TERM; wait; wait; exit 5`, s.Argv[0]}
		n := start(t, e, s)
		eventually(t, "both children", func() bool { return strings.Count(n.output(Stdout), "ready") == 2 })
		if err := n.Terminate(); err != nil {
			t.Fatal(err)
		}
		if got := n.wait(); got.Code != 5 || strings.Count(n.output(Stdout), "goodbye") != 2 {
			t.Errorf("%v, %q", got, n.output(Stdout))
		}
		if err := errors.Join(n.Terminate(), n.Kill()); err != nil {
			t.Errorf("ending the dead: %v", err)
		}
	})
}

func TestProcess_KillTakesTheDeafAndThoseThatForkedAway(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		file := filepath.Join(t.TempDir(), "pid")
		n := start(t, e, character(t, "forksAway", "TEST_PIDFILE="+file))
		away := filed(t, file)
		if err := n.Terminate(); err != nil {
			t.Fatal(err)
		}
		n.wait() // the main process heeds SIGTERM
		if !alive(away) {
			t.Fatal("the deaf one should have outlived SIGTERM")
		}
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the survivor's end", func() bool { return !alive(away) })
	})
}

func TestProcess_ReleaseEndsSurvivorsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		file := filepath.Join(t.TempDir(), "pid")
		s := withSocket(character(t, "forksAway", "TEST_THEN=exit", "TEST_PIDFILE="+file))
		n := start(t, e, s)
		if got := n.wait(); !got.Clean() {
			t.Errorf("the survivor delayed or changed the end: %v", got)
		}
		away := filed(t, file)
		if err := errors.Join(n.Release(), n.Release()); err != nil {
			t.Fatal(err)
		}
		if alive(away) {
			t.Error("a process that forked away outlived Release")
		}
		if files, _ := os.ReadDir(s.RunDir); len(files) > 0 {
			t.Errorf("left: %v", files)
		}
		if dir := n.Record().Cgroup; dir != "" {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("cgroup: %v", err)
			}
		}
	})
}

func TestProcess_ReleaseBeforeTheEndIsRefused(t *testing.T) {
	t.Parallel()
	n := start(t, newEngine(t, Options{}), character(t, "hangs"))
	if err := n.Release(); err == nil || !strings.Contains(err.Error(), "it is still running") {
		t.Error(err)
	}
}

func TestProcess_ReleaseLeavesASuccessorsSocket(t *testing.T) {
	t.Parallel()
	s := character(t, "exitsAtOnce")
	s.Socket = filepath.Join(shortDir(t), "shared.sock")
	n := start(t, newEngine(t, Options{}), s)
	n.wait()
	successor, err := net.Listen("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer successor.Close()
	if err := n.Release(); err != nil {
		t.Error(err)
	}
	ask := func() error { _, err := os.Stat(s.Socket); return err }
	if err := ask(); err != nil {
		t.Error(err)
	}
}

func TestProcess_TheDeafAreKilled(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "ignoresTERM"))
		n.says("deaf")
		if err := errors.Join(n.Terminate(), n.Kill()); err != nil {
			t.Fatal(err)
		}
		if got := n.wait(); got.Signal != 9 {
			t.Errorf("%v", got)
		}
	})
}

func TestProcess_ATenantsOwnSubCgroupsGoWithIt(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	if e.root == nil {
		t.Skip("no writable cgroup2 tree here: run as root or under a delegated cgroup")
	}
	s := character(t, "")
	s.Argv = []string{"/bin/sh", "-c", `mkdir -p "$0/a/b" && echo $$ > "$0/a/b/cgroup.procs" && echo moved; exec sleep 1000`,
		filepath.Join(e.root.dir, leafName(s.Name, 1))}
	n := start(t, e, s)
	n.says("moved")
	if members, err := n.tree.members(); err != nil || len(members) != 1 || !n.tree.holds(members[0]) {
		t.Errorf("%v %v", members, err)
	}
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	n.wait()
	if err := n.Release(); err != nil {
		t.Error(err)
	}
}

func TestKillAll_EndsACgroupWithoutCgroupKill(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	if e.root == nil {
		t.Skip("no writable cgroup2 tree here: run as root or under a delegated cgroup")
	}
	n := start(t, e, character(t, "forksAway"))
	n.says("away")
	if err := killAll(n.tree); err != nil {
		t.Fatal(err)
	}
	if got := n.wait(); got.Signal != 9 {
		t.Error(got)
	}
}

func TestSignalMember_OneThatIsNoMemberIsSpared(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "hangs"))
		bystander := exec.Command("sleep", "1000")
		if err := bystander.Start(); err != nil {
			t.Fatal(err)
		}
		if err := signalMember(n.tree, member{pid: bystander.Process.Pid, start: 1}, unix.SIGKILL); err != nil {
			t.Error(err)
		}
		if err := bystander.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := bystander.Wait(); err == nil || err.Error() != "signal: terminated" {
			t.Errorf("the bystander was hit: %v", err)
		}
	})
}

func TestFamily_TheKernelsThreadsAreNobodys(t *testing.T) {
	t.Parallel()
	f := newFamily("TENEMENT_RUN=/no/such/run/1", 0)
	for range 2 {
		if members, err := f.members(); err != nil || len(members) > 0 {
			t.Fatalf("%v %v", members, err)
		}
		f.callRoll(true)
	}
}

func TestFamily_OneThatWipedItsEnvironmentIsKnownBySessionOrParent(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{NoCgroup: true})
	s := character(t, "")
	s.Argv = []string{"/bin/sh", "-c", `env -i sleep 1000 & env -i setsid -w sleep 1001 & echo up; wait`}
	n := start(t, e, s)
	n.says("up")
	eventually(t, "three members", func() bool {
		members, err := n.tree.members()
		return err == nil && len(members) >= 3 // sh, sleep, and sleep in a session of its own
	})
	members, _ := n.tree.members()
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	n.wait()
	if err := n.Release(); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if n.tree.holds(m) {
			t.Errorf("%d survived", m.pid)
		}
	}
}

func TestReaper_NoZombieIsLeft(t *testing.T) {
	t.Parallel()
	for _, without := range []string{"", "1"} {
		for tenant, count := range map[string]string{"forksAway": "", "leavesZombies": "300"} {
			t.Run(tenant+without, func(t *testing.T) {
				exe, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(exe)
				cmd.Env = []string{"TEST_CHARACTER=reaps", "TEST_TENANT=" + tenant, "TEST_COUNT=" + count, "TEST_NOCGROUP=" + without,
					"TEST_CGROUP=" + cgroupName(), "TEST_RUNDIR=" + filepath.Join(shortDir(t), "run")}
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), "\n0 zombies") && !strings.HasPrefix(string(out), "0 zombies") {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

func TestProcess_ClosedOutputDoesNotSpinTheLoop(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	n := start(t, e, withSocket(character(t, "closesOutput")))
	if _, err := n.Ready(patient(t)); err != nil {
		t.Fatal(err)
	}
	e.loop.call(func() {
		for _, o := range n.outputs { // neither readable nor hung up: epoll has nothing to say
			poll := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}}
			if ready, err := unix.Poll(poll, 0); err != nil || ready != 0 {
				t.Errorf("stream %d: %v %#x", o.stream, err, poll[0].Revents)
			}
		}
	})
}

func TestStatus_ReadsLikeNews(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Status{
		"exit status 3":              {Code: 3},
		"killed by SIGKILL":          {Code: -1, Signal: 9},
		"killed by signal 64":        {Code: -1, Signal: 64},
		"ended while nobody watched": {Code: -1, Unknown: true},
	} {
		if got := s.String(); got != want || s.Clean() {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEngine_CloseLeavesTheRunningAlone(t *testing.T) {
	t.Parallel()
	name := cgroupName()
	e, err := NewEngine(Options{CgroupName: name})
	if err != nil {
		t.Fatal(err)
	}
	s := character(t, "hangs")
	p, err := e.Start(s, Events{})
	if err != nil {
		t.Fatal(err)
	}
	r := p.Record()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if !alive(r.Pid) {
		t.Error("Close ended a process")
	}
	next := newEngine(t, Options{CgroupName: name})
	if err := next.End(r); err != nil {
		t.Fatal(err)
	}
	reapOwn(t, r.Pid)
}

// reapOwn takes the status of a child that its engine no longer waits for.
func reapOwn(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "the end of a child", func() bool {
		_, err := mains.reap(pid)
		return err == nil || !alive(pid)
	})
}

func TestPause_IsAFiftiethBetweenItsBounds(t *testing.T) {
	t.Parallel()
	for elapsed, want := range map[time.Duration]time.Duration{
		0: 200 * time.Microsecond, 50 * time.Millisecond: time.Millisecond, time.Hour: 5 * time.Millisecond,
	} {
		if got := pause(elapsed); got != want {
			t.Errorf("%v: %v", elapsed, got)
		}
	}
}
