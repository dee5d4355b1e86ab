package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProcess_RunsAsTheUserItIsGiven(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("another user needs root")
	}
	eachKind(t, func(t *testing.T, e *Engine) {
		s := character(t, "")
		base := shortDir(t)
		if err := os.Chmod(base, 0o711); err != nil {
			t.Fatal(err)
		}
		s.RunDir, s.DataDir = filepath.Join(base, "run"), filepath.Join(base, "data")
		if err := os.Mkdir(s.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		s.User = &User{UID: 4321, GID: 4322, Groups: []uint32{4323}}
		s.Env = append(s.Env, "DATA="+s.DataDir, "RUN="+s.RunDir)
		s.Argv = []string{"/bin/sh", "-c", `id -u; id -g; id -G; grep NoNewPrivs /proc/self/status; echo >$DATA/x && echo >$RUN/y && echo out >/dev/stdout; grep -c . /etc/shadow 2>/dev/null; ls -l $DATA | wc -l`}
		if got, want := outcome(t, e, s), "4321\n4322\n4322 4323\nNoNewPrivs:\t1\nout\n2\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		s.Generation, s.User = 2, nil // and back: what it wrote is the daemon's again
		s.Argv = []string{"/bin/sh", "-c", "stat -c %u $DATA $DATA/x $RUN"}
		if got := outcome(t, e, s); got != "0\n0\n0\n" {
			t.Errorf("%q", got)
		}
	})
}

func TestProcess_SetuidProgramsAreOrdinaryOnes(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := character(t, "")
	s.Argv = []string{"/bin/sh", "-c", "grep NoNewPrivs /proc/self/status"}
	if got := outcome(t, e, s); !strings.Contains(got, "1") {
		t.Error(got)
	}
}
