package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFailing_CommandThatCannotRunIsRefusedAtOnceEveryTime(t *testing.T) {
	t.Parallel()
	d := prepare(t, setup{})
	os.WriteFile(d.dir+"/plain.txt", []byte("not a program"), 0o644)
	os.WriteFile(d.dir+"/interpreter", []byte("#!/no/such/interpreter\n"), 0o755)
	block := func(service, command, more string) string {
		return fmt.Sprintf("\n[service.%s]\ncommand = %q\nisolation = \"process\"\napex = \"none\"\nlisten = \"unix\"\n%s\n", service, command, more)
	}
	d.writeConfig(setup{services: control +
		block("missing", "no-such-program-here", "") +
		block("text", "DIR/plain.txt", "") +
		block("interpreter", "DIR/interpreter", "") +
		block("workdir", "CHARACTER serves", `workdir = "DIR/nowhere"`)})
	d.start()
	quiet := d.neighbour()
	defer quiet()
	for service, clue := range map[string]string{"missing": "no-such-program-here", "text": "plain.txt", "interpreter": "interpreter", "workdir": "nowhere"} {
		name := service + ":one"
		for n := range 100 {
			if r := d.want(503, service, "one", "/"); n%33 == 0 {
				if r.took > 5*time.Second {
					t.Errorf("%s: request %d took %v, want 1 s", name, n+1, r.took)
				}
				if strings.Contains(r.body, clue) || !strings.Contains(r.body, "Service temporarily unavailable") {
					t.Errorf("%s: a visitor reads %q", name, r.body)
				}
				if r.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After", name)
				}
			}
		}
		d.awaitState(name, "failed", 5*time.Second)
		for _, args := range [][]string{{"why", name}, {"ps", "--all", "--json"}, {"logs", name}} {
			if out := d.must(args...); !strings.Contains(out, clue) {
				t.Errorf("ten %q does not say why: %q", args, out)
			}
		}
	}
}

func TestFailing_NeverReadyIsA504AtStartupTimeout(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: control + character("web", "never-ready", "listen = \"unix\"\nstartup_timeout = 2")})
	base := d.restingFds()
	quiet := d.neighbour()
	type answer struct {
		reply
		err error
	}
	answers := make(chan answer, 20)
	for range cap(answers) {
		go func() { // ends with its answer, which is waited for
			r, err := d.try("GET", d.host("web", "one"), "/", "")
			answers <- answer{r, err}
		}()
	}
	for range cap(answers) {
		a := <-answers
		if a.err != nil || a.status != 504 || !strings.Contains(a.body, "Gateway timeout") {
			t.Fatalf("%v %d %q, want 504", a.err, a.status, a.body)
		}
		// 2 s ± 5 %; the machine is shared, so the upper bound is wider.
		if a.took < 1900*time.Millisecond || a.took > 2500*time.Millisecond {
			t.Errorf("answered after %v, want 2 s", a.took)
		}
	}
	d.await("web:one", "without a process", 5*time.Second, func(i instance) bool { return i.State != "starting" && i.Pid == 0 })
	quiet()
	d.checkFds(base)
}

func TestFailing_SlowStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "slow-start 3s", `listen = "unix"`)})
	r := d.want(200, "web", "one", "/")
	if r.took < 3*time.Second || r.took > 8*time.Second {
		t.Errorf("answered after %v, want 3 s", r.took)
	}
}

func TestFailing_DiesBeforeItIsReady(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{settings: "backoff_base_ms = 10\nmax_restarts = 2", services: character("web", "dies-early", `listen = "unix"`)})
	if r := d.get("web", "one", "/"); r.status != 503 || r.took > 9*time.Second {
		t.Errorf("%d after %v, want 503 before startup_timeout", r.status, r.took)
	}
	d.awaitState("web:one", "failed", 10*time.Second)
	if out := d.must("logs", "web:one"); !strings.Contains(out, "no database") {
		t.Errorf("the app's last words are not in its logs: %q", out)
	}
	if out := d.must("why", "web:one"); !strings.Contains(out, "exit status 7") {
		t.Errorf("why does not say how it ended: %q", out)
	}
}

