package main

import (
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
)

// What benchstat's own reader finds is what was measured.
func TestBenchfmt_IsReadByBenchstat(t *testing.T) {
	t.Parallel()
	r := report{Suite: "coldstart", Machine: machine{CPU: "a CPU", Commit: "abc", Kernel: "Linux 6", Go: "go1"}, Results: []result{
		{Name: "cold wake, Go / fd", Subject: "name space", Unit: "ms", Runs: 2, Samples: []float64{1.5, 2}},
		{Name: "memory", Unit: "MB", Runs: 1, Value: 20.5},
		{Name: "share", Unit: "% of a core", Runs: 1, Value: 3},
		{Name: "nothing", Unit: "ms"},
	}}
	reader := benchfmt.NewReader(strings.NewReader(r.benchfmt()), "x")
	var found []string
	values := map[string][]float64{}
	for reader.Scan() {
		one, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			t.Fatalf("%v", reader.Result())
		}
		if len(values) == 0 && (one.GetConfig("commit") != "abc" || one.GetConfig("cpu") != "a CPU") {
			t.Errorf("of which commit? %v", one.Config)
		}
		name := one.Name.String()
		found = append(found, name)
		values[name] = append(values[name], one.Values[0].Value)
		if one.Values[0].Unit == "sec" && name != found[0] {
			t.Errorf("%s is no time", name)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	wake := "Suite/suite=coldstart/what=cold_wake__Go___fd/subject=name_space"
	if len(found) != 4 || found[0] != wake || len(values[wake]) != 2 || values[wake][0] != 0.0015 || values[wake][1] != 0.002 {
		t.Errorf("%q %v", found, values)
	}
	if values["Suite/suite=coldstart/what=memory"][0] != 20.5e6 {
		t.Errorf("%v", values)
	}
}
