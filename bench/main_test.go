package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestChosen_WithoutASuiteAllThatNeedNoNetwork(t *testing.T) {
	t.Parallel()
	some, err := chosen(nil)
	var got []string
	for _, s := range some {
		got = append(got, s.name)
	}
	if err != nil || !slices.Equal(got, []string{"coldstart", "storm", "density", "edge", "isolation", "stop", "hostile"}) {
		t.Errorf("%q, %v", got, err)
	}
	if some, err := chosen([]string{"stop", "edge-tls"}); err != nil || len(some) != 2 || some[0].name != "stop" || some[1].name != "edge-tls" {
		t.Errorf("%+v, %v", some, err)
	}
	if _, err := chosen([]string{"stop", "stpo"}); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), `"stpo"`) {
		t.Errorf("%v", err)
	}
}

func TestPrinted_NeedsOneFile(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"a", "b"}} {
		if err := printed(printTable, args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	if err := printed(printTable, []string{"/none.json"}); err == nil || errors.Is(err, errUsage) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestPick_IsTheFirstWhenQuick(t *testing.T) {
	t.Parallel()
	if pick(&bench{quick: true}, 1, 2) != 1 || pick(&bench{}, 1, 2) != 2 {
		t.Error("quick and full are mixed up")
	}
}

// TestMain runs this program as bench itself where a test asks for it.
func TestMain(m *testing.M) {
	if folder := os.Getenv("BENCH_TIDY"); folder != "" {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			os.Exit(3)
		}
		go cmd.Wait()
		caught := signals()
		os.Stdout.WriteString("ready\n")
		tidyOn(caught, folder)
	}
	os.Exit(m.Run())
}

// A bench that is ended leaves no process and no folder.
func TestTidyOn_LeavesNothing(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "work")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BENCH_TIDY="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	below := descendants(cmd.Process.Pid)
	if len(below) != 1 {
		t.Fatalf("it runs %v", below)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("it ended with %d", code)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("its folder is left")
	}
	if _, err := cpuTime(below[0]); err == nil {
		t.Error("its child is left")
	}
}
