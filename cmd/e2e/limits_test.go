package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limitsIn are the directories of a daemon's tenants in the version 1 trees,
// where there are such trees. The daemon was started in this test's own cgroups.
func (d *daemon) limitsIn() []string {
	digest := sha256.Sum256([]byte(d.data))
	var found []string
	own, _ := os.ReadFile("/proc/self/cgroup")
	for _, line := range strings.Split(string(own), "\n") {
		_, rest, _ := strings.Cut(line, ":")
		name, path, _ := strings.Cut(rest, ":")
		if name != "" {
			dirs, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", name, path, "tenement-"+hex.EncodeToString(digest[:4])+"*"))
			found = append(found, dirs...)
		}
	}
	return found
}

// launchLimited is launch for tests of limits, which need cgroups of our own.
func launchLimited(t *testing.T, s setup) *daemon {
	t.Helper()
	requireRoot(t, "limits need cgroups that can be written")
	d := launch(t, s)
	t.Cleanup(func() { // before the daemon's own finish
		if d.running() {
			d.terminate()
		}
		if left := d.limitsIn(); len(left) > 0 {
			t.Errorf("cgroups are left: %v", left)
		}
	})
	return d
}

// atBothLevels runs a test with a tenant of the host's and with an enclosed one,
// who is given the app at a place that it can see.
func atBothLevels(t *testing.T, test func(t *testing.T, service func(more string) string)) {
	t.Parallel()
	t.Run("process", func(t *testing.T) {
		t.Parallel()
		test(t, func(more string) string { return character("web", "serves", more) })
	})
	t.Run("namespace", func(t *testing.T) {
		t.Parallel()
		test(t, func(more string) string {
			return "\n[service.web]\ncommand = \"/character serves\"\nmounts = [[\"CHARACTER\", \"/character\", true]]\napex = \"none\"\n" + more + "\n"
		})
	})
}

// stopClean stops a tenant and wants nothing of it left a second after the grace.
func (d *daemon) stopClean(name string) {
	d.t.Helper()
	began := time.Now()
	d.must("stop", name)
	if took := time.Since(began); took > 6*time.Second {
		d.t.Errorf("stop took %v, more than a second beyond the grace", took)
	}
	service, id, _ := strings.Cut(name, ":")
	if left := processesOf(filepath.Join(d.data, service, id)); len(left) > 0 {
		d.t.Errorf("%d processes of %s are left: %v", len(left), name, left)
	}
}

// F3: the bomb's forks are refused, nobody else's.
func TestLimits_AForkBombHitsOnlyItself(t *testing.T) { atBothLevels(t, aForkBombHitsOnlyItself) }

func aForkBombHitsOnlyItself(t *testing.T, web func(string) string) {
	d := launchLimited(t, setup{services: control + web("listen = \"unix\"\npids_limit = 40\ncpu_limit = 0.5")})
	d.want(200, "web", "one", "/")
	quiet := d.neighbour()
	body := d.want(200, "web", "one", "/bomb").body
	n, _ := strconv.Atoi(strings.Fields(body)[0])
	if n > 40 || !strings.Contains(body, "resource temporarily unavailable") {
		t.Errorf("the bomb: %s", body)
	}
	d.await("web:one", "named pids", 20*time.Second, func(i instance) bool { return i.Limit == "pids" })
	d.want(200, "web", "two", "/") // another of the same service
	for verb, want := range map[string]string{
		"why":    "a fork was refused (pids): pids_limit is 40",
		"health": "web:one: healthy (pids)",
		"logs":   "pids: a fork was refused",
	} {
		if out := d.must(verb, "web:one"); !strings.Contains(out, want) {
			t.Errorf("ten %s does not say %q: %s", verb, want, out)
		}
	}
	if out := d.must("events"); !strings.Contains(out, "pids: a fork was refused") {
		t.Errorf("ten events: %s", out)
	}
	if out := d.must("ps", "--all"); !strings.Contains(out, "(pids)") {
		t.Errorf("ten ps --all: %s", out)
	}
	d.stopClean("web:one")
	quiet()
}

