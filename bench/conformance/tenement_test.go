package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == lendVerb { // run as the tenant
		if err := lend(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestTenement_KeepsToTheRFC(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "ten")
	if out, err := exec.Command("go", "build", "-o", binary, "tenement/cmd/ten").CombinedOutput(); err != nil {
		t.Fatalf("cannot build ten: %v\n%s", err, out)
	}
	s, err := startOurs(binary, dir, ourShards, ourSettings)
	if err != nil {
		t.Fatal(err)
	}
	found, err := run(s, topics, nil)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range found {
		if f.wrong != "" {
			t.Errorf("%s: %s\narrived %.300q\ngot     %.300q", name, f.wrong, f.outcome.arrival.raw, f.outcome.got)
		}
	}
	if len(found) < 300 {
		t.Errorf("only %d trials were had", len(found))
	}
}