// With base 200 ms the delays are 0, 200, 400, jittered to their upper half;
// the fourth failure opens the circuit, and one try a cooldown is all there is.
func TestFailing_CrashLoopFollowsThePolicyAndThenStops(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{
		settings: "backoff_base_ms = 200\nbackoff_max_ms = 2000\nmax_restarts = 3\ncircuit_cooldown = 3",
		services: control + character("web", "crash-loop 30ms", `listen = "unix"`),
	})
	d.must("register", "web:one")
	quiet := d.neighbour()
	d.get("web", "one", "/") // the restarts then come by themselves
	began := time.Now()
	d.awaitState("web:one", "failed", 20*time.Second)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("given up after %v: the delays were not kept", took)
	}
	if n := d.starts("web", "one"); n != 4 {
		t.Errorf("%d starts, want the first and max_restarts = 3", n)
	}
	for range 20 {
		r := d.want(503, "web", "one", "/")
		if r.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	if n := d.starts("web", "one"); n != 4 {
		t.Errorf("%d starts while the circuit is open, want 4", n)
	}
	eventually(t, "the one try after circuit_cooldown", 10*time.Second, func() bool {
		d.get("web", "one", "/")
		return d.starts("web", "one") > 4
	})
	d.awaitState("web:one", "failed", 10*time.Second)
	for range 10 {
		d.get("web", "one", "/")
	}
	if n := d.starts("web", "one"); n != 5 {
		t.Errorf("%d starts, want one try more", n)
	}
	quiet()
}

func TestFailing_RestartPolicyIsHonoured(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("never", "crash-loop 500ms", "listen = \"unix\"\nrestart = \"never\"")})
	d.want(200, "never", "one", "/")
	d.awaitState("never:one", "asleep", 10*time.Second)
	if n := d.starts("never", "one"); n != 1 {
		t.Errorf("%d starts with restart = never", n)
	}
	d.want(200, "never", "one", "/")
}

func TestFailing_AcceptsAndNeverAnswers(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{
		settings: "health_check_interval = 1",
		services: control + character("web", "hangs", "listen = \"unix\"\nhealth = \"/health\"\nrequest_timeout = 2"),
	})
	quiet := d.neighbour()
	r := d.want(504, "web", "one", "/")
	if r.took < 1900*time.Millisecond || r.took > 6*time.Second {
		t.Errorf("504 after %v, want request_timeout = 2 s", r.took)
	}
	// Three checks of up to 5 s each, a second apart.
	eventually(t, "it is restarted as unhealthy", 60*time.Second, func() bool { return d.starts("web", "one") > 1 })
	quiet()
}

func TestFailing_DiesInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: control + character("web", "serves", `listen = "fd"`)})
	d.want(200, "web", "one", "/")
	quiet := d.neighbour()
	pid := d.instances()["web:one"].Pid
	if r := d.want(502, "web", "one", "/die"); r.took > time.Second || !strings.Contains(r.body, "Bad gateway") {
		t.Errorf("%q after %v, want 502 in 100 ms", r.body, r.took)
	}
	d.awaitNoticed("web:one", pid)
	d.want(200, "web", "one", "/")
	pid = d.instances()["web:one"].Pid
	if r, err := d.try("GET", d.host("web", "one"), "/half", ""); err == nil {
		t.Errorf("a body cut short looked whole: %d %q", r.status, r.body)
	}
	d.awaitNoticed("web:one", pid)
	d.want(200, "web", "one", "/")
	if n := d.starts("web", "one"); n != 3 {
		t.Errorf("%d starts, want 3", n)
	}
	quiet()
}

// What no careless parser may believe. 1GB says 200 and is healthy: its body is
// not read.
func TestFailing_LyingHealthChecksAreReadExactly(t *testing.T) {
	t.Parallel()
	bait, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bait.Close()
	followed := make(chan struct{}, 1)
	go func() { // ends when bait is closed
		for {
			c, err := bait.Accept()
			if err != nil {
				return
			}
			c.Close()
			select {
			case followed <- struct{}{}:
			default:
			}
		}
	}()
	lies := []string{"500", "2000", "trickle", "redirect"}
	services := control + character("honest", "lies 1GB", "listen = \"unix\"\nhealth = \"/health\"")
	for _, lie := range lies {
		services += character("l-"+lie, "lies "+lie+" http://"+bait.Addr().String()+"/", "listen = \"unix\"\nhealth = \"/health\"\nrestart = \"always\"")
	}
	d := launch(t, setup{settings: "health_check_interval = 1\nbackoff_base_ms = 0\nmax_restarts = 100", services: services})
	quiet := d.neighbour()
	for _, lie := range append(lies, "honest") {
		service := "l-" + lie
		if lie == "honest" {
			service = lie
		}
		d.want(200, service, "one", "/")
	}
	base := d.rss()
	for _, lie := range lies {
		eventually(t, lie+" is unhealthy and restarted", 60*time.Second, func() bool { return d.starts("l-"+lie, "one") > 1 })
	}
	if i := d.instances()["honest:one"]; i.Health != "healthy" || d.starts("honest", "one") != 1 {
		t.Errorf("the one with a long body: %+v, want healthy and never restarted", i)
	}
	select {
	case <-followed:
		t.Error("a health check followed a redirect")
	default:
	}
	d.checkMemory(base, 10)
	quiet()
}

