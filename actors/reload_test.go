package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// edited is a configuration with changes; nothing of the old one is shared that
// could change with it.
func edited(c *conf.Config, change func(*conf.Config)) *conf.Config {
	next := *c
	next.Services = map[string]*conf.Service{}
	for name, s := range c.Services {
		clone := *s
		clone.Env = maps.Clone(s.Env)
		next.Services[name] = &clone
	}
	next.Instances = slices.Clone(c.Instances)
	change(&next)
	return &next
}

func reloaded(t *testing.T, h *Host, change func(*conf.Config)) []conf.Difference {
	t.Helper()
	changes, err := h.Reload(t.Context(), edited(h.Config(), change))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return changes
}

// twoServices are notes and shop, with a tenant each, awake.
func twoServices(t *testing.T, f func(t *testing.T, h *Host, s *stage)) {
	config := defaults()
	shop := *config.Services["notes"]
	shop.Name = "shop"
	config.Services["shop"] = &shop
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		for _, name := range []conf.Instance{alice(), {Service: "shop", ID: "bob"}} {
			register(t, h, name)
			if err := visit(t, h, name); err != nil {
				t.Fatal(err)
			}
		}
		f(t, h, s)
	})
}

var bob = conf.Instance{Service: "shop", ID: "bob"}

func TestReload_UntouchedServicesKeepTheirProcesses(t *testing.T) {
	twoServices(t, func(t *testing.T, h *Host, s *stage) {
		changes := reloaded(t, h, func(c *conf.Config) { c.Services["notes"].Argv = []string{"other"} })
		if len(changes) != 1 || changes[0].Effect != conf.EffectProcesses {
			t.Errorf("%v", changes)
		}
		time.Sleep(drainTime + graceTime)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("the changed service's tenant is %s", got)
		}
		if got := state(t, h, bob); got != "running" || s.starts("shop:bob") != 1 {
			t.Errorf("the other one is %s after %d starts", got, s.starts("shop:bob"))
		}
		if err := visit(t, h, alice()); err != nil || s.starts("notes:alice") != 2 {
			t.Errorf("%v after %d starts", err, s.starts("notes:alice"))
		}
	})
}

func TestReload_LiveKeysNeedNoNewProcess(t *testing.T) {
	twoServices(t, func(t *testing.T, h *Host, s *stage) {
		s.ail("alice.notes.example.com", errors.New("500"))
		reloaded(t, h, func(c *conf.Config) {
			c.Services["notes"].Health, c.Services["notes"].RequestTimeout = "/up", time.Minute
			c.Services["shop"].IdleTimeout = 7 * time.Second
		})
		way := h.Door("notes", "alice").Enter()
		if way == nil || way.RequestTimeout != time.Minute {
			t.Fatalf("%+v", way)
		}
		h.Door("notes", "alice").Leave()
		time.Sleep(2 * time.Second)
		if info, _ := h.Info(alice()); info.Health != "degraded" {
			t.Errorf("the new health path was not looked at: %s", info.Health)
		}
		time.Sleep(10 * time.Second)
		if got := state(t, h, bob); got != "asleep" {
			t.Errorf("with an idle_timeout now, it is %s", got)
		}
		reloaded(t, h, func(c *conf.Config) { c.Services["notes"].Health = "" })
		if info, _ := h.Info(alice()); info.Health != "healthy" || s.starts("notes:alice") != 1 {
			t.Errorf("%s after %d starts", info.Health, s.starts("notes:alice"))
		}
	})
}

func TestReload_ARemovedServiceDrainsAndKeepsItsData(t *testing.T) {
	twoServices(t, func(t *testing.T, h *Host, s *stage) {
		dir := h.instanceDir(bob)
		door := h.Door("shop", "bob")
		door.Enter() // a visitor is inside
		shop := h.Config().Services["shop"]
		reloaded(t, h, func(c *conf.Config) { delete(c.Services, "shop") })
		if h.Door("shop", "bob") != nil || s.process("shop:bob") == nil {
			t.Error("it is still served, or the visitor inside was not waited for")
		}
		back := func(c *conf.Config) { clone := *shop; c.Services["shop"] = &clone }
		if _, err := h.Reload(t.Context(), edited(h.Config(), back)); err == nil || !strings.Contains(err.Error(), "still ending") {
			t.Errorf("%v while its tenants end", err)
		}
		door.Leave()
		time.Sleep(graceTime)
		synctest.Wait()
		if s.process("shop:bob") != nil {
			t.Error("its process is left")
		}
		mustExist(t, dir, true)
		if err := visit(t, h, alice()); err != nil {
			t.Error(err)
		}
		reloaded(t, h, back)
		if err := visit(t, h, bob); err != nil {
			t.Errorf("it is back, but %v", err)
		}
	})
}

