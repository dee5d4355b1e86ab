package main

import (
	"encoding/json"
	"strings"
	"testing"

	"tenement/conf"
)

func TestCheck_AValidFileIsSaidToBeOne(t *testing.T) {
	w := newWorld(t)
	path := w.env["TENEMENT_CONFIG"]
	code, out, errs := w.ten("check")
	if code != 0 || errs != "" || !strings.HasSuffix(out, path+" is valid: 2 service(s)\n") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if !strings.Contains(out, path+":") || !strings.Contains(out, "remark: ") || !strings.Contains(out, "idle_timeout") {
		t.Errorf("no remark on idle_timeout, with its line:\n%s", out)
	}
}

func TestCheck_EveryProblemHasItsLine(t *testing.T) {
	w := newWorld(t)
	path := w.env["TENEMENT_CONFIG"]
	w.write(conf.FileName, "[service.notes]\ncomand = \"x\"\nisolation = \"process\"\nidle_timeout = \"\\u001b[2J\"\n")
	code, out, errs := w.ten("check")
	if code != 1 || !strings.Contains(out, path+":2: ") || !strings.Contains(out, "command") || strings.Contains(out, "is valid") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if !strings.HasPrefix(errs, "Error: "+path+": ") || !strings.Contains(errs, " problem(s)\n") || strings.ContainsRune(out+errs, 0x1b) {
		t.Errorf("stderr %q", errs)
	}
	code, out, _ = w.ten("check", "--json")
	var got checkJSON
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 || got.Valid || len(got.Problems) < 2 || got.Problems[0].Line == 0 {
		t.Errorf("exit %d, %v, %+v", code, err, got)
	}
	// The other verbs that need the file show the same lines.
	for _, verb := range []string{"serve", "config"} {
		if code, _, errs := w.ten(verb); code != 1 || !strings.Contains(errs, path+":2: ") || strings.Count(errs, "\n") < 2 {
			t.Errorf("%s: exit %d, %q", verb, code, errs)
		}
	}
}

func TestCheck_AServiceThatIsNotRunHereIsARemark(t *testing.T) {
	c := checked("f", &conf.Config{
		Services: map[string]*conf.Service{"vm": {Name: "vm", Line: 7, Refused: "no firecracker"}},
		Remarks:  []conf.Remark{{Line: 0, Text: "a word on all of it"}},
	}, nil)
	a, out, _ := newWorld(t).app()
	a.printCheck(c)
	want := "f: remark: a word on all of it\nf:7: remark: service.vm is not run: no firecracker\nf is valid: 1 service(s)\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestCheck_AFileThatCannotBeReadIsSaid(t *testing.T) {
	newWorld(t).wants(1, "", "cannot read the configuration", "check", "--config", "/nowhere/tenement.toml")
}

func TestConfig_ShowsWhatTheFileComesTo(t *testing.T) {
	w := newWorld(t)
	w.wants(0, "Data directory: "+w.dir+`/data
Health check interval: 10s

[service.notes]
  command: node server.js
  isolation: process
  health: /up
  idle_timeout: 300s

[service.shop]
  command: ./shop
  isolation: process
  health: none
  idle_timeout: never
`, "", "config")
	a, out, _ := w.app()
	a.printConfig(configJSON{Services: []serviceJSON{{Name: "vm", Refused: "no firecracker"}}})
	if !strings.HasSuffix(out.String(), "  not run: no firecracker\n") {
		t.Errorf("%s", out)
	}
}
