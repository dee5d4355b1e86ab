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
	first, err := run(s, topics, false, nil)
	if err != nil {
		t.Error(err)
	}
	second, err := run(s, topics, true, nil)
	if err != nil {
		t.Error(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for which, found := range map[string]findings{"first": first, "second": second} {
		for name, f := range found {
			if f.wrong != "" {
				t.Errorf("%s, as the %s request: %s\narrived %.300q\ngot     %.300q", name, which, f.wrong, f.outcome.arrival.raw, f.outcome.got)
			}
		}
		if len(found) < 300 {
			t.Errorf("only %d trials were had as %s requests", len(found), which)
		}
	}
}