func TestFailing_AppThatIgnoresSigtermIsGoneAfterTheGrace(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: control + character("web", "ignores-term", `listen = "fd"`)})
	d.want(200, "web", "one", "/")
	pid := d.instances()["web:one"].Pid
	quiet := d.neighbour()
	began := time.Now()
	d.must("stop", "web:one")
	if took := time.Since(began); took < 4*time.Second || took > 10*time.Second {
		t.Errorf("stop took %v, want the grace of 5 s", took)
	}
	if alive(pid) {
		t.Errorf("process %d survived stop", pid)
	}
	quiet()
}

func TestFailing_ForkedAwayChildrenEndWithTheirTenant(t *testing.T) {
	t.Parallel()
	for _, child := range []string{"honours", "ignores"} {
		t.Run(child, func(t *testing.T) {
			t.Parallel()
			d := launch(t, setup{services: character("web", "forks-away "+child, `listen = "fd"`)})
			d.want(200, "web", "one", "/")
			var pid int
			eventually(t, "the grandchild runs", 10*time.Second, func() bool {
				pid, _ = strconv.Atoi(d.tenantFile("web", "one", "lingers"))
				return pid > 0
			})
			d.noteCgroups()
			began := time.Now()
			d.must("stop", "web:one")
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("stop took %v", took)
			}
			if alive(pid) {
				t.Errorf("the grandchild %d survived", pid)
			}
			if child == "honours" && d.tenantFile("web", "one", "lingers.term") == "" {
				t.Error("the grandchild was never asked to end")
			}
		})
	}
}

func TestFailing_ZombiesAreReaped(t *testing.T) {
	t.Parallel()
	if max, _ := os.ReadFile("/proc/sys/kernel/pid_max"); len(strings.TrimSpace(string(max))) < 5 {
		t.Skipf("pid_max is %s: no room for 10 000 zombies", max)
	}
	d := launch(t, setup{services: control + character("web", "zombies 5000", "listen = \"fd\"\nstartup_timeout = 60\nrequest_timeout = 60\npids_limit = 6000")})
	quiet := d.neighbour()
	d.want(200, "web", "one", "/")
	pid := d.instances()["web:one"].Pid
	if n := zombiesOf(pid); n != 5000 {
		t.Fatalf("the tenant has %d zombies of its own, want 5000", n)
	}
	d.must("stop", "web:one")
	eventually(t, "no zombie of the tenant's is left", 10*time.Second, func() bool { return zombiesOf(pid) == 0 && zombiesOf(d.cmd.Process.Pid) == 0 })
	quiet()
}

func TestFailing_ClientThatLeavesDoesNotKeepATenantAwake(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "listen = \"fd\"\nidle_timeout = 1\nrequest_timeout = 60")})
	d.want(200, "web", "one", "/")
	ctx, leave := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer leave()
	if _, err := d.tryContext(ctx, http.MethodGet, d.host("web", "one"), "/slow?for=40s", ""); err == nil {
		t.Fatal("answered before the client left")
	}
	// idle 1 s, drain and grace 5 s each at most
	d.awaitState("web:one", "asleep", 15*time.Second)
}

func TestFailing_StoragePersistFalseScrubsBeforeStopReturns(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "listen = \"fd\"\nstorage_persist = false")})
	d.want(200, "web", "one", "/")
	d.must("stop", "web:one")
	if _, err := os.Stat(filepath.Join(d.data, "web", "one")); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}
