package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

// settings writes a change down for a test.
func settings(o actors.Overrides) string {
	var all []string
	for kind, variables := range map[string]map[string]*string{"env": o.Env, "secret": o.Secrets} {
		for k, v := range variables {
			if v == nil {
				all = append(all, fmt.Sprintf("%s -%s", kind, k))
			} else {
				all = append(all, fmt.Sprintf("%s %s=%s", kind, k, *v))
			}
		}
	}
	for k, v := range o.Limits {
		if v == nil {
			all = append(all, "limit -"+k)
		} else {
			all = append(all, fmt.Sprintf("limit %s=%v", k, *v))
		}
	}
	if o.Weight != nil {
		all = append(all, fmt.Sprintf("weight %d", *o.Weight))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (h *fakeHost) Override(_ context.Context, name conf.Instance, o actors.Overrides) (actors.Overridden, error) {
	if _, known := h.tenants[name]; !known {
		return actors.Overridden{}, actors.ErrUnknownTenant
	}
	done := h.overridden
	done.Name = name
	return done, h.did("override %s %s", name, settings(o))
}

func (h *fakeHost) Env(name conf.Instance) ([]actors.Variable, error) {
	if name.ID != "alice" {
		return nil, nil
	}
	return []actors.Variable{{Name: "KEY", Secret: true}, {Name: "PLAN", Value: "gold\x1b[2J"}}, nil
}

func (h *fakeHost) Limits(conf.Instance) (own, all conf.Limits, err error) {
	return conf.Limits{"memory_limit_mb": 512}, conf.Limits{"memory_limit_mb": 512, "cpu_limit": 0.5}, nil
}

func (h *fakeHost) Provision(_ context.Context, list []actors.Provision) ([]actors.Overridden, error) {
	done := make([]actors.Overridden, len(list))
	for i, p := range list {
		done[i] = h.overridden
		done[i].Name = p.Name
		if err := h.did("provision %s %s", p.Name, settings(p.Overrides)); err != nil {
			return nil, err
		}
	}
	return done, nil
}

func (h *fakeHost) Import(_ context.Context, services []string, names []conf.Instance) (actors.Imported, error) {
	err := h.did("import %v %v", services, names)
	return actors.Imported{Names: slices.Collect(maps.Keys(h.tenants)), Added: 1, Skipped: []string{"lost+found is nobody's"}}, err
}

func TestEnv_IsListedAndChanged(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(0, "NAME  VALUE\nKEY   (secret)\nPLAN  gold\\x1b[2J\n", "", "env", "notes:alice")
	w.wants(0, "notes:bob has no variables of its own\n", "", "env", "notes:bob")
	w.wants(0, "[]\n", "", "env", "notes:bob", "--json")
	w.wants(0, "Nothing changed\n", "", "env", "notes:alice", "A=1")
	w.host.overridden = actors.Overridden{Env: true, Running: true}
	w.wants(0, "Changed the variables of notes:alice\nIn effect: at its next start: its process keeps what it was started with\n", "",
		"env", "notes:alice", "A=x=y", "B=", "--unset", "C")
	w.stdin = "s3cret\n"
	w.wants(0, "Changed the variables of notes:alice\nIn effect: restarted\n", "", "env", "notes:alice", "KEY", "D=d", "--secret", "--restart")
	w.host.overridden = actors.Overridden{Env: true}
	w.wants(0, "Changed the variables of notes:bob\nIn effect: at its next start\n", "", "env", "notes:bob", "A=1", "--restart")
	const deeds = "override notes:alice env A=1, override notes:alice env -C env A=x=y env B=, " +
		"override notes:alice secret D=d secret KEY=s3cret, restart notes:alice, override notes:bob env A=1"
	if got := w.host.all(); got != deeds {
		t.Errorf("the host did %s\nwant %s", got, deeds)
	}
}

func TestEnv_RefusalsSayWhatIsWrongAndNoValue(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	for _, c := range []struct{ stdin, line, want string }{
		{"", "env alice", `"alice": not a valid name`},
		{"", "env notes:alice KEY", `"KEY": KEY=VALUE is expected (KEY alone, from stdin, goes with --secret)`},
		{"", "env notes:alice KEY --secret", "stdin is empty: it is to hold the value of KEY"},
		{"s3cret", "env notes:alice A B --secret", "A and B: one value at a time is read from stdin"},
		{strings.Repeat("s3cret", 20000), "env notes:alice A --secret", "the value of A has more than 65536 bytes"},
		{"s3cret\x00", "env notes:alice A --secret", "A: its value contains a NUL byte"},
		{"", "env notes:alice A=s3cret A=b", "A is given twice"},
		{"", "env notes:alice A=s3cret --unset A", "A is given both a value and to --unset"},
		{"", "env notes:alice TENEMENT_ID=s3cret", "TENEMENT_ID is tenement's own"},
		{"", "env notes:alice =s3cret", "cannot name a variable"},
		{"", "env notes:alice --secret", "--secret and --restart go with KEY=VALUE"},
		{"", "env notes:zoe A=s3cret", "cannot change the variables of notes:zoe: unknown tenant"},
	} {
		w.stdin = c.stdin
		if code, out, errs := w.ten(strings.Fields(c.line)...); code != 1 || out != "" || !strings.Contains(errs, c.want) || strings.Contains(errs, "s3cret") {
			t.Errorf("%s: exit %d %s%s\nwant %s", c.line, code, out, errs, c.want)
		}
	}
	if got := w.host.all(); got != "" {
		t.Errorf("the host did %s", got)
	}
}

func TestLimits_AreListedAndChanged(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(0, `LIMIT             VALUE  FROM
memory_limit_mb   512    the tenant
cpu_limit         0.5    the service
cpu_shares        -      -
pids_limit        -      -
io_weight         -      -
open_files        -      -
storage_quota_mb  -      -
`, "", "limits", "notes:alice")
	if code, out, _ := w.ten("limits", "notes:alice", "--json"); code != 0 || !strings.Contains(out, `"memory_limit_mb": 512`) {
		t.Errorf("%d %s", code, out)
	}
	w.host.overridden = actors.Overridden{Limits: true, Running: true}
	w.wants(0, "Changed the limits of notes:alice\nIn effect: at once\n", "", "limits", "notes:alice", "memory_limit_mb=512", "cpu_limit=")
	w.host.overridden.Late = errors.New("the kernel says no")
	w.wants(0, "Changed the limits of notes:alice\nIn effect: at its next start, for its process cannot be changed: the kernel says no\n", "", "limits", "notes:alice", "cpu_limit=0.5")
	w.wants(0, "Changed the limits of notes:alice\nIn effect: restarted\n", "", "limits", "notes:alice", "cpu_limit=0.5", "--restart")
	const deeds = "override notes:alice limit -cpu_limit limit memory_limit_mb=512, override notes:alice limit cpu_limit=0.5, " +
		"override notes:alice limit cpu_limit=0.5, restart notes:alice"
	if got := w.host.all(); got != deeds {
		t.Errorf("the host did %s\nwant %s", got, deeds)
	}
	w.wants(1, "", `"memory" is no limit of a tenant's`, "limits", "notes:alice", "memory=1")
	w.wants(1, "", "pids_limit is given twice", "limits", "notes:alice", "pids_limit=9", "pids_limit=8")
	w.wants(1, "", "--restart goes with KEY=VALUE", "limits", "notes:alice", "--restart")
	w.wants(1, "", "not a valid name", "limits", "alice")
}

func TestProvision_TellsWhatCameOfTheList(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.write("list.json", `[{"instance": "notes:x", "env": {"A": "1", "B": null}, "secrets": {"K": "s"}, "limits": {"pids_limit": 9}, "weight": 7}, {"instance": "notes:y"}]`)
	list := filepath.Join(w.dir, "list.json")
	w.wants(0, "Nothing changed: 2 tenant(s) are as the list says\n", "", "provision", list)
	w.host.overridden = actors.Overridden{Added: true}
	w.wants(0, "Added 2, changed 0, 0 unchanged\n", "", "provision", list)
	w.host.overridden = actors.Overridden{Env: true, Running: true}
	w.stdin = `[{"instance": "notes:x"}]`
	w.wants(0, "Added 0, changed 1, 0 unchanged\n1 run with what they were started with until their next start:\n  ten restart notes:x\n", "", "provision", "-")
	w.stdin = `[]`
	w.wants(0, "{\n  \"added\": 0,\n  \"changed\": 0,\n  \"unchanged\": 0,\n  \"restart_needed\": []\n}\n", "", "provision", "-", "--json")
	if got := w.host.all(); !strings.HasPrefix(got, "provision notes:x env -B env A=1 limit pids_limit=9 secret K=s weight 7, provision notes:y , ") {
		t.Errorf("the host did %s", got)
	}
	for stdin, want := range map[string]string{
		`{"instance": "notes:x"}`: "stdin is no JSON list",
		`[{"instance": "notes"}]`: "cannot provision, nothing is changed: entry 0: \"notes\": not a valid name",
		`[{"instance": "notes:x"}, {"instance": "notes:y", "limit": {}}]`: `entry 1: json: unknown field "limit"`,
		`[{"instance": "notes:x", "weight": "7"}]`:                        `entry 0: field "weight": a whole number is expected, not a string`,
		strings.Repeat(" ", maxList+1):                                    "stdin has more than the 1048576 bytes",
	} {
		w.stdin = stdin
		w.wants(1, "", want, "provision", "-")
	}
	w.wants(1, "", "cannot read the list: open /no/such: no such file", "provision", "/no/such")
	w.wants(1, "", "cannot read", "provision", w.dir)
}

func TestImport_TellsServicesTenantsAndDirectoriesApart(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	data := filepath.Join(w.dir, "data")
	w.wants(0, "Skipped: lost+found is nobody's\nImported 1 tenant(s), 2 were known already\n", "", "import", "Notes", "shop:x", data+"/notes/dave/")
	if got := w.host.all(); got != "import [notes] [shop:x notes:dave]" {
		t.Errorf("the host did %s", got)
	}
	for arg, want := range map[string]string{
		w.dir:                  "is not a tenant's directory: move it to " + data + "/SERVICE/ID first",
		data + "/notes":        "is not a tenant's directory",
		data + "/notes/a/b":    "is not a tenant's directory",
		data + "/notes/Dave":   "ids are lower-case: rename it to dave",
		data + "/notes/d ave":  "not a valid name",
		data + "/notes/../x/y": "",
		"a b":                  "service \"a b\": not a valid name",
		"notes:a b":            "not a valid name",
	} {
		if want != "" {
			w.wants(1, "", want, "import", arg)
		}
	}
}
