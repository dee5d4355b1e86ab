package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// character gives a [service.NAME] block played by the character.
func character(service, play, more string) string {
	return fmt.Sprintf("\n[service.%s]\ncommand = \"CHARACTER %s\"\nisolation = \"process\"\napex = \"none\"\n%s\n", service, play, more)
}

func TestCrowd_FiveHundredFirstRequestsMeetOneProcess(t *testing.T) {
	d := launch(t, setup{services: control + character("web", "slow-start 300ms", `listen = "unix"`)})
	d.must("register", "web:one")
	base := d.restingFds()
	quiet := d.neighbour()
	bodies := sync.Map{}
	var bad atomic.Int64
	var crowd sync.WaitGroup
	for range 500 {
		crowd.Go(func() {
			r, err := d.try("GET", d.host("web", "one"), "/", "")
			if err != nil || r.status != 200 {
				bad.Add(1)
				t.Logf("%v %d %s", err, r.status, r.body)
			}
			bodies.Store(r.body, true)
		})
	}
	crowd.Wait()
	quiet()
	if n := bad.Load(); n > 0 {
		t.Errorf("%d of 500 were not answered 200", n)
	}
	if n := d.starts("web", "one"); n != 1 {
		t.Errorf("%d processes were started, want 1", n)
	}
	d.checkFds(base)
}

func TestCrowd_AThousandClientsThatHangUpLeaveNothing(t *testing.T) {
	d := launch(t, setup{services: control + character("web", "slow-start 2s", `listen = "unix"`)})
	d.must("register", "web:one")
	base := d.restingFds()
	quiet := d.neighbour()
	ctx, hangUp := context.WithTimeout(context.Background(), time.Second)
	defer hangUp()
	var crowd sync.WaitGroup
	for range 1000 {
		crowd.Go(func() {
			if r, err := d.tryContext(ctx, "GET", d.host("web", "one"), "/", ""); err == nil && r.status == 200 {
				t.Errorf("answered before it was ready: %q", r.body)
			}
		})
	}
	crowd.Wait()
	d.want(200, "web", "one", "/")
	quiet()
	if n := d.starts("web", "one"); n != 1 {
		t.Errorf("%d processes were started, want 1", n)
	}
	d.checkFds(base)
}

func TestCrowd_TenThousandUnknownNamesCostNothing(t *testing.T) {
	d := launch(t, setup{domain: "apps.example.com", services: control + character("web", "serves", `listen = "fd"`)})
	d.must("register", "control:one")
	quiet := d.neighbour()
	visit := func(n int, kind string) {
		var crowd sync.WaitGroup
		next := atomic.Int64{}
		for range 20 {
			crowd.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					r, err := d.try("GET", d.host("web", fmt.Sprintf("%s%d", kind, i)), "/", "")
					if err != nil || r.status != 404 {
						t.Errorf("%v %d %s, want 404", err, r.status, r.body)
						return
					}
				}
			})
		}
		crowd.Wait()
	}
	visit(500, "warmup") // the pools of the server are not what is measured
	base := d.rss()
	visit(10_000, "guess")
	quiet()
	d.checkMemory(base, 10)
	if entries, _ := os.ReadDir(filepath.Join(d.data, "web")); len(entries) > 0 {
		t.Errorf("directories were made: %v", entries)
	}
	if all := d.instances(); len(all) != 1 {
		t.Errorf("%d tenants are known, want only the neighbour", len(all))
	}
	if r, err := d.api("GET", "/metrics", ""); err == nil && r.status == 200 && strings.Contains(r.body, "guess") {
		t.Error("a guessed name has a metric series")
	}
}

func TestCrowd_ACrashIsNoticedAtOnce(t *testing.T) {
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	d.must("spawn", "web:one")
	var noticed []time.Duration
	for range 3 {
		pid := d.awaitState("web:one", "running", 10*time.Second).Pid
		began := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		d.awaitNoticed("web:one", pid)
		noticed = append(noticed, time.Since(began))
	}
	slices.Sort(noticed)
	t.Logf("noticed after %v (looked every 10 ms)", noticed)
	if noticed[1] > 250*time.Millisecond {
		t.Errorf("a crash was noticed after %v, want 50 ms and at most 250", noticed[1])
	}
}

