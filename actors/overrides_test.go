package actors

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/sandbox"
)

func pointers[V any](m map[string]V) map[string]*V {
	all := map[string]*V{}
	for k, v := range m {
		all[k] = &v
	}
	return all
}

func TestOverrides_ChangeWhatTheyNameAndNothingElse(t *testing.T) {
	t.Parallel()
	before := ledger.Tenant{
		Name: alice(), UID: 7, Weight: 50, Env: map[string]string{"A": "1", "B": "2"}, Secrets: map[string]string{"KEY": "s"},
		Limits: conf.Limits{"pids_limit": 64},
	}
	weight := 20
	for _, c := range []struct {
		change Overrides
		want   func(*ledger.Tenant)
		did    Overridden
	}{
		{Overrides{}, func(*ledger.Tenant) {}, Overridden{}},
		{Overrides{Env: pointers(map[string]string{"A": "1"}), Limits: pointers(map[string]float64{"pids_limit": 64})}, func(*ledger.Tenant) {}, Overridden{}},
		{Overrides{Env: map[string]*string{"C": nil}}, func(*ledger.Tenant) {}, Overridden{}},
		{Overrides{Env: map[string]*string{"A": nil, "KEY": nil}}, func(t *ledger.Tenant) {
			t.Env, t.Secrets = map[string]string{"B": "2"}, map[string]string{}
		}, Overridden{Env: true}},
		{Overrides{Secrets: pointers(map[string]string{"A": "1"})}, func(t *ledger.Tenant) {
			t.Env, t.Secrets = map[string]string{"B": "2"}, map[string]string{"KEY": "s", "A": "1"}
		}, Overridden{Env: true}},
		{Overrides{Env: pointers(map[string]string{"KEY": "s"})}, func(t *ledger.Tenant) {
			t.Env, t.Secrets = map[string]string{"A": "1", "B": "2", "KEY": "s"}, map[string]string{}
		}, Overridden{Env: true}},
		{Overrides{Limits: map[string]*float64{"pids_limit": nil}, Weight: &weight}, func(t *ledger.Tenant) {
			t.Limits, t.Weight = conf.Limits{}, 20
		}, Overridden{Limits: true, Weight: true}},
	} {
		want := before
		c.want(&want)
		c.did.Name = alice()
		got, did, err := c.change.on(before)
		if err != nil || !reflect.DeepEqual(got, want) || did != c.did {
			t.Errorf("%+v: %v\n%+v\n%+v, want\n%+v\n%+v", c.change, err, got, did, want, c.did)
		}
	}
	if before.Env["A"] != "1" || len(before.Env) != 2 || len(before.Secrets) != 1 || before.Limits["pids_limit"] != 64 {
		t.Errorf("the record itself was changed: %+v", before)
	}
}

func TestOverrides_WhatCannotBeIsRefusedByName(t *testing.T) {
	weight := 101
	long := strings.Repeat("s3cret<", 10000)
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		s.unlimited = errors.New("the limit of memory cannot be kept here: no cgroups")
		for want, o := range map[string]Overrides{
			`TENEMENT_ID is tenement's own`:              {Env: pointers(map[string]string{"TENEMENT_ID": "s3cret"})},
			`"A" stands in env and in secrets`:           {Env: pointers(map[string]string{"A": "s3cret"}), Secrets: pointers(map[string]string{"A": "s3cret"})},
			`B: its value contains a NUL byte`:           {Secrets: pointers(map[string]string{"B": "s3cret\x00"})},
			`pids_limit: must be at least 4, not 1`:      {Limits: pointers(map[string]float64{"pids_limit": 1})},
			`"pids" is no limit of a tenant's`:           {Limits: map[string]*float64{"pids": nil}},
			`weight 101: expected 0 to 100`:              {Weight: &weight},
			`at most 65536 fit`:                          {Secrets: pointers(map[string]string{"LONG": long})},
			`the limit of memory cannot be kept here: n`: {Limits: pointers(map[string]float64{"memory_limit_mb": 64})},
		} {
			_, err := h.Override(t.Context(), alice(), o)
			if !errors.As(err, new(*OverrideError)) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v, want %s", err, want)
			}
		}
		if _, err := h.Override(t.Context(), id("bob"), Overrides{}); !errors.Is(err, ErrUnknownTenant) {
			t.Error(err)
		}
		if _, err := h.Override(t.Context(), conf.Instance{Service: "shop", ID: "x"}, Overrides{}); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
		if got := *h.cell(alice()).record.Load(); got.Env != nil || got.Limits != nil || got.Weight != 100 {
			t.Errorf("something was changed: %+v", got)
		}
	})
}

