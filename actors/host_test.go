package actors

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

func TestHost_AnUnregisteredTenantIsNobody(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		if h.Door("notes", "ghost") != nil || h.Door("ghost", "alice") != nil {
			t.Error("a door for nobody")
		}
		for name, err := range map[string]error{
			"stop":   h.Stop(t.Context(), id("ghost")),
			"hold":   h.Hold(t.Context(), id("ghost")),
			"unhold": h.Unhold(t.Context(), id("ghost")),
			"weight": h.SetWeight(t.Context(), id("ghost"), 1),
			"forget": h.Forget(t.Context(), id("ghost"), false),
		} {
			if !errors.Is(err, ErrUnknownTenant) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := h.Info(conf.Instance{Service: "ghost", ID: "a"}); !errors.Is(err, ErrUnknownService) {
			t.Errorf("info of an unknown service: %v", err)
		}
		if _, err := h.Spawn(t.Context(), conf.Instance{Service: "ghost", ID: "a"}); !errors.Is(err, ErrUnknownService) {
			t.Errorf("spawn of an unknown service: %v", err)
		}
	})
}

func TestHost_AVisitorMayCreateOnlyWhereItIsAllowed(t *testing.T) {
	for _, c := range []struct {
		create conf.CreateOnRequest
		domain string
		want   bool
	}{
		{conf.CreateAuto, "localhost", true},
		{conf.CreateAuto, "dev.localhost", true},
		{conf.CreateAuto, "example.com", false},
		{conf.CreateAlways, "example.com", true},
		{conf.CreateNever, "localhost", false},
	} {
		t.Run(fmt.Sprintf("%s under %s", c.create, c.domain), func(t *testing.T) {
			config := defaults()
			config.Services["notes"].CreateOnRequest = c.create
			play(t, config, func(t *testing.T, h *Host, s *stage) {
				h.o.Domain = c.domain
				_, err := h.Create(t.Context(), alice())
				if (err == nil) != c.want {
					t.Errorf("create: %v", err)
				}
				if err != nil && !errors.Is(err, ErrUnknownTenant) {
					t.Errorf("refused with %v", err)
				}
			})
		})
	}
}

// reopen runs two hosts one after the other on the same directories.
func reopen(t *testing.T, config *conf.Config, first, second func(t *testing.T, h *Host, s *stage)) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []func(*testing.T, *Host, *stage){first, second} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			h := open(t, dir, config, s)
			f(t, h, s)
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		})
	}
}

func TestHost_WhatWasHeldOrWeightedIsSoAfterARestart(t *testing.T) {
	reopen(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		for _, n := range []string{"a", "b"} {
			if _, err := h.Spawn(t.Context(), id(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.SetWeight(t.Context(), id("a"), 0); err != nil {
			t.Fatal(err)
		}
		if err := h.Hold(t.Context(), id("b")); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, h *Host, s *stage) {
		if info, _ := h.Info(id("a")); info.Weight != 0 || info.State != "asleep" {
			t.Errorf("a: weight %d, %s", info.Weight, info.State)
		}
		if info, _ := h.Info(id("b")); info.State != "held" {
			t.Errorf("b: %s", info.State)
		}
		wantCause(t, visit(t, h, id("b")), CauseHeld)
	})
}

func TestHost_DirectoriesAreRegisteredWhenThereIsNoRegistry(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"notes/alice", "notes/bob", "notes/..x", "notes/UPPER", "other/eve"} {
		if err := os.MkdirAll(filepath.Join(dir, "data", d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, defaults(), newStage(t))
		var names []string
		for _, i := range h.List() {
			names = append(names, i.Name.String()+" "+i.State)
		}
		if got := strings.Join(names, ", "); got != "notes:alice asleep, notes:bob asleep" {
			t.Errorf("registered %q", got)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func TestHost_AServiceThatCannotRunIsRefusedByNameAndTheOthersRun(t *testing.T) {
	c := defaults()
	broken := notes()
	broken.Name, broken.Refused = "vm", "isolation firecracker is not to be had"
	c.Services["vm"] = broken
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		if _, err := h.Spawn(t.Context(), conf.Instance{Service: "vm", ID: "a"}); err == nil || !strings.Contains(err.Error(), "firecracker") {
			t.Errorf("spawn: %v", err)
		}
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Errorf("the other service: %v", err)
		}
		register(t, h, conf.Instance{Service: "vm", ID: "b"})
		wantCause(t, visit(t, h, conf.Instance{Service: "vm", ID: "b"}), CauseServiceDown)
		if info, _ := h.Info(conf.Instance{Service: "vm", ID: "b"}); info.State != "failed" || info.Reason == "" {
			t.Errorf("%+v", info)
		}
	})
}

func TestHost_TheApexChoosesByWeight(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		if _, err := h.Apex("notes"); !errors.Is(err, ErrUnknownTenant) {
			t.Errorf("of nobody: %v", err)
		}
		register(t, h, id("registered"))
		for n, weight := range map[string]int{"a": 75, "b": 25, "c": 0} {
			if _, err := h.Spawn(t.Context(), id(n)); err != nil {
				t.Fatal(err)
			}
			if err := h.SetWeight(t.Context(), id(n), weight); err != nil {
				t.Fatal(err)
			}
		}
		picked := map[string]int{}
		for i := range 100 {
			d, err := h.service("notes").pick(func(total int) int {
				if total != 100 {
					t.Fatalf("total weight %d", total)
				}
				return i
			})
			if err != nil {
				t.Fatal(err)
			}
			picked[d.Name().ID]++
		}
		if picked["a"] != 75 || picked["b"] != 25 || len(picked) != 2 {
			t.Errorf("picked %v", picked)
		}
		for _, n := range []string{"a", "b"} {
			if err := h.Stop(t.Context(), id(n)); err != nil {
				t.Fatal(err)
			}
		}
		if d, err := h.Apex("notes"); err != nil || d.Name().ID == "c" {
			t.Errorf("none awake: %v, %v; want one with a weight", d, err)
		}
		if err := h.Hold(t.Context(), id("a")); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if d, _ := h.Apex("notes"); d.Name().ID != "b" {
				t.Fatalf("picked %s, b can be woken", d.Name().ID)
			}
		}
	})
}

