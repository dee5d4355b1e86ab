package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tenement/conf"
)

func TestFindings_ALineForWhatIsWellAndThreeForWhatIsNot(t *testing.T) {
	a, out, _ := newWorld(t).app()
	a.printFindings([]finding{good("port 443", "free"), {"*.notes.example.com", wrong, "has no address\x1b[31m", "nobody comes", "add it"}})
	want := `
ok       port 443             free
failed   *.notes.example.com  has no address\x1b[31m
                              that means: nobody comes
                              what to do: add it
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
}

func TestFindings_WhatFailsDecidesAboutTheExit(t *testing.T) {
	bad, fishy := finding{State: wrong}, finding{State: doubtful}
	config := &conf.Config{Services: map[string]*conf.Service{"a": {}, "b": {}}}
	for want, j := range map[string]doctorJSON{
		"":                                  {Findings: []finding{good("x", "y"), fishy}},
		"1 of 2 finding(s) failed":          {Findings: []finding{bad, fishy}},
		"1 of 2 service(s) cannot run here": {Services: make([]ailingJSON, 1), Findings: []finding{fishy}},
		"1 of 2 service(s) cannot run here, and 2 of 3 finding(s) failed": {Services: make([]ailingJSON, 1), Findings: []finding{bad, bad, fishy}},
	} {
		got := ""
		if err := j.complaint(config); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// All of it, with a name server that knows the domain and no wildcard.
func TestDoctor_ADomainWithoutAWildcardFailsByName(t *testing.T) {
	w := newWorld(t)
	a, out, errs := w.app()
	a.resolver = zone{records: map[string][]string{"example.com": {"127.0.0.1"}, "notes.example.com": {"127.0.0.1"}, "shop.example.com": {"127.0.0.1"}}}.resolver(t)
	code := a.runContext(t.Context(), []string{"doctor", "--json", "-d", "example.com"})
	var got doctorJSON
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || code != 1 || !strings.HasSuffix(errs.String(), "finding(s) failed\n") {
		t.Fatalf("exit %d, %v, %s\n%s", code, err, errs, out)
	}
	states := map[string]verdict{}
	var names []string
	for _, f := range got.Findings {
		states[f.Name] = f.State
		names = append(names, f.Name)
		if f.Found == "" || (f.Means == "" || f.Remedy == "") != (f.State == fine) {
			t.Errorf("%+v", f)
		}
	}
	if states["example.com"] != doubtful || states["*.notes.example.com"] != wrong || states["*.shop.example.com"] != wrong {
		t.Errorf("%v", states)
	}
	for _, name := range []string{"port 8080", "clock", "disk", "run_dir", "memory", "open files", "processes"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among %q", name, names)
		}
	}
}
