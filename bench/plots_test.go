package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDraw_MakesAPictureOfEachSuite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reports := map[string]*report{
		"coldstart": {Results: []result{distribution("cold start, Go, fd", "bare", "ms", []float64{2, 1, 3}), distribution("cold start, Go, fd", "process", "ms", []float64{2.5, 1.5, 3.5})}},
		"storm":     {Results: []result{{Name: "woken, 1 at once", Subject: "process", Value: 3}, {Name: "woken, 10 at once", Subject: "process", Value: 9}, {Name: "last one ready, 10 at once", Subject: "process", Value: 20}}},
		"density":   {Results: []result{{Name: "RSS, 100 asleep", Value: 18}, {Name: "RSS, 1000 asleep", Value: 20}, {Name: "CPU, 1000 asleep", Value: 0.1}}},
		"edge":      {Results: []result{{Name: "requests per CPU-second, 128 B", Subject: ours, Value: 60000}, {Name: "requests per CPU-second, 128 B", Subject: nginx, Value: 65000}, {Name: "requests per CPU-second, 1 MB", Subject: nginx, Value: 900}}},
		"isolation": {Results: []result{{Name: "start of the smallest app, enclosed", Subject: "bare", Value: 0.5}, {Name: "start of the smallest app, enclosed", Subject: "bwrap", Value: 4}}},
		"stop":      {Results: []result{{Name: "stop", Value: 1}}},
	}
	if err := draw(reports, filepath.Join(dir, "plots")); err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string][]string{
		"coldstart": {"Go, fd, bare", "Go, fd, process"}, "storm": {"woken, process", "tenants"}, "density": {"RSS", "tenants"}, "edge": {"tenement", "nginx", "128 B"}, "isolation": {"bwrap"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, "plots", name+".svg"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, word := range words {
			if !strings.Contains(string(text), word) {
				t.Errorf("%s.svg does not show %q", name, word)
			}
		}
	}
}

func TestDraw_NothingMeasuredIsNoPictureAndNoPanic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := map[string]*report{}
	for _, s := range suites {
		empty[s.name] = &report{Suite: s.name}
	}
	if err := draw(empty, dir); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := draw(empty, filepath.Join(file, "plots")); err == nil {
		t.Error("plots inside a file")
	}
}

func TestCumulative_IsTheShareThatWasReady(t *testing.T) {
	t.Parallel()
	points := cumulative([]float64{4, 1, 2, 0})
	if len(points) != 3 || points[0].X != 1 || points[0].Y != 0.5 || points[2].X != 4 || points[2].Y != 1 {
		t.Errorf("%v", points)
	}
}

func TestByCount_MakesACurveOfEachFigure(t *testing.T) {
	t.Parallel()
	r := &report{Results: []result{{Name: "RSS, 100 asleep", Value: 18}, {Name: "PSS, 100 asleep", Value: 15}, {Name: "RSS, 1000 asleep", Value: 20}, {Name: "RSS of something", Value: 9}, {Name: "RSS, 7 asleep", Value: 0}}}
	got := byCount(r, asleepCount, []string{"RSS", "PSS"})
	if len(got) != 2 || got[0].name != "RSS" || len(got[0].XYs) != 2 || got[0].XYs[1].X != 1000 || got[0].XYs[1].Y != 20 || got[1].name != "PSS" {
		t.Errorf("%+v", got)
	}
}
