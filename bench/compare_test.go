package main

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// around gives ten samples near a value.
func around(v float64) []float64 {
	all := make([]float64, 10)
	for i := range all {
		all[i] = v * (1 + 0.002*float64(i-5))
	}
	return all
}

func sampled(name, unit string, v float64) result { return distribution(name, "", unit, around(v)) }

func TestJudge_SaysWhatGotWorse(t *testing.T) {
	t.Parallel()
	failing := sampled("x", "ms", 1)
	failing.Failures = 1
	wide := result{Name: "x", Unit: "ms", Value: 1.2, Samples: []float64{0.5, 2, 1.2, 0.7, 3}}
	for name, c := range map[string]struct {
		old, next result
		want      string
	}{
		"slower":                  {sampled("x", "ms", 1), sampled("x", "ms", 1.2), slower},
		"faster":                  {sampled("x", "ms", 1), sampled("x", "ms", 0.8), faster},
		"fewer requests":          {sampled("x", "1/s", 100), sampled("x", "1/s", 80), slower},
		"more requests":           {sampled("x", "1/s", 100), sampled("x", "1/s", 130), faster},
		"hardly":                  {sampled("x", "ms", 1), sampled("x", "ms", 1.04), ""},
		"by chance":               {result{Name: "x", Unit: "ms", Value: 1, Samples: []float64{0.6, 1.9, 1, 0.8, 2.5}}, wide, ""},
		"fails now":               {sampled("x", "ms", 1), failing, gone},
		"failed before":           {failing, failing, ""},
		"is measured no more":     {sampled("x", "ms", 1), result{Name: "x", Unit: "ms", Value: number(math.NaN())}, gone},
		"one value each":          {result{Name: "x", Unit: "MB", Value: 10}, result{Name: "x", Unit: "MB", Value: 20}, slower},
		"nothing before or after": {result{Name: "x", Unit: "MB"}, result{Name: "x", Unit: "MB"}, ""},
	} {
		if got := judge(c.old, c.next); got.verdict != c.want {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
	}
}

func TestCompare_ComparesOnlyWhatBothHave(t *testing.T) {
	t.Parallel()
	old := &report{Results: []result{sampled("a", "ms", 1), sampled("b", "ms", 1), sampled("d", "ms", 1)}}
	next := &report{Results: []result{sampled("c", "ms", 1), sampled("b", "ms", 2), sampled("d", "us", 2)}}
	if got := changes(old, next); len(got) != 1 || got[0].name != "b" || got[0].verdict != slower {
		t.Errorf("%+v", got)
	}
}

func TestCompare_SaysWhereAndHowNoisy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := report{Suite: "storm", Machine: machine{Commit: "old", CPU: "one", Cores: 2}, Noise: noise{LoadBefore: "0 0 0"}, Results: []result{sampled("wake", "ms", 1), {Name: "growth", Unit: "MB", Value: 1}}}
	next := report{Suite: "storm", Machine: machine{Commit: "new", CPU: "other", Cores: 2}, Noise: noise{LoadBefore: "9 9 9"}, Results: []result{sampled("wake", "ms", 3), {Name: "growth", Unit: "MB", Value: 2}}}
	other := report{Suite: "edge"}
	for name, r := range map[string]report{"old": old, "new": next, "other": other} {
		if err := r.Write(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := compareFiles(&out, []string{filepath.Join(dir, "old.json"), filepath.Join(dir, "new.json")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"old -> new", "NOT THE SAME MACHINE", "NOISY: new: the load average was 9.00", "WORSE", "0.999 -> 2.997 ms", "+200 %", "p = 0.0", "too few samples", "2 got worse, of 2 compared"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing from\n%s", want, out.String())
		}
	}
	if err := compareFiles(&out, []string{filepath.Join(dir, "old.json"), filepath.Join(dir, "other.json")}); err == nil || !strings.Contains(err.Error(), "storm") {
		t.Errorf("two suites: %v", err)
	}
	if err := compareFiles(&out, []string{"one"}); !errors.Is(err, errUsage) {
		t.Errorf("one file: %v", err)
	}
	for _, pair := range [][]string{{"/none.json", filepath.Join(dir, "new.json")}, {filepath.Join(dir, "new.json"), "/none.json"}} {
		if err := compareFiles(&out, pair); err == nil || !strings.Contains(err.Error(), "/none.json") {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}
