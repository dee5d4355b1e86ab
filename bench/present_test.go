package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write puts reports into a folder, one file each.
func write(t *testing.T, dir string, reports map[string]report) {
	t.Helper()
	for name, r := range reports {
		if err := r.Write(dir, name); err != nil {
			t.Fatal(err)
		}
	}
}

var day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestNewestReports_AQuickRunStandsInNoWholeOnesPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]report{
		"a": {Suite: "storm", Began: day}, "b": {Suite: "storm", Began: day.Add(time.Hour), Machine: machine{Commit: "whole"}}, "c": {Suite: "storm", Quick: true, Began: day.Add(2 * time.Hour)},
		"d": {Suite: "stop", Quick: true, Began: day}, "e": {Suite: "stop", Quick: true, Began: day.Add(time.Hour), Machine: machine{Commit: "later"}},
	})
	newest, err := newestReports(dir)
	if err != nil || newest["storm"].Machine.Commit != "whole" || newest["stop"].Machine.Commit != "later" {
		t.Errorf("%+v, %v", newest, err)
	}
	if _, err := newestReports(t.TempDir()); err == nil || !strings.Contains(err.Error(), "go run ./bench") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "z.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newestReports(dir); err == nil || !strings.Contains(err.Error(), "z.json") {
		t.Errorf("half a file: %v", err)
	}
}

func TestSummary_ShowsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	asleep := result{Name: "RSS, 1000 asleep", Unit: "MB", Value: 19, Runs: 1, Aim: 20}
	wake := result{Name: "cold start, static C, fd", Subject: "process", Unit: "ms", Value: 1.5, P99: 3, Runs: 50, Aim: 1, Failures: 2}
	text := summary(map[string]*report{
		"density":   {Suite: "density", Results: []result{asleep}, Noise: noise{LoadBefore: "0 0 0"}, Machine: machine{Commit: "abc", Cores: 2}},
		"coldstart": {Suite: "coldstart", Quick: true, Results: []result{wake}, Noise: noise{LoadBefore: "7 7 7"}, Machine: machine{Commit: "def", Cores: 2}},
	})
	for _, want := range []string{"| RSS with 1000 asleep | 19.0 MB |  | 20: met |", "| – woken by tenement, `process` | 1.50 ms (2 failed) | 3.00 ms | 1: missed |", "density: commit abc", "coldstart: commit def", "a quick run, NOISY: the load average was 7.00"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing from\n%s", want, text)
		}
	}
	if strings.Contains(text, "10 000") || strings.Contains(text, "storm:") {
		t.Errorf("what was not measured is shown:\n%s", text)
	}
}

func TestSummary_TheEdgeHasAColumnForEachContender(t *testing.T) {
	t.Parallel()
	const small = "requests per CPU-second, 128 B"
	text := summary(map[string]*report{"edge": {Suite: "edge", Machine: machine{Commit: "abc", Cores: 2}, Noise: noise{LoadBefore: "0 0 0"}, Results: []result{
		{Name: small, Subject: ours, Value: 64000, Unit: "1/s"}, {Name: small, Subject: nginx, Value: 63000, Unit: "1/s"},
		{Name: "something that the README leaves out", Subject: ours, Value: 1, Unit: "MB"},
		{Name: small + ": tenement / nginx", Value: 1.016, Low: 1, High: 1.03, Floor: 0.95, Unit: "x"},
	}}})
	want := "| | tenement | nginx |\n|---|---|---|\n| " + small + " | 64.0k | 63.0k |\n\n" + small + ": tenement / nginx: 1.02 (1.00 to 1.03), met.\n\nedge: commit abc"
	if !strings.HasPrefix(text, want) {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

// Each row of the README's table is a figure that a suite can give.
func TestRows_NameSuites(t *testing.T) {
	t.Parallel()
	for _, w := range rows {
		if _, err := chosen([]string{w.suite}); err != nil {
			t.Errorf("%q: %v", w.title, err)
		}
	}
	for _, m := range matrices {
		if _, err := chosen([]string{m.suite}); err != nil {
			t.Error(err)
		}
	}
}

func TestReportCommand_WritesBetweenTheMarks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]report{"a": {Suite: "density", Results: []result{{Name: "binary, stripped", Unit: "MB", Value: 15, Runs: 1}}}})
	readme := filepath.Join(dir, "README.md")
	body := "before\n" + tableBegins + "\nold\n" + tableEnds + "\nafter\n"
	if err := os.WriteFile(readme, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := reportCommand([]string{"--readme", readme, dir}); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(readme)
	if got := string(text); !strings.HasPrefix(got, "before\n"+tableBegins+"\n| | median") || !strings.HasSuffix(got, tableEnds+"\nafter\n") || strings.Contains(got, "old") || strings.Count(got, "binary, stripped") != 1 {
		t.Errorf("%s", got)
	}
}

func TestReportCommand_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]report{"a": {Suite: "density"}})
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reportCommand([]string{"--readme", readme, dir}); err == nil || !strings.Contains(err.Error(), tableBegins) {
		t.Errorf("no marks: %v", err)
	}
	if err := reportCommand([]string{"--readme", "", dir}); err != nil {
		t.Errorf("no README wanted: %v", err)
	}
	if err := reportCommand([]string{"--readme", filepath.Join(dir, "none"), dir}); err == nil {
		t.Error("a README that is not there")
	}
	for _, args := range [][]string{{"a", "b"}, {"--no-such-flag"}} {
		if err := reportCommand(args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
