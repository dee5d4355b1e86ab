package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// orphaned runs a daemon that starts command and is killed; it gives the record
// that the daemon left and an engine that succeeds it.
func orphaned(t *testing.T, o Options, command string, env ...string) (*Engine, Record) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	records := filepath.Join(dir, "records")
	o.CgroupName = cgroupName()
	cmd := exec.Command(exe)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "TEST_CHARACTER=daemon", "TEST_CGROUP=" + o.CgroupName, "TEST_EXE=" + exe,
		"TEST_RUNDIR=" + filepath.Join(dir, "run"), "TEST_RECORDS=" + records, "TEST_COMMAND=" + command}, env...)
	if o.NoCgroup {
		cmd.Env = append(cmd.Env, "TEST_NOCGROUP=1")
	}
	if out, err := cmd.CombinedOutput(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the daemon did not die as told: %v: %s", err, out)
	}
	read, errs := ReadRecords(records)
	if len(read) != 1 || len(errs) != 0 {
		t.Fatalf("%v %v", read, errs)
	}
	return newEngine(t, o), read[0]
}

func eachOrphaned(t *testing.T, command string, test func(t *testing.T, e *Engine, r Record)) {
	for name, o := range map[string]Options{"cgroup": {}, "family": {NoCgroup: true}} {
		t.Run(name, func(t *testing.T) {
			e, r := orphaned(t, o, command)
			if r.Cgroup == "" && !o.NoCgroup {
				t.Log("no writable cgroup2 tree here: the same as without")
			}
			test(t, e, r)
		})
	}
}

func TestAdopt_AProcessOutlivesItsDaemonAndIsHeardAgain(t *testing.T) {
	t.Parallel()
	eachOrphaned(t, `trap "echo asked; exit 3" TERM; until [ -e "$TEST_RUNDIR/go" ]; do sleep 0.01; done; echo first words; while :; do sleep 0.01; done`, func(t *testing.T, e *Engine, r Record) {
		speak(t, r)
		n := &tenant{t: t, exited: make(chan Status, 2)}
		p, err := e.Adopt(r, n.events())
		if err != nil {
			t.Fatal(err)
		}
		n.Process = p
		t.Cleanup(n.finish)
		n.says("first words")
		if err := n.Terminate(); err != nil {
			t.Fatal(err)
		}
		if got := n.wait(); !got.Unknown || got.Clean() || !strings.Contains(n.output(Stdout), "asked") {
			t.Errorf("%v %q", got, n.output(Stdout))
		}
		if err := n.Release(); err != nil {
			t.Error(err)
		}
		if _, err := e.Adopt(r, Events{}); !errors.Is(err, ErrGone) {
			t.Errorf("adopted the dead: %v", err)
		}
	})
}

// speak has the tenant write while no daemon reads.
func speak(t *testing.T, r Record) {
	t.Helper()
	fifo, err := os.OpenFile(r.Stdout, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	begin := filepath.Join(r.RunDir, "go")
	if err := os.WriteFile(begin, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(begin) })
	eventually(t, "the words in the pipe", func() bool {
		n, err := unix.IoctlGetInt(int(fifo.Fd()), unix.TIOCINQ)
		return err == nil && n > 0
	})
}

func TestEnd_TheWholeTreeGoesEvenWhenTheMainProcessHasGone(t *testing.T) {
	t.Parallel()
	for _, then := range []string{"exit", "hang"} {
		for name, o := range map[string]Options{"cgroup": {}, "family": {NoCgroup: true}} {
			t.Run(then+" "+name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "pid")
				e, r := orphaned(t, o, `TEST_CHARACTER=forksAway exec "$TEST_EXE"`, "TEST_THEN="+then, "TEST_PIDFILE="+file)
				away := filed(t, file)
				if then == "exit" {
					eventually(t, "the main process's end", func() bool { return !alive(r.Pid) })
				}
				if err := e.End(r); err != nil {
					t.Fatal(err)
				}
				if alive(away) || alive(r.Pid) {
					t.Error("somebody survived")
				}
				if files, _ := os.ReadDir(r.RunDir); len(files) > 0 {
					t.Errorf("left %v", files)
				}
				if err := e.End(r); err != nil {
					t.Errorf("the second time: %v", err)
				}
			})
		}
	}
}

