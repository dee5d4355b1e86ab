package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// released is a service with a release that serves and one that does not.
const released = `
[service.web]
command = "CHARACTER serves"
isolation = "process"
apex = "none"
listen = "unix"
idle_timeout = 600
startup_timeout = 60
[service.web.release.v2]
env = { VERSION = "2" }
[service.web.release.broken]
command = "CHARACTER dies-early"
`

// crew registers tenants and wakes the first of them.
func (d *daemon) crew(total, awake int) []string {
	d.t.Helper()
	ids := make([]string, total)
	args := []string{"register"}
	for i := range ids {
		ids[i] = fmt.Sprintf("t%03d", i)
		args = append(args, "web:"+ids[i])
	}
	d.must(args...)
	for _, id := range ids[:awake] {
		d.want(200, "web", id, "/")
	}
	return ids
}

// traffic visits tenants, one request after the other each, until stop (three each at least), which
// reports how many were made and the failures.
func (d *daemon) traffic(ids []string) (stop func() (made int64, failures []string)) {
	var made atomic.Int64
	var mu sync.Mutex
	var failures []string
	over := make(chan struct{})
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			for {
				r, err := d.try("GET", d.host("web", id), "/", "")
				made.Add(1)
				if err != nil || r.status != 200 || !strings.HasPrefix(r.body, id+" ") {
					mu.Lock()
					failures = append(failures, fmt.Sprintf("%s: %d %q %v", id, r.status, r.body, err))
					mu.Unlock()
				}
				select {
				case <-over:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	return func() (int64, []string) {
		for end := time.Now().Add(time.Minute); made.Load() < 3*int64(len(ids)) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // a quick machine has moved them by now
		}
		close(over)
		all.Wait()
		return made.Load(), failures
	}
}

// rolloutState is what `ten rollout --status` says.
func (d *daemon) rolloutState() (state string, moved, left int) {
	d.t.Helper()
	out, errs, code := d.ten("rollout", "web", "--status", "--json")
	var r struct {
		State       string
		Moved, Left int
	}
	if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil {
		d.t.Fatalf("status: %d %q %q %v", code, out, errs, err)
	}
	return r.State, r.Moved, r.Left
}

// Two hundred tenants, fifty of them in use: not one request fails.
func TestRollout_OfTwoHundredTenantsFailsNoRequest(t *testing.T) {
	d := launch(t, setup{services: released})
	ids := d.crew(200, 50)
	stop := d.traffic(ids[:50])
	out := d.must("rollout", "web", "--to", "v2", "--timeout", "120")
	if !strings.Contains(out, "web to v2: done, 200 of 200 tenant(s) moved") {
		t.Errorf("the verb said %q", out)
	}
	made, failures := stop()
	if len(failures) > 0 || made < 100 {
		t.Errorf("%d of %d requests failed: %q", len(failures), made, failures[:min(3, len(failures))])
	}
	t.Logf("%d requests, %d failed", made, len(failures))
	for _, i := range []int{0, 49, 150} { // the last one has slept
		if body := d.want(200, "web", ids[i], "/environ").body; !strings.Contains(body, "VERSION=2") || !strings.Contains(body, "TENEMENT_RELEASE=v2") {
			t.Errorf("%s is not at v2: %q", ids[i], body)
		}
	}
	for _, id := range ids[:50] {
		if n := d.starts("web", id); n != 2 {
			t.Errorf("%s had %d processes, want one of each release", id, n)
		}
	}
	if out := d.must("ps"); !strings.Contains(out, "RELEASE") {
		t.Errorf("ps says %q", out)
	}
	if why := d.why("web:t000"); !strings.Contains(why, `"release":"v2"`) {
		t.Errorf("why says %q", why)
	}
}

func TestRollout_OfABrokenReleaseStopsAfterTheFirstBatchAndFailsNoRequest(t *testing.T) {
	d := launch(t, setup{services: released})
	ids := d.crew(60, 20)
	stop := d.traffic(ids[:20])
	out, errs, code := d.ten("rollout", "web", "--to", "broken", "--batch", "5", "--timeout", "120")
	if code != 1 || !strings.Contains(out, "web to broken: rolled back, 0 of 60 tenant(s) moved") || !strings.Contains(errs, "exit status 7") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	made, failures := stop()
	if len(failures) > 0 || made < 50 {
		t.Errorf("%d of %d requests failed: %q", len(failures), made, failures[:min(3, len(failures))])
	}
	for _, id := range ids[5:20] {
		if n := d.starts("web", id); n != 1 {
			t.Errorf("%s of a later batch had %d processes", id, n)
		}
	}
	for _, id := range ids[:5] {
		d.want(200, "web", id, "/")
	}
}

// A daemon that is killed in the middle leaves the rollout to the next one, and
// no tenant with two processes.
func TestRollout_GoesOnAfterTheDaemonWasKilled(t *testing.T) {
	d := launch(t, setup{services: released})
	ids := d.crew(40, 20)
	d.must("rollout", "web", "--to", "v2", "--batch", "2", "--timeout", "120", "--detach")
	eventually(t, "it is in the middle", 60*time.Second, func() bool {
		_, moved, _ := d.rolloutState()
		return moved >= 24 // the sleepers and a batch of those awake
	})
	if state, _, left := d.rolloutState(); state != "running" || left == 0 {
		t.Fatalf("killed too late: %s, %d left", state, left)
	}
	d.murder()
	d.start()
	eventually(t, "the next daemon ends it", 120*time.Second, func() bool {
		state, moved, left := d.rolloutState()
		return state == "done" && moved == 40 && left == 0
	})
	for _, id := range ids[:20] {
		if body := d.want(200, "web", id, "/environ").body; !strings.Contains(body, "TENEMENT_RELEASE=v2") {
			t.Errorf("%s is not at v2", id)
		}
	}
	// checkNothingLeft, at the end, finds a second process of anybody's.
}

func TestHooks_RunAroundTheProcessAndWriteIntoItsLogAtEveryLevel(t *testing.T) {
	for _, level := range levels {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			needsLevel(t, level)
			meetHooks(t, level)
		})
	}
}

