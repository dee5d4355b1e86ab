package sandbox

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRlimit_TheBytesAreTheSources(t *testing.T) {
	t.Parallel()
	for arch, machine := range rlimitMachines {
		t.Run(arch, func(t *testing.T) {
			if want := assembled(t, arch, "rlimit/rlimit_"+arch+".S"); !bytes.Equal(want, machine.code) {
				t.Errorf("rlimit.go does not hold what rlimit_%s.S says:\n% x", arch, want)
			}
		})
	}
}

func TestRlimit_BoundsWhatItExecutesAndShutsItsFiles(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			emulator := emulatorFor(t, arch)
			image, err := rlimitFor(arch, 77, 3, 4)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "rlimit")
			if err := writeProgram(file, image); err != nil {
				t.Fatal(err)
			}
			argv := []string{"/bin/sh", "sh", "-c", "ulimit -Sn; ulimit -Hn; ls /proc/$$/fd; echo $OTHER; exit 4"}
			cmd := &exec.Cmd{Path: file, Args: argv}
			if emulator != "" {
				cmd = exec.Command(emulator, append([]string{"-0", argv[0], file}, argv[1:]...)...)
			}
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			cmd.Env, cmd.ExtraFiles = []string{"OTHER=kept", "PATH=/bin:/usr/bin"}, []*os.File{null, null}
			out, err := cmd.Output()
			if got := strings.Fields(string(out)); cmd.ProcessState.ExitCode() != 4 || len(got) < 4 || got[0] != "77" || got[1] != "77" || got[len(got)-1] != "kept" {
				t.Fatalf("%v: %s", err, out)
			}
			if strings.Contains(string(out), "\n3\n") || strings.Contains(string(out), "\n4\n") {
				t.Errorf("the app got files that are not its own: %s", out)
			}
		})
	}
}

func TestRlimit_HoldsForEveryWayToStart(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		for _, listen := range []Listen{ListenUnix, ListenFD} {
			s := withSocket(character(t, "showsLimits"))
			s.Name, s.Listen, s.Limits.OpenFiles = "notes:"+string(listen), listen, 123
			n := start(t, e, s)
			if out := n.says("\nend\n"); !strings.Contains(out, "limits: Max open files 123 123 files") {
				t.Errorf("%s: %s", listen, out)
			}
		}
	})
}

func TestRlimit_WhatCannotRunIsStillToldInItsOwnWords(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for path, want := range map[string]string{"/no/such/app": "no such file or directory", "/etc/passwd": "it is not executable"} {
		s := character(t, "hangs")
		s.Argv, s.Limits.OpenFiles = []string{path}, 100
		if _, err := e.Start(s, Events{}); !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRlimit_MoreThanTheDaemonsOwnIsRefused(t *testing.T) {
	t.Parallel()
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil || own.Max > 1<<40 {
		t.Skipf("no limit to be above: %v", err)
	}
	err := newEngine(t, Options{}).Enforces(Limits{OpenFiles: int(own.Max) + 1})
	if err == nil || !strings.Contains(err.Error(), "raise its own limit (LimitNOFILE in its systemd unit, or ulimit -Hn)") {
		t.Error(err)
	}
	if _, err := rlimitFor("riscv64", 1, 2, 3); err == nil || err.Error() != "a limit of open files is not built for riscv64" {
		t.Error(err)
	}
}