// A real one forks from every process it has.
func TestLimits_AnExponentialForkBombIsContained(t *testing.T) {
	t.Parallel()
	d := launchLimited(t, setup{services: control + `
[service.bomb]
command = "sh -c 'b(){ b|b& };b; exec CHARACTER serves'"
isolation = "process"
apex = "none"
listen = "unix"
pids_limit = 60
cpu_limit = 0.3
startup_timeout = 3
restart = "never"
`})
	quiet := d.neighbour()
	if r := d.get("bomb", "one", "/"); r.status == 200 {
		t.Logf("it serves in spite of its bomb: %s", r.body)
	}
	d.await("bomb:one", "named pids", 20*time.Second, func(i instance) bool {
		return i.Limit == "pids" || strings.Contains(i.Reason, "pids_limit is 60")
	})
	d.stopClean("bomb:one")
	quiet()
}

// F4: the hog is killed, nobody else, and its end is named.
func TestLimits_AMemoryHogIsKilledAndNamed(t *testing.T) {
	atBothLevels(t, aMemoryHogIsKilledAndNamed)
}

func aMemoryHogIsKilledAndNamed(t *testing.T, web func(string) string) {
	d := launchLimited(t, setup{services: control + web("listen = \"unix\"\nmemory_limit_mb = 64\nrestart = \"never\"")})
	d.want(200, "web", "one", "/")
	d.want(200, "web", "two", "/")
	quiet := d.neighbour()
	if r, err := d.try("GET", d.host("web", "one"), "/eat", ""); err == nil && r.status != 502 {
		t.Errorf("the hog's visitor: %d %q", r.status, r.body)
	}
	i := d.awaitState("web:one", "asleep", 20*time.Second)
	if i.Limit != "oom" || !strings.Contains(i.Reason, "out of memory (oom): memory_limit_mb is 64") {
		t.Errorf("%+v", i)
	}
	for _, args := range [][]string{{"why", "web:one"}, {"ps", "--all"}, {"health", "web:one"}, {"logs", "web:one"}} {
		if out := d.must(args...); !strings.Contains(out, "oom") {
			t.Errorf("ten %v does not name it: %s", args, out)
		}
	}
	d.want(200, "web", "two", "/")
	d.want(200, "web", "one", "/") // and it may come again
	quiet()
	if n := d.starts("web", "two"); n != 1 {
		t.Errorf("the other tenant was started %d times", n)
	}
}

func TestLimits_OpenFilesAreTheTenantsOwn(t *testing.T) {
	atBothLevels(t, openFilesAreTheTenantsOwn)
}

func openFilesAreTheTenantsOwn(t *testing.T, web func(string) string) {
	d := launchLimited(t, setup{services: control + web("listen = \"fd\"\nopen_files = 64")})
	d.want(200, "web", "one", "/")
	quiet := d.neighbour()
	for range 50 { // it takes them all each time, and serves on
		body := d.want(200, "web", "one", "/open?for=20ms").body
		if n, _ := strconv.Atoi(strings.Fields(body)[0]); n < 20 || n >= 64 || !strings.Contains(body, "too many open files") {
			t.Fatalf("the hog: %s", body)
		}
	}
	d.want(200, "web", "one", "/")
	quiet()
}

// Above what it may have it never gets; below it gets what its neighbours leave.
func TestLimits_ABurnerHasItsShareOfTheCPU(t *testing.T) {
	t.Parallel()
	d := launchLimited(t, setup{services: control + character("web", "serves", "listen = \"fd\"\ncpu_limit = 0.5")})
	d.want(200, "web", "one", "/")
	quiet := d.neighbour()
	r := d.want(200, "web", "one", "/burn?for=2s")
	ms, err := strconv.Atoi(r.body)
	if share := float64(ms) / float64(r.took.Milliseconds()); err != nil || share > 0.5*1.25 {
		t.Errorf("%d ms of CPU in %v: %.2f cores, want at most 0.5", ms, r.took, share)
	}
	t.Logf("%d ms of CPU in %v", ms, r.took)
	quiet()
}

// A tenant's end by the daemon's own death leaves no limits behind either.
func TestLimits_AKilledDaemonsAreRemovedByTheNext(t *testing.T) {
	t.Parallel()
	d := launchLimited(t, setup{services: control + character("web", "serves", "listen = \"unix\"\nmemory_limit_mb = 64")})
	d.want(200, "web", "one", "/")
	d.noteCgroups()
	d.murder()
	d.start()
	d.want(200, "web", "one", "/")
	d.stopClean("web:one")
}