func TestHost_TheApexCanBeNobodyOrOne(t *testing.T) {
	for apex, want := range map[string]string{conf.ApexNone: "", "alice": "alice", "bob": ""} {
		c := defaults()
		c.Services["notes"].Apex = apex
		play(t, c, func(t *testing.T, h *Host, s *stage) {
			register(t, h, alice())
			d, err := h.Apex("notes")
			if want == "" && !errors.Is(err, ErrUnknownTenant) || want != "" && (err != nil || d.Name().ID != want) {
				t.Errorf("apex %s gives %v, %v", apex, d, err)
			}
		})
	}
}

func TestHost_ListedTenantsAreStartedAndHeldOnesStayHeld(t *testing.T) {
	c := defaults()
	c.Instances = []conf.Instance{alice(), id("bob")}
	reopen(t, c, func(t *testing.T, h *Host, s *stage) {
		if err := h.StartListed(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.Instances {
			if got := state(t, h, n); got != "running" {
				t.Errorf("%s is %s", n, got)
			}
		}
		if err := h.Hold(t.Context(), id("bob")); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, h *Host, s *stage) {
		if err := h.StartListed(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("alice is %s", got)
		}
		if got := state(t, h, id("bob")); got != "held" {
			t.Errorf("bob is %s", got)
		}
	})
}

func TestHost_AnAdminTokenReplacesTheOneBefore(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		first, _, err := h.IssueToken(t.Context(), ledger.Token{Scope: ledger.ScopeAdmin})
		if err != nil {
			t.Fatal(err)
		}
		tenant, _, err := h.IssueToken(t.Context(), ledger.Token{Scope: ledger.ScopeTenant, ID: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		expired, _, err := h.IssueToken(t.Context(), ledger.Token{Scope: ledger.ScopeTenant, ID: "bob", Expires: time.Now().Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		second, _, err := h.IssueToken(t.Context(), ledger.Token{Scope: ledger.ScopeAdmin})
		if err != nil {
			t.Fatal(err)
		}
		for token, want := range map[string]bool{first: false, second: true, tenant: true, expired: false, "guess": false, "": false} {
			if _, ok := h.Token(token); ok != want {
				t.Errorf("token %.6s… valid %v, want %v", token, ok, want)
			}
		}
	})
}

func TestHost_FiftyHungAndACrashLoopDelayNobody(t *testing.T) {
	c := defaults()
	c.Services["notes"].IdleTimeout = 20 * time.Second
	c.Services["notes"].Health = "/health"
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		s.act("notes:crash", behaviour{diesAfter: time.Millisecond})
		register(t, h, id("crash"), alice())
		for i := range 50 {
			name := id(fmt.Sprintf("hung%d", i))
			s.act(name.String(), behaviour{neverReady: true})
			register(t, h, name)
			go func() { _ = visit(t, h, name) }()
		}
		go func() { _ = visit(t, h, id("crash")) }()
		time.Sleep(30 * time.Second) // 52 starts by 4, 2 s a slot
		began := time.Now()
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 100*time.Millisecond {
			t.Errorf("woken after %s", d)
		}
		time.Sleep(time.Second + 100*time.Millisecond)
		synctest.Wait()
		if n := s.checksOf("alice.notes.example.com"); n != 1 {
			t.Errorf("%d checks 100 ms after the first was due", n)
		}
		time.Sleep(19 * time.Second)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("%s 100 ms after idle_timeout", got)
		}
	})
}

func TestHost_WhyTellsWhatHoldsItAndWhatIsNext(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		for _, step := range []struct {
			do    func() error
			state string
			want  string
		}{
			{func() error { return nil }, "asleep", "the next request"},
			{func() error { return visit(t, h, alice()) }, "running", "it sleeps in 1m0s"},
			{func() error { return h.Hold(t.Context(), alice()) }, "held", "ten unhold"},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			why, err := h.Why(alice())
			if err != nil {
				t.Fatal(err)
			}
			if why.State != step.state || !strings.Contains(why.Next, step.want) {
				t.Errorf("%s, next %q; want %s, %q", why.State, why.Next, step.state, step.want)
			}
		}
	})
}

func TestHost_AnOwnerElsewhereKeepsATenantAsleep(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		h.o.Owner = nobody{}
		wantCause(t, visit(t, h, alice()), CauseServiceDown)
		if s.starts("notes:alice") != 0 {
			t.Error("started another host's tenant")
		}
	})
}

type nobody struct{}

func (nobody) Owns(conf.Instance) bool { return false }
