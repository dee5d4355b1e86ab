package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bundle takes what a runtime's spec command writes: here a shell in its place.
func TestBundle_ChangesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	b := &bench{work: work}
	if err := os.MkdirAll(b.apps(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.apps(), "tiny-c"), []byte("app"), 0o755); err != nil {
		t.Fatal(err)
	}
	runtime := filepath.Join(work, "runtime")
	if err := os.WriteFile(runtime, []byte("#!/bin/sh\ncat >config.json <<'E'\n"+`{"process":{"terminal":true,"noNewPrivileges":true},"root":{"path":"x"},"mounts":[{"type":"proc"},{"type":"cgroup"}]}`+"\nE\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	argv, err := bundle(b, runtime, dir)
	if err != nil {
		t.Fatal(err)
	}
	if line := strings.Join(argv, " "); !strings.HasPrefix(line, runtime+" --root "+dir+" run") || !strings.Contains(line, "--preserve-fds 1") {
		t.Errorf("%s", line)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Process struct {
			Terminal, NoNewPrivileges bool
			Args                      []string
		}
		Root   struct{ Path string }
		Mounts []struct{ Type string }
	}
	if err := json.Unmarshal(text, &spec); err != nil || spec.Process.Terminal || !spec.Process.NoNewPrivileges || len(spec.Process.Args) != 1 || len(spec.Mounts) != 1 || spec.Mounts[0].Type != "proc" {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, spec.Root.Path, "tiny-c")); err != nil {
		t.Error(err)
	}
}

func TestBundle_WhatIsNoSpecificationIsAnError(t *testing.T) {
	t.Parallel()
	b := &bench{work: t.TempDir()}
	for _, text := range []string{"{}", "{"} {
		runtime := filepath.Join(t.TempDir(), "runtime")
		if err := os.WriteFile(runtime, []byte("#!/bin/sh\necho '"+text+"' >config.json\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle(b, runtime, t.TempDir()); err == nil {
			t.Errorf("%q", text)
		}
	}
	if _, err := bundle(b, "/no/such/runtime", t.TempDir()); err == nil {
		t.Error("a runtime that is not there")
	}
}