func TestOverrides_VariablesAreThoseOfTheNextProcessAndWinOverTheServices(t *testing.T) {
	config := defaults()
	config.Services["notes"].Env = map[string]string{"PLAN": "free", "REGION": "eu"}
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		change := Overrides{Env: pointers(map[string]string{"PLAN": "gold", "TEMPLATE": "{id}"}), Secrets: pointers(map[string]string{"KEY": "s3cret"})}
		did, err := h.Override(t.Context(), alice(), change)
		if err != nil || !did.Env || !did.Running || !did.Changed() || did.Late != nil {
			t.Fatalf("%+v, %v", did, err)
		}
		if env := s.process("notes:alice").spec.Env; !slices.Contains(env, "PLAN=free") {
			t.Errorf("the process has %q", env)
		}
		if _, err := h.Restart(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		env := s.process("notes:alice").spec.Env
		for _, want := range []string{"PLAN=gold", "REGION=eu", "KEY=s3cret", "TEMPLATE={id}"} {
			if !slices.Contains(env, want) {
				t.Errorf("no %s in %q", want, env)
			}
		}
		if err := visit(t, h, id("bob")); err != nil {
			t.Fatal(err)
		}
		if env := s.process("notes:bob").spec.Env; !slices.Contains(env, "PLAN=free") || slices.Contains(env, "KEY=s3cret") {
			t.Errorf("another tenant has %q", env)
		}
		list, err := h.Env(alice())
		if want := []Variable{{"KEY", "", true}, {"PLAN", "gold", false}, {"TEMPLATE", "{id}", false}}; err != nil || !reflect.DeepEqual(list, want) {
			t.Errorf("%+v, %v", list, err)
		}
		if again, err := h.Override(t.Context(), alice(), change); err != nil || again.Changed() {
			t.Errorf("once more: %+v, %v", again, err)
		}
		if _, err := h.Env(id("zoe")); !errors.Is(err, ErrUnknownTenant) {
			t.Error(err)
		}
	})
}

func TestOverrides_LimitsHoldForTheProcessAtOnceAndForTheNext(t *testing.T) {
	config := defaults()
	config.Services["notes"].PidsLimit = 256
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		if did, err := h.Override(t.Context(), id("bob"), Overrides{Limits: pointers(map[string]float64{"pids_limit": 9})}); err != nil || did.Running || !did.Limits {
			t.Errorf("asleep: %+v, %v", did, err)
		}
		for _, name := range []conf.Instance{alice(), id("bob")} {
			if err := visit(t, h, name); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.process("notes:bob").spec.Limits.Pids; got != 9 {
			t.Errorf("bob was started with %d", got)
		}
		change := Overrides{Limits: pointers(map[string]float64{"memory_limit_mb": 512, "storage_quota_mb": 3})}
		s.process("notes:alice").late = errors.New("the kernel says no")
		did, err := h.Override(t.Context(), alice(), change)
		if err != nil || !did.Limits || !did.Running || did.Late == nil || did.Late.Error() != "the kernel says no" {
			t.Errorf("%+v, %v", did, err)
		}
		want := sandbox.Limits{MemoryBytes: 512 << 20, Pids: 256}
		s.mu.Lock()
		if got := s.running["notes:alice"].limits; !reflect.DeepEqual(got, []sandbox.Limits{want}) {
			t.Errorf("its process was given %+v", got)
		}
		s.mu.Unlock()
		info, _ := h.Info(alice())
		own, all, err := h.Limits(alice())
		if err != nil || info.QuotaBytes != 3<<20 || len(own) != 2 || all["memory_limit_mb"] != 512 || all["pids_limit"] != 256 {
			t.Errorf("quota %d, own %v, all %v, %v", info.QuotaBytes, own, all, err)
		}
		if _, err := h.Override(t.Context(), alice(), Overrides{Limits: map[string]*float64{"storage_quota_mb": nil}}); err != nil {
			t.Error(err)
		}
		if info, _ := h.Info(alice()); info.QuotaBytes != 0 {
			t.Errorf("quota %d", info.QuotaBytes)
		}
		if _, _, err := h.Limits(conf.Instance{Service: "shop", ID: "x"}); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
	})
}

func TestOverrides_OutliveTheDaemonAndNoLogTellsSecrets(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, defaults(), newStage(t))
		register(t, h, alice())
		change := Overrides{Secrets: pointers(map[string]string{"KEY": "s3cret"}), Limits: pointers(map[string]float64{"cpu_limit": 0.5})}
		if _, err := h.Override(t.Context(), alice(), change); err != nil {
			t.Fatal(err)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := newStage(t)
		h = open(t, dir, defaults(), s)
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if spec := s.process("notes:alice").spec; !slices.Contains(spec.Env, "KEY=s3cret") || spec.Limits.CPUs != 0.5 {
			t.Errorf("%q, %+v", spec.Env, spec.Limits)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	})
	info, err := os.Stat(filepath.Join(dir, "data", "registry.db"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("who can read the registry: %v, %v", info.Mode(), err)
	}
}
