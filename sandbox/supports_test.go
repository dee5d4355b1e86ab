package sandbox

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestSupports_ALevelIsRefusedWithWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		user int
		arch string
		want string
	}{
		{0, "amd64", ""},
		{0, "arm64", ""},
		{1000, "amd64", `isolation = "namespace" needs root: run ten as root, as the unit of "ten install" does, or write isolation = "process"`},
		{0, "riscv64", `isolation = "namespace" is not built for riscv64: write isolation = "process"`},
	} {
		got := ""
		if err := mayEnclose(c.user, c.arch); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%d, %s: %s\nwant %s", c.user, c.arch, got, c.want)
		}
	}
	if err := Built("sandbox"); err == nil || !strings.Contains(err.Error(), `isolation = "sandbox" is not built yet`) {
		t.Error(err)
	}
	e := newEngine(t, Options{})
	e.tried = func() error { return errors.New("cannot make a network namespace: operation not permitted") }
	const want = `isolation = "namespace" cannot be had on this host, as the daemon cannot make a network namespace: operation not permitted (a container may forbid it): write isolation = "process"`
	if err := e.Supports(LevelNamespace); os.Geteuid() == 0 && (err == nil || err.Error() != want) {
		t.Errorf("%v\nwant %s", err, want)
	}
	if err := e.Supports(LevelProcess); err != nil {
		t.Error(err)
	}
}

func TestSupports_WhatIsSupportedWasTried(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("isolation = \"namespace\" needs root")
	}
	e := newEngine(t, Options{})
	if err := e.Supports(LevelNamespace); err != nil {
		t.Error(err)
	}
}