func TestReload_AListedTenantIsStartedAnewAndANewOneStarted(t *testing.T) {
	config := defaults()
	config.Instances = []conf.Instance{alice()}
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		if err := h.StartListed(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		reloaded(t, h, func(c *conf.Config) {
			c.Services["notes"].Argv = []string{"other"}
			c.Instances = append(c.Instances, id("carol"))
		})
		time.Sleep(drainTime + graceTime)
		if got := state(t, h, alice()); got != "running" || s.starts("notes:alice") != 2 {
			t.Errorf("the listed one is %s after %d starts", got, s.starts("notes:alice"))
		}
		if got := state(t, h, id("carol")); got != "running" {
			t.Errorf("the newly listed one is %s", got)
		}
	})
}

func TestReload_AFailedTenantMayTryAgain(t *testing.T) {
	config := defaults()
	config.Settings.CircuitCooldown = time.Hour
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:alice", behaviour{startErr: sandbox.ErrCannotExecute})
		register(t, h, alice())
		wantCause(t, visit(t, h, alice()), CauseFailed)
		s.act("notes:alice", behaviour{})
		wantCause(t, visit(t, h, alice()), CauseFailed)
		reloaded(t, h, func(c *conf.Config) { c.Services["notes"].Argv = []string{"mended"} })
		if err := visit(t, h, alice()); err != nil {
			t.Error(err)
		}
	})
}

func TestReload_WhoWaitsForAStartGetsTheNewProcess(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("notes:alice", behaviour{readyAfter: 3 * time.Second})
		register(t, h, alice())
		visited := make(chan error, 1)
		go func() { visited <- visit(t, h, alice()) }()
		time.Sleep(time.Second)
		reloaded(t, h, func(c *conf.Config) { c.Services["notes"].Argv = []string{"other"} })
		if err := <-visited; err != nil {
			t.Error(err)
		}
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts, want the new one as well", n)
		}
	})
}

func TestReload_IsRefusedWhileTheDaemonStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), defaults(), newStage(t))
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := h.Reload(ctx, edited(h.Config(), func(*conf.Config) {})); err == nil {
			t.Error("a stopped host was reloaded")
		}
	})
}

// A hundred random edits: the host is what the file says, and nobody whose
// service did not change has another process.
func TestReload_AHundredRandomEdits(t *testing.T) {
	config := defaults()
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		random := rand.New(rand.NewPCG(1, 2))
		for n := range 100 {
			before := map[string]uint64{}
			for _, i := range h.List() {
				before[i.Name.String()] = i.Generation
			}
			changes := reloaded(t, h, func(c *conf.Config) { randomEdit(random, c, n) })
			touched := map[string]bool{}
			for _, d := range changes {
				touched[strings.TrimPrefix(d.Table, "service.")] = d.Effect != conf.EffectLive
			}
			time.Sleep(drainTime + graceTime)
			synctest.Wait()
			served := slices.Sorted(maps.Keys(*h.services.Load()))
			if want := slices.Sorted(maps.Keys(h.Config().Services)); !slices.Equal(served, want) {
				t.Fatalf("edit %d: serves %v, the file has %v", n, served, want)
			}
			for _, i := range h.List() {
				if old, known := before[i.Name.String()]; known && !touched[i.Name.Service] && old != i.Generation {
					t.Fatalf("edit %d: %s has generation %d, had %d; changes %v", n, i.Name, i.Generation, old, changes)
				}
			}
			for name := range h.Config().Services {
				tenant := conf.Instance{Service: name, ID: "one"}
				register(t, h, tenant)
				if err := visit(t, h, tenant); err != nil {
					t.Fatalf("edit %d: %s: %v", n, tenant, err)
				}
			}
		}
	})
}

// randomEdit changes one thing, or several.
func randomEdit(random *rand.Rand, c *conf.Config, n int) {
	name := fmt.Sprintf("s%d", random.IntN(4))
	s := c.Services[name]
	switch what := random.IntN(5); {
	case s == nil:
		clone := *c.Services["notes"]
		clone.Name = name
		c.Services[name] = &clone
	case what == 0:
		delete(c.Services, name)
	case what == 1:
		s.Argv = []string{fmt.Sprint("command-", n)}
	case what == 2:
		s.IdleTimeout = time.Duration(1+random.IntN(100)) * time.Minute
	case what == 3:
		c.Settings.MaxRestarts = n
	default:
		s.Health = fmt.Sprintf("/up%d", n)
	}
}
