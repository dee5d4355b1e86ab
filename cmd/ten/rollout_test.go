package main

import (
	"strings"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

func TestRollout_IsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(1, "", "Error: there was no rollout of notes yet", "rollout", "notes", "--status")
	w.wants(0, "notes to v2: running, 3 of 3 tenant(s) moved\nnotes to v2: done, 3 of 3 tenant(s) moved\n", "", "rollout", "Notes", "--to", "v2")
	w.wants(0, "notes to v2: running, 0 of 3 tenant(s) moved, 1 process(es) to replace\n", "", "rollout", "notes", "--to", "v2", "--canary", "2.5%", "--batch", "4", "--timeout", "9", "--detach")
	w.wants(0, "notes to v2: running, 3 of 3 tenant(s) moved\n", "", "rollout", "notes", "--status")
	w.wants(0, "notes to v2: rolling back, 3 of 3 tenant(s) moved: aborted by hand\nnotes to v2: rolled back, 3 of 3 tenant(s) moved: aborted by hand\n", "", "rollout", "notes", "--abort")
	if got := w.host.all(); got != "rollout notes v2 0% 10 30s, rollout notes v2 2.5% 4 9s, abort notes" {
		t.Errorf("the host did %s", got)
	}
	if code, out, _ := w.ten("rollout", "notes", "--status", "--json"); code != 0 || !strings.Contains(out, `"state": "rolling back"`) {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := w.ten("rollout", "notes", "--to", "v2", "--json"); code != 0 || strings.Count(out, `{"process":"notes","number":1,"to":"v2","from":"base"`) != 2 {
		t.Errorf("%d %s", code, out)
	}
}

func TestRollout_OneThatGoesBackIsAFailure(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	code, out, errs := w.ten("rollout", "notes", "--to", "ill")
	if code != 1 || !strings.Contains(out, "rolled back, 0 of 3 tenant(s) moved: alice: exit status 3\\x1b") || !strings.Contains(errs, "notes stays at what it was: alice: exit status 3") || !strings.Contains(errs, "hooks of ill that ran are not undone") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	w.wants(1, "notes to cut: running, 3 of 3 tenant(s) moved\n", "the rollout goes on: `ten rollout notes --status`", "rollout", "notes", "--to", "cut")
}

func TestRollout_RefusalsSayWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(2, "", "one of --to, --status and --abort is needed", "rollout", "notes")
	w.wants(2, "", "one of --to, --status and --abort is needed", "rollout", "notes", "--to", "v2", "--abort")
	w.wants(2, "", "accepts 1 arg(s)", "rollout", "--to", "v2")
	w.wants(1, "", "not a valid name", "rollout", "a/b", "--to", "v2")
	w.wants(1, "", `canary "half": a share like 5% is expected`, "rollout", "notes", "--to", "v2", "--canary", "half")
	w.wants(1, "", `canary "101%"`, "rollout", "notes", "--to", "v2", "--canary", "101%")
	w.wants(1, "", `canary "NaN"`, "rollout", "notes", "--to", "v2", "--canary", "NaN")
	w.wants(1, "", "batch 0: at least 1", "rollout", "notes", "--to", "v2", "--batch", "0")
	w.wants(1, "", "timeout 0: 1 to 3600", "rollout", "notes", "--to", "v2", "--timeout", "0")
	w.wants(1, "", "notes has base, v2", "rollout", "notes", "--to", "v9")
	w.wants(1, "", "no rollout of shop", "rollout", "shop", "--abort")
	w.wants(1, "", "cannot reach tenement", "rollout", "notes", "--status", "--server", "http://127.0.0.1:1")
	w.wants(1, "", "cannot reach tenement", "rollout", "notes", "--to", "v2", "--server", "http://127.0.0.1:1")
}

func TestRelease_IsShownByPsAndWhyWhereThereIsOne(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	alice := conf.Instance{Service: "notes", ID: "alice"}
	w.host.mu.Lock()
	info := w.host.tenants[alice]
	info.Release = "v2"
	w.host.tenants = map[conf.Instance]actors.Info{alice: info, {Service: "notes", ID: "bob"}: w.host.tenants[conf.Instance{Service: "notes", ID: "bob"}]}
	w.host.mu.Unlock()
	code, out, _ := w.ten("ps", "--all")
	if code != 0 || !strings.Contains(out, "STATE    RELEASE\n") || !strings.Contains(out, "running  v2\n") || !strings.Contains(out, "asleep   base\n") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ = w.ten("why", "notes:alice"); code != 0 || !strings.Contains(out, "\n  Release: v2\n") {
		t.Errorf("%d %s", code, out)
	}
}