func meetHooks(t *testing.T, level string) {
	app := "command = \"CHARACTER serves\"\n"
	if level != "process" {
		app = "command = \"/app/character serves\"\nmounts = [[\"APPS\", \"/app\", true]]\n"
	}
	d := launch(t, setup{services: strings.NewReplacer("LEVEL", level, "APP\n", app).Replace(`
[service.web]
APP
isolation = "LEVEL"
apex = "none"
listen = "unix"
idle_timeout = 600
before_start = "sh -c 'echo migrating $TENEMENT_ID; echo m >>{instance_dir}/hooks'"
after_stop = "sh -c 'echo saving {id}; echo s >>{instance_dir}/hooks'"
[service.ill]
APP
isolation = "LEVEL"
idle_timeout = 600
before_start = "sh -c 'echo no schema >&2; exit 4'"
restart = "never"
`)})
	d.must("register", "web:one", "ill:one")
	d.want(200, "web", "one", "/")
	d.must("stop", "web:one")
	text, err := os.ReadFile(filepath.Join(d.data, "web", "one", "hooks"))
	if err != nil || string(text) != "m\ns\n" {
		t.Errorf("the hooks wrote %q, %v", text, err)
	}
	if log := d.must("logs", "web:one"); !strings.Contains(log, "migrating one") || !strings.Contains(log, "saving one") {
		t.Errorf("the log says %q", log)
	}
	d.want(503, "ill", "one", "/")
	if why := d.why("ill:one"); !strings.Contains(why, "before_start failed: exit status 4") {
		t.Errorf("why says %q", why)
	}
	if log := d.must("logs", "ill:one"); !strings.Contains(log, "no schema") {
		t.Errorf("the log says %q", log)
	}
}
