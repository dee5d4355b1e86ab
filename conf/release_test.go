package conf

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const released = `
[service.notes]
command = "./notes"
args = ["--db", "{instance_dir}/db"]
idle_timeout = 60
env = { KEY = "base", KEPT = "yes" }
[service.notes.release.v2]
command = "./notes2"
env = { KEY = "two" }
health = "/up"
[service.notes.release.V3]
command = "./notes3 --fast"
args = []
listen = "unix"
`

func TestRelease_LaysItsKeysOverTheService(t *testing.T) {
	notes := parsed(t, released).Services["notes"]
	v2, ok := notes.At("v2")
	if !ok || strings.Join(v2.Argv, " ") != "./notes2 --db {instance_dir}/db" || v2.Health != "/up" || v2.IdleTimeout != time.Minute {
		t.Errorf("v2: %+v", v2)
	}
	if want := map[string]string{"KEY": "two", "KEPT": "yes"}; !reflect.DeepEqual(v2.Env, want) {
		t.Errorf("env of v2: %v", v2.Env)
	}
	v3, ok := notes.At("v3")
	if !ok || strings.Join(v3.Argv, " ") != "./notes3 --fast" || v3.Listen != ListenUnix || v3.Env["KEY"] != "base" {
		t.Errorf("v3: %+v", v3)
	}
	for _, name := range []string{"", BaseRelease} {
		if base, ok := notes.At(name); !ok || base != notes || base.Env["KEY"] != "base" || base.Health != "" {
			t.Errorf("%q: %+v", name, base)
		}
	}
	if r, ok := notes.At("v9"); ok || r != nil {
		t.Errorf("v9: %+v", r)
	}
}

func TestRelease_MistakesAreToldOnceAndWithTheirLine(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"release = 3", []string{"3 service.notes.release must be a table, not a whole number"}},
		{"release.v2 = 3", []string{"3 service.notes.release.v2 must be a table, not a whole number"}},
		{"[service.notes.release.base]", []string{`3 service.notes.release.base "base" is the service without a release`}},
		{"[service.notes.release.'a b']", []string{"3 service.notes.release.\"a b\""}},
		{"[service.notes.release.v2]\n[service.notes.release.V2]", []string{"4 service.notes.release.V2 the same release as that of line 3"}},
		{"[service.notes.release.v2]\nisolation = \"process\"", []string{"4 service.notes.release.v2.isolation is the service's to say: a release sets command, args"}},
		{"[service.notes.release.v2]\ncomand = \"x\"", []string{"4 service.notes.release.v2.comand unknown key; did you mean \"command\"?"}},
		{"[service.notes.release.v2]\nenv = 5", []string{"4 service.notes.release.v2.env must be a table"}},
		{"[service.notes.release.v2]\ncommand = \"'x\"", []string{"4 service.notes.release.v2.command has a ' quote that is never closed"}},
		{"env.P = \"{port}\"\n[service.notes.release.v2]\nlisten = \"unix\"", []string{"3 service.notes.release.v2.env.P {port} has no value with listen = \"unix\""}},
		{"health = \"up\"\n[service.notes.release.v2]", []string{"3 service.notes.health \"up\" must begin with a slash"}},
		{"health = \"up\"\n[service.notes.release.v2]\nhealth = \"up\"", []string{"3 service.notes.health \"up\" must", "5 service.notes.release.v2.health \"up\" must"}},
	} {
		_, err := Parse("/etc/tenement.toml", []byte("[service.notes]\ncommand = \"x\"\n"+c.text))
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != len(c.want) {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for i, p := range problems {
			if got := fmt.Sprintf("%d %s %s", p.Line, p.Key, p.Text); !strings.HasPrefix(got, c.want[i]) {
				t.Errorf("%q: %q, want %q", c.text, got, c.want[i])
			}
		}
	}
}

func TestRelease_RemarksOfTheServiceAreNotRepeated(t *testing.T) {
	c := parsed(t, "[service.notes]\ncommand = \"x\"\nargs = [\"y\"]\n[service.notes.release.v2]\ncommand = \"x y\"\n[service.notes.release.v3]\n")
	var got []string
	for _, r := range c.Remarks {
		got = append(got, fmt.Sprintf("%d %s", r.Line, r.Text))
	}
	want := "1 service.notes: no idle_timeout: its tenants never go to sleep\n" +
		"5 service.notes.release.v2.command: \"x y\" is run as one word, because args is given"
	if all := strings.Join(got, "\n"); all != want {
		t.Errorf("remarks:\n%s\nwant:\n%s", all, want)
	}
}

func TestRelease_ComparesEachByItself(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`./notes2`, `./notes9`, `service.notes.release.v2.command: "./notes2" -> "./notes9" (processes)`},
		{`health = "/up"`, `health = "/well"`, `service.notes.release.v2.health: "/up" -> "/well" (live)`},
		{"[service.notes.release.V3]", "[service.notes.release.v4]\n[service.notes.release.V3]", `service.notes.release.v4: added (added)`},
		{"[service.notes.release.v2]\ncommand = \"./notes2\"\nenv = { KEY = \"two\" }\nhealth = \"/up\"\n", "", `service.notes.release.v2: removed (removed)`},
		{`"./notes"`, `"./other"`, `service.notes.command: "./notes" -> "./other" (processes)`},
	} {
		var got []string
		for _, d := range Compare(parsed(t, released), parsed(t, strings.Replace(released, c.old, c.new, 1))) {
			got = append(got, fmt.Sprintf("%s (%s)", d, d.Effect))
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%q for %q: %s, want %s", c.new, c.old, all, c.want)
		}
	}
}

func TestRelease_OnlyWhatAProcessIsMadeOfNeedsANewOne(t *testing.T) {
	old := parsed(t, released).Services["notes"]
	next := parsed(t, strings.Replace(released, `health = "/up"`, `health = "/well"`, 1)).Services["notes"]
	if NeedsProcess(old, next) || NeedsProcess(old.Releases["v2"], next.Releases["v2"]) {
		t.Error("a health path needs no process")
	}
	next = parsed(t, strings.Replace(released, "./notes2", "./notes9", 1)).Services["notes"]
	if NeedsProcess(old, next) || !NeedsProcess(old.Releases["v2"], next.Releases["v2"]) {
		t.Error("want a new process for v2 only")
	}
}

func TestHooks_AreCommandsWithTemplatesAndATimeLimit(t *testing.T) {
	s := parsed(t, "[service.notes]\ncommand = \"x\"\nbefore_start = \"./migrate '{id} now'\"\nafter_stop = \"cp {instance_dir}/db /b\"\n").Services["notes"]
	e := s.Expand(Vars{Name: "notes", ID: "al", InstanceDir: "/d/notes/al"})
	if fmt.Sprintf("%q", e.BeforeStart) != `["./migrate" "al now"]` || fmt.Sprintf("%q", e.AfterStop) != `["cp" "/d/notes/al/db" "/b"]` || s.HookTimeout != time.Minute {
		t.Errorf("%q %q %s", e.BeforeStart, e.AfterStop, s.HookTimeout)
	}
	for text, want := range map[string]string{
		"before_start = \"'\"": "quote that is never closed",
		"after_stop = \"\"":    "names no program",
		"hook_timeout = 0":     "at least 0.001 seconds",
		"listen = \"unix\"\nbefore_start = \"./wait {port}\"": "{port} has no value",
	} {
		if _, err := Parse("/t", []byte("[service.notes]\ncommand = \"x\"\n"+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
