package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

// changed writes a change down for a test.
func changed(o actors.Overrides) string {
	var all []string
	for kind, variables := range map[string]map[string]*string{"env": o.Env, "secret": o.Secrets} {
		for _, k := range slices.Sorted(maps.Keys(variables)) {
			if v := variables[k]; v == nil {
				all = append(all, kind+" -"+k)
			} else {
				all = append(all, kind+" "+k+"="+*v)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(o.Limits)) {
		if n := o.Limits[k]; n == nil {
			all = append(all, "limit -"+k)
		} else {
			all = append(all, fmt.Sprintf("limit %s=%v", k, *n))
		}
	}
	if o.Weight != nil {
		all = append(all, fmt.Sprintf("weight %d", *o.Weight))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (h *apiHost) Override(_ context.Context, name conf.Instance, o actors.Overrides) (actors.Overridden, error) {
	if _, err := h.find(name); err != nil {
		return actors.Overridden{}, err
	}
	done := h.overridden
	done.Name = name
	return done, h.did("override %s %s", name, changed(o))
}

func (h *apiHost) Env(name conf.Instance) ([]actors.Variable, error) {
	_, err := h.find(name)
	return []actors.Variable{{Name: "KEY", Secret: true}, {Name: "PLAN", Value: "gold"}}, err
}

func (h *apiHost) Limits(name conf.Instance) (own, all conf.Limits, err error) {
	_, err = h.find(name)
	return nil, conf.Limits{"cpu_limit": 0.5}, err
}

func (h *apiHost) Provision(_ context.Context, list []actors.Provision) ([]actors.Overridden, error) {
	done := make([]actors.Overridden, len(list))
	for i, p := range list {
		if p.Name.Service != "notes" {
			return nil, &actors.EntryError{Index: i, Err: actors.ErrUnknownService}
		}
		done[i] = h.overridden
		done[i].Name, done[i].Added = p.Name, p.Name.ID == "new"
		if err := h.did("provision %s %s", p.Name, changed(p.Overrides)); err != nil {
			return nil, err
		}
	}
	return done, nil
}

func (h *apiHost) Import(_ context.Context, services []string, names []conf.Instance) (actors.Imported, error) {
	if len(names) > 0 && names[0].ID == "nobody" {
		return actors.Imported{}, &actors.OverrideError{Err: errors.New("notes:nobody has no directory")}
	}
	return actors.Imported{Names: []conf.Instance{apiName("notes:alice")}}, h.did("import %v %v", services, names)
}

func TestOverrides_AnswersSayWhatChangedAndWhenItIsFelt(t *testing.T) {
	for _, c := range []struct {
		done       actors.Overridden
		body       string
		says, deed string
	}{
		{actors.Overridden{}, `{"env":{"A":"1"}}`, `"changed":false,"effect":"nothing changed"`, "override notes:alice env A=1"},
		{actors.Overridden{Env: true}, `{"env":{"A":null}}`, `"changed":true,"effect":"at its next start"`, "override notes:alice env -A"},
		{actors.Overridden{Env: true, Running: true}, `{"secrets":{"A":"1"}}`, `"effect":"at its next start: its process keeps what it was started with"`, "override notes:alice secret A=1"},
		{actors.Overridden{Env: true, Running: true}, `{"secrets":{"A":"1"},"restart":true}`, `"effect":"restarted"`, "override notes:alice secret A=1,restart notes:alice"},
		{actors.Overridden{Env: true}, `{"env":{"A":"1"},"restart":true}`, `"effect":"at its next start"`, "override notes:alice env A=1"},
	} {
		d := newAsker(t)
		d.host.overridden = c.done
		d.ask("admin", "PATCH", "/api/instances/notes:alice/env", c.body).wants(t, http.StatusOK, c.says)
		if got := strings.Join(d.host.deeds(), ","); got != c.deed {
			t.Errorf("%s: the host did %s, want %s", c.body, got, c.deed)
		}
	}
	for _, c := range []struct {
		done actors.Overridden
		says string
	}{
		{actors.Overridden{Limits: true, Running: true}, `"effect":"at once"`},
		{actors.Overridden{Limits: true, Running: true, Late: errors.New("the kernel says no")}, `"effect":"at its next start, for its process cannot be changed: the kernel says no"`},
	} {
		d := newAsker(t)
		d.host.overridden = c.done
		d.ask("local", "PATCH", "/api/instances/notes:alice/limits", `{"limits":{"cpu_limit":0.5,"pids_limit":null}}`).wants(t, http.StatusOK, c.says)
		if got := strings.Join(d.host.deeds(), ","); got != "override notes:alice limit -pids_limit limit cpu_limit=0.5" {
			t.Errorf("the host did %s", got)
		}
	}
}

func TestOverrides_AreShownWithoutValuesOfSecrets(t *testing.T) {
	d := newAsker(t)
	d.ask("alice", "GET", "/api/instances/notes:alice/env", "").wants(t, 200,
		`{"instance":"notes:alice","env":[{"name":"KEY","value":"","secret":true},{"name":"PLAN","value":"gold","secret":false}]}`)
	d.ask("alice", "GET", "/api/instances/notes:alice/limits", "").wants(t, 200, `{"instance":"notes:alice","own":{},"all":{"cpu_limit":0.5}}`)
	d.ask("alice", "GET", "/api/instances/notes:bob/env", "").wants(t, 403, "this token is not for notes:bob")
	d.ask("admin", "GET", "/api/instances/notes:zoe/env", "").wants(t, 404, "cannot list the variables of notes:zoe")
	d.ask("admin", "GET", "/api/instances/notes:zoe/limits", "").wants(t, 404, "cannot list the limits of notes:zoe")
}

func TestOverrides_AreForTheOperatorToChange(t *testing.T) {
	d := newAsker(t)
	for _, target := range []string{"env", "limits"} {
		d.ask("alice", "PATCH", "/api/instances/notes:alice/"+target, `{}`).wants(t, 403, "needs an admin token")
	}
	for _, target := range []string{"provision", "import"} {
		d.ask("alice", "POST", "/api/instances/"+target, `[]`).wants(t, 403, "needs an admin token")
	}
	if got := d.host.deeds(); len(got) > 0 {
		t.Errorf("the host did %q", got)
	}
}

func TestOverrides_RefusalsSayWhatIsWrongAndNoValue(t *testing.T) {
	for _, c := range []struct {
		method, target, body string
		status               int
		says                 string
	}{
		{"PATCH", "notes:alice/env", "", 400, "no body"},
		{"PATCH", "notes:alice/env", `{"env":{"A":5551234}}`, 400, "is expected"},
		{"PATCH", "notes:alice/limits", `{"limits":{"cpu_limit":"5551234"}}`, 400, "is expected"},
		{"PATCH", "notes:zoe/env", `{"env":{"A":"5551234"}}`, 404, "cannot change the variables of notes:zoe"},
		{"POST", "provision", `{}`, 400, "a JSON list is expected"},
		{"POST", "provision", `null`, 400, "a JSON list is expected"},
		{"POST", "provision", `[{"instance":"notes:x"},{"instance":"notes"}]`, 400, `entry 1: "notes": not a valid name`},
		{"POST", "provision", `[{"instance":"notes:x","secret":{"A":"5551234"}}]`, 400, `entry 0: json: unknown field "secret"`},
		{"POST", "provision", `[{"instance":"notes:x","secrets":{"A":5551234}}]`, 400, `entry 0: field "secrets`},
		{"POST", "provision", `[{"instance":"notes:x"},{"instance":"none:x"}]`, 400, "nothing is changed: entry 1: unknown service"},
		{"POST", "import", `{}`, 400, "both empty"},
		{"POST", "import", `{"services":["a b"]}`, 400, `field "services": service "a b"`},
		{"POST", "import", `{"instances":["a"]}`, 400, `field "instances": "a"`},
		{"POST", "import", `{"instances":["notes:nobody"]}`, 400, "cannot import: notes:nobody has no directory"},
		{"POST", "import", `[`, 400, "not the JSON object"},
	} {
		d := newAsker(t)
		r := d.ask("admin", c.method, "/api/instances/"+c.target, c.body)
		if r.Status != c.status || !strings.Contains(r.errorText(), c.says) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.target, c.body, r.Status, r.errorText(), c.status, c.says)
		}
		if strings.Contains(string(r.Body), "5551234") {
			t.Errorf("%s is answered with a value: %s", c.body, r.Body)
		}
	}
	d := newAsker(t)
	d.host.fail = errors.New("the disk is full")
	d.ask("admin", "POST", "/api/instances/provision", `[{"instance":"notes:x"}]`).wants(t, 500, "cannot provision: the disk is full")
}

func TestOverrides_AListIsCounted(t *testing.T) {
	d := newAsker(t)
	d.host.overridden = actors.Overridden{Env: true, Running: true}
	d.ask("admin", "POST", "/api/instances/provision", `[{"instance":"notes:new","weight":3},{"instance":"Notes:Alice","env":{"A":"1"}}]`).
		wants(t, 200, `{"added":1,"changed":1,"unchanged":0,"restart_needed":["notes:new","notes:alice"]}`)
	if got := strings.Join(d.host.deeds(), ","); got != "provision notes:new weight 3,provision notes:alice env A=1" {
		t.Errorf("the host did %s", got)
	}
	d.ask("admin", "POST", "/api/instances/import", `{"services":["Notes"],"instances":["notes:bob"]}`).
		wants(t, 200, `{"instances":["notes:alice"],"added":0,"skipped":[]}`)
}
