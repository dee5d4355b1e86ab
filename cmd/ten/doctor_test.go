package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"tenement/conf"
	"tenement/sandbox"
)

func TestDoctor_TheTableNamesWhoNeedsWhatAndHowToGetIt(t *testing.T) {
	a, out, _ := newWorld(t).app()
	a.printDoctor(doctorJSON{
		Levels:   []levelJSON{{Level: "process", Available: true}, {Level: "sandbox", Reason: "no runsc"}},
		Services: []ailingJSON{{"shop", "no runsc\x1b[31m"}},
		Mechanisms: []mechanismJSON{
			{Name: "pidfd", Levels: []sandbox.Level{"process", "sandbox"}, Present: true, Found: "pidfd_open"},
			{Name: "runsc", Levels: []sandbox.Level{"sandbox"}, Found: "none in the PATH", Remedy: "go install it"},
			{Name: "cgroups", Levels: []sandbox.Level{"sandbox"}, Serves: "freezing", Present: true, Found: "version 2"},
			{Name: "swap", Serves: "sleepers", Found: "none", Remedy: "make some"},
		},
	})
	want := `MECHANISM  NEEDED BY              HERE  FOUND             HOW TO GET IT
pidfd      process, sandbox       yes   pidfd_open        -
runsc      sandbox                no    none in the PATH  go install it
cgroups    sandbox, for freezing  yes   version 2         -
swap       for sleepers           no    none              make some

LEVEL    HERE
process  yes
sandbox  no

service shop cannot run here: no runsc\x1b[31m
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
}

func TestDoctor_FailsWhenAServiceCannotRunHere(t *testing.T) {
	w := newWorld(t)
	code, out, errs := w.ten("doctor")
	if code != 0 || errs != "" || !strings.HasPrefix(out, "MECHANISM") || !strings.Contains(out, "\nprocess    yes\n") {
		t.Fatalf("two services at process: exit %d\n%s%s", code, out, errs)
	}
	w.write(conf.FileName, worldConfig+"[settings]\nrunsc_path = \"/none/runsc\"\n[service.strange]\ncommand = \"x\"\nisolation = \"sandbox\"\n")
	code, out, errs = w.ten("doctor")
	if code != 1 || errs != "Error: 1 of 3 service(s) cannot run here\n" {
		t.Errorf("exit %d, %q", code, errs)
	}
	want := "\nservice strange cannot run here: isolation = \"sandbox\" cannot be had here: "
	const missing = "it needs runsc (/none/runsc: no such file or directory): CGO_ENABLED=0 GOBIN=/usr/local/bin go install gvisor.dev/gvisor/runsc@"
	if !strings.Contains(out, want) || !strings.Contains(out, missing) || !strings.Contains(out, "\nsandbox    no\n") {
		t.Errorf("%s", out)
	}
}

func TestDoctor_JSONHasAllOfIt(t *testing.T) {
	w := newWorld(t)
	w.write(conf.FileName, worldConfig+"[service.vm]\ncommand = \"x\"\nisolation = \"qemu\"\n")
	code, out, errs := w.ten("doctor", "--json")
	var got doctorJSON
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 || errs != "Error: 1 of 3 service(s) cannot run here\n" {
		t.Fatalf("exit %d, %v, %q", code, err, errs)
	}
	if len(got.Levels) != 3 || !got.Levels[0].Available || len(got.Mechanisms) < 12 {
		t.Errorf("%+v", got)
	}
	if len(got.Services) != 1 || got.Services[0] != (ailingJSON{"vm", `isolation "qemu" does not exist here: choose process, namespace or sandbox`}) {
		t.Errorf("%+v", got.Services)
	}
	for _, m := range got.Mechanisms {
		if m.Levels == nil || m.Found == "" {
			t.Errorf("%+v", m)
		}
	}
	if last := got.Mechanisms[len(got.Mechanisms)-1]; last.Serves != `network = "private"` {
		t.Errorf("nothing is said of the ways out: the last row is %+v", last)
	}
}

func TestDoctor_WithoutAFileIsAboutTheMachine(t *testing.T) {
	w := newWorld(t)
	delete(w.env, "TENEMENT_CONFIG")
	t.Chdir(t.TempDir())
	code, out, errs := w.ten("doctor")
	if code != 0 || errs != "" || strings.Contains(out, "service") || !strings.Contains(out, "LEVEL") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestDoctor_ABrokenFileIsSaidAsByTheOtherVerbs(t *testing.T) {
	w := newWorld(t)
	delete(w.env, "TENEMENT_DATA_DIR")
	w.write(conf.FileName, "[service.notes]\ncomand = \"x\"\n")
	code, _, errs := w.ten("doctor")
	if code != 1 || !strings.Contains(errs, w.env["TENEMENT_CONFIG"]+":2: ") {
		t.Errorf("exit %d %s", code, errs)
	}
}

// What the doctor says of a level is what the daemon refuses a service with.
func TestExamined_SaysWhatTheDaemonWould(t *testing.T) {
	d := sandbox.Diagnosis{Mechanisms: []sandbox.Mechanism{{Name: "root", Levels: []sandbox.Level{"namespace"}, Found: "uid 1000", Remedy: "be root"}}}
	config := &conf.Config{Services: map[string]*conf.Service{
		"a": {Name: "a", Isolation: "namespace"}, "b": {Name: "b", Isolation: "process"},
	}}
	j := examined(config, d)
	refusal := d.Supports("namespace")
	if refusal == nil || len(j.Services) != 1 || errors.New(j.Services[0].Reason).Error() != refusal.Error() {
		t.Errorf("%+v, the daemon says %v", j.Services, refusal)
	}
	if i := slices.IndexFunc(j.Levels, func(l levelJSON) bool { return !l.Available }); i != 1 || j.Levels[1].Reason != refusal.Error() {
		t.Errorf("%+v", j.Levels)
	}
}