func TestEnd_AForeignProcessIsNeverSignalled(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	bystander := exec.Command("sleep", "1000")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	s, err := readStat(bystander.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	good := sampleRecord(t, e.boot)
	good.Pid, good.Start = s.pid, s.start
	for name, change := range map[string]func(*Record){
		"another start time":  func(r *Record) { r.Start++ },
		"another boot":        func(r *Record) { r.Boot = "00000000-0000-0000-0000-000000000000" },
		"no marker":           func(r *Record) { r.Marker = "" },
		"everybody's marker":  func(r *Record) { r.Marker = "PATH=/usr/bin:/bin" },
		"pid 1":               func(r *Record) { r.Pid = 1 },
		"pid 0":               func(r *Record) { r.Pid = 0 },
		"a negative pid":      func(r *Record) { r.Pid = -s.pid },
		"our own cgroup":      func(r *Record) { r.Start++; r.Cgroup = "/sys/fs/cgroup/unified" + unifiedCgroup(own) },
		"a crooked cgroup":    func(r *Record) { r.Cgroup = "/sys/fs/cgroup/tenement-x/../notes:alice.1" },
		"a directory instead": func(r *Record) { r.Start++; r.Cgroup = filepath.Join(t.TempDir(), "tenement-x", leafName(r.Name, 1)) },
		"a run dir of others": func(r *Record) { r.RunDir = "/" },
		"nothing at all":      func(r *Record) { *r = Record{} },
	} {
		r := good
		change(&r)
		_, adoptErr := e.Adopt(r, Events{})
		if adoptErr == nil {
			t.Errorf("%s: adopted", name)
		}
		_ = e.End(r) // may or may not complain; it must not signal
	}
	if err := bystander.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := bystander.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("the bystander was hit: %v", err)
	}
}

func TestEnd_ARecordOfAnotherBootIsOnlyCleanedUp(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	r := sampleRecord(t, "another boot")
	if err := os.Mkdir(r.RunDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(r.Stdout, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.End(r); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(r.RunDir); len(files) > 0 {
		t.Errorf("left %v", files)
	}
}

func TestAdopt_LostPipesDoNotEndIt(t *testing.T) {
	t.Parallel()
	e, r := orphaned(t, Options{}, "exec sleep 1000")
	if err := errors.Join(os.Remove(r.Stdout), os.Remove(r.Stderr)); err != nil {
		t.Fatal(err)
	}
	n := &tenant{t: t, exited: make(chan Status, 2)}
	p, err := e.Adopt(r, n.events())
	if err != nil {
		t.Fatal(err)
	}
	n.Process = p
	n.finish()
	n.wait()
}

func TestAdopt_AClosedEngineLeavesTheProcessAlone(t *testing.T) {
	t.Parallel()
	e, r := orphaned(t, Options{}, "exec sleep 1000")
	closed, err := NewEngine(Options{NoCgroup: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := closed.Adopt(r, Events{}); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if !alive(r.Pid) {
		t.Error("it was ended")
	}
	if err := e.End(r); err != nil {
		t.Error(err)
	}
}

func TestSweep_EndsOnlyWhatNobodyHolds(t *testing.T) {
	t.Parallel()
	e, r := orphaned(t, Options{}, "exec sleep 1000")
	if r.Cgroup == "" {
		if err := e.End(r); err != nil {
			t.Fatal(err)
		}
		t.Skip("no writable cgroup2 tree here: run as root or under a delegated cgroup")
	}
	s := character(t, "hangs")
	s.Name = "notes:bob"
	n := start(t, e, s)
	if ended, err := e.Sweep(); err != nil || ended != 1 {
		t.Errorf("%d %v", ended, err)
	}
	if alive(r.Pid) || !alive(n.Pid()) {
		t.Error("the wrong one was ended")
	}
	if ended, err := e.Sweep(); err != nil || ended != 0 {
		t.Errorf("again: %d %v", ended, err)
	}
}
