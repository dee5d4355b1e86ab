package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The daemon is a process of its own here: its score and limits are its own.
func TestOOM_TenantsDieBeforeTheDaemonAndLeaveNoCore(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "TEST_CHARACTER=daemon", "TEST_CGROUP="+cgroupName(), "TEST_RUNDIR="+filepath.Join(shortDir(t), "run"),
		`TEST_COMMAND=n=0; until [ "$(cat /proc/$$/oom_score_adj)" = 500 ] || [ $n = 2000 ]; do n=$((n+1)); done
		cat /proc/self/oom_score_adj; ulimit -Hc; cat /proc/$PPID/oom_score_adj`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	daemon := "0"
	status, _ := os.ReadFile("/proc/self/status")
	if _, caps, _ := strings.Cut(string(status), "\nCapEff:\t"); len(caps) >= 16 {
		if mask, err := strconv.ParseUint(caps[:16], 16, 64); err == nil && mask&(1<<unix.CAP_SYS_RESOURCE) != 0 {
			daemon = "-500"
		}
	}
	if got := strings.Fields(string(out)); len(got) != 3 || got[0] != "500" || got[1] != "0" || got[2] != daemon {
		t.Errorf("got %q, want a tenant's score of 500, no core, the daemon's %s", got, daemon)
	}
}

func TestOOM_AScoreOfNobodyIsNoError(t *testing.T) {
	t.Parallel()
	if err := raiseOOMScore(1 << 30); err != nil {
		t.Error(err)
	}
}
