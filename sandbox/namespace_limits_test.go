package sandbox

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// enclosed is hog at LevelNamespace.
func enclosed(t *testing.T, e *Engine, name string, l Limits) (*tenant, *atomic.Value) {
	t.Helper()
	s := inNamespace(t, character(t, name))
	s.Limits = l
	return hogOf(t, e, s)
}

func TestNamespace_LimitsHoldAndAreNamed(t *testing.T) {
	t.Parallel()
	l := Limits{MemoryBytes: 48 << 20, Pids: 40}
	e := limited(t, l)
	n, _ := enclosed(t, e, "eatsMemory", l)
	if s := n.wait(); s.Signal != 9 || s.Hit != LimitMemory {
		t.Errorf("the memory hog: %v", s)
	}
	n, hit := enclosed(t, e, "forkBomb", l)
	n.says("refused after")
	eventually(t, "news of the limit", func() bool { return hit.Load() == LimitPids })
	if members, err := n.tree.members(); err != nil || len(members) > 40 {
		t.Errorf("%d processes, %v", len(members), err)
	}
}

func TestNamespace_OpenFilesScoreAndCgroupAreTheTenants(t *testing.T) {
	t.Parallel()
	l := Limits{OpenFiles: 99, Pids: 64}
	e := limited(t, l)
	n, _ := enclosed(t, e, "hangs", l)
	if score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", n.Pid())); string(score) != "500\n" {
		t.Errorf("its score is %q, %v", score, err)
	}
	n, _ = enclosed(t, e, "showsLimits", l)
	out := n.says("\nend\n") // "pending" is one of the limits
	for _, want := range []string{"limits: Max open files 99 99 files", "cgroup: 0::/\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}

func TestNamespace_SecretsAreTheTenantsOwn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := scripted(t, `stat -c "%u %a" $SECRETS_DIR $SECRETS_DIR/KEY; cat $SECRETS_DIR/KEY`)
	s.Secrets = map[string][]byte{"KEY": []byte("hunter2")}
	s.Env = append(s.Env, "SECRETS_DIR="+SecretsDir(s.RunDir))
	if got, want := outcome(t, e, s), fmt.Sprintf("%[1]d 700\n%[1]d 400\nhunter2", s.UID); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
