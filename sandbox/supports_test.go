package sandbox

import (
	"os"
	"strings"
	"testing"
)

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

func TestSupports_IsWhatTheDoctorSays(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Runsc: "/nowhere/runsc"})
	if err := e.Supports(LevelProcess); err != nil {
		t.Error(err)
	}
	if err := e.Supports(LevelSandbox); err == nil || !strings.Contains(err.Error(), "it needs runsc (/nowhere/runsc: no such file or directory)") {
		t.Error(err)
	}
	e.diagnosis = func() Diagnosis {
		return Diagnosis{[]Mechanism{{Name: "root", Levels: []Level{LevelNamespace}, Found: "uid 1000", Remedy: "be root"}}}
	}
	const want = `isolation = "namespace" cannot be had here: it needs root (uid 1000): be root; isolation = "sandbox" can`
	if err := e.Supports(LevelNamespace); err == nil || err.Error() != want {
		t.Error(err)
	}
}