// Fifty tenants that hang and one that crashes must not be felt by the one
// beside them: it is checked, wakes and sleeps as if it were alone.
func TestCrowd_HungAndCrashingTenantsAreFeltByNobody(t *testing.T) {
	d := launch(t, setup{
		settings: "health_check_interval = 1",
		services: control +
			character("hung", "hangs", "listen = \"unix\"\nhealth = \"/health\"\nrequest_timeout = 5") +
			character("loop", "crash-loop 20ms", `listen = "unix"`) +
			character("good", "serves", "listen = \"fd\"\nidle_timeout = 1\nhealth = \"/\""),
	})
	d.must("register", "good:one")
	alone := sleepAndWake(d)
	quiet := d.neighbour()
	ctx, done := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	for i := range 50 {
		crowd.Go(func() {
			for ctx.Err() == nil {
				d.tryContext(ctx, "GET", d.host("hung", fmt.Sprint("t", i)), "/", "")
			}
		})
	}
	crowd.Go(func() {
		for ctx.Err() == nil {
			d.tryContext(ctx, "GET", d.host("loop", "one"), "/", "")
			time.Sleep(50 * time.Millisecond)
		}
	})
	for range 3 {
		crowded := sleepAndWake(d)
		t.Logf("alone: wake %v, asleep %v; in the crowd: wake %v, asleep %v", alone.wake, alone.asleep, crowded.wake, crowded.asleep)
		if late := crowded.asleep - alone.asleep; late > 500*time.Millisecond {
			t.Errorf("it slept %v later than alone", late)
		}
		if crowded.wake > alone.wake+500*time.Millisecond {
			t.Errorf("it woke in %v, alone in %v", crowded.wake, alone.wake)
		}
	}
	if h := d.instances()["good:one"].Health; h == "degraded" || h == "unhealthy" {
		t.Errorf("the tenant beside them is %s", h)
	}
	quiet()
	done()
	crowd.Wait()
}

type nap struct{ wake, asleep time.Duration }

// sleepAndWake measures how long good:one takes to wake, and to fall asleep
// after its last use.
func sleepAndWake(d *daemon) nap {
	d.t.Helper()
	d.awaitState("good:one", "asleep", 20*time.Second)
	wake := d.want(http.StatusOK, "good", "one", "/").took
	used := time.Now()
	d.awaitState("good:one", "asleep", 20*time.Second)
	return nap{wake, time.Since(used)}
}

func TestCrowd_AThousandKnownTenantsAtOnceAreQueuedOrTurnedAway(t *testing.T) {
	const tenants = 1000
	// Four at a time of 200 ms each: no machine starts them all in 2 s.
	d := launch(t, setup{
		settings: "max_concurrent_starts = 4\nmax_awake = 20\nqueue_timeout = 2",
		services: control + character("web", "slow-start 200ms", "listen = \"unix\"\nidle_timeout = 1"),
	})
	names := []string{"register"}
	for i := range tenants {
		names = append(names, fmt.Sprint("web:t", i))
	}
	d.must(names...)
	quiet := d.neighbour()
	var served, turnedAway atomic.Int64
	var crowd sync.WaitGroup
	done := make(chan struct{})
	most := 0
	go func() { // ends before done is closed by itself
		defer close(done)
		for range 20 {
			awake := 0
			for _, i := range d.instances() {
				if i.Pid != 0 {
					awake++
				}
			}
			most = max(most, awake)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	for i := range tenants {
		crowd.Go(func() {
			r, err := d.try("GET", d.host("web", fmt.Sprint("t", i)), "/", "")
			switch {
			case err == nil && r.status == 200:
				served.Add(1)
			case err == nil && r.status == 503 && r.header.Get("Retry-After") != "":
				turnedAway.Add(1)
			default:
				t.Errorf("%v %d %s", err, r.status, r.body)
			}
		})
	}
	crowd.Wait()
	<-done
	quiet()
	t.Logf("%d served, %d turned away, at most %d awake", served.Load(), turnedAway.Load(), most)
	if served.Load() == 0 || turnedAway.Load() == 0 {
		t.Error("want some served and the excess turned away")
	}
	if most > 20 {
		t.Errorf("%d processes were awake, max_awake is 20", most)
	}
}
