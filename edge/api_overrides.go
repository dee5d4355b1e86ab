package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"tenement/actors"
	"tenement/conf"
)

// EnvRequest is the body of PATCH …/env. What it does not name stays; null takes a
// variable away. The values of secrets are never shown again.
type EnvRequest struct {
	Env     map[string]*string `json:"env"`
	Secrets map[string]*string `json:"secrets"`
	Restart bool               `json:"restart"` // a running tenant, if anything changed
}

// VariableJSON is one of a tenant's own variables.
type VariableJSON struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // "" of a secret
	Secret bool   `json:"secret"`
}

// EnvJSON answers GET …/env.
type EnvJSON struct {
	Instance string         `json:"instance"`
	Env      []VariableJSON `json:"env"`
}

// LimitsRequest is the body of PATCH …/limits: keys of tenement.toml; null is the
// service's value again.
type LimitsRequest struct {
	Limits  map[string]*float64 `json:"limits"`
	Restart bool                `json:"restart"`
}

// LimitsJSON answers GET …/limits.
type LimitsJSON struct {
	Instance string      `json:"instance"`
	Own      conf.Limits `json:"own"` // those that are not the service's
	All      conf.Limits `json:"all"` // 0 = none
}

// OverriddenJSON answers PATCH …/env and …/limits.
type OverriddenJSON struct {
	Instance string `json:"instance"`
	Changed  bool   `json:"changed"`
	Effect   string `json:"effect"` // when it is felt; for people
}

// ProvisionRequest is one entry of the list of POST …/provision.
type ProvisionRequest struct {
	Instance string              `json:"instance"` // "service:id"
	Env      map[string]*string  `json:"env"`
	Secrets  map[string]*string  `json:"secrets"`
	Limits   map[string]*float64 `json:"limits"`
	Weight   *int                `json:"weight"` // 0..100; absent: as it is
}

// ProvisionedJSON answers POST …/provision.
type ProvisionedJSON struct {
	Added         int      `json:"added"`
	Changed       int      `json:"changed"` // known before, and different
	Unchanged     int      `json:"unchanged"`
	RestartNeeded []string `json:"restart_needed"` // those that run with their old settings
}

// ImportRequest is the body of POST …/import.
type ImportRequest struct {
	Services  []string `json:"services"`  // all directories of each
	Instances []string `json:"instances"` // "service:id" each
}

// ImportedJSON answers POST …/import.
type ImportedJSON struct {
	Instances []string `json:"instances"`
	Added     int      `json:"added"`   // how many were not known before
	Skipped   []string `json:"skipped"` // what is nobody's directory; for people
}

func (a *API) env(_ context.Context, r *apiRequest) Reply {
	variables, err := a.host.Env(r.name)
	if err != nil {
		return a.failed("cannot list the variables of "+r.name.String(), err)
	}
	answer := EnvJSON{Instance: r.name.String(), Env: make([]VariableJSON, len(variables))}
	for i, v := range variables {
		answer.Env[i] = VariableJSON(v)
	}
	return answerJSON(http.StatusOK, answer)
}

func (a *API) setEnv(ctx context.Context, r *apiRequest) Reply {
	var body EnvRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	return a.override(ctx, r, "the variables", actors.Overrides{Env: body.Env, Secrets: body.Secrets}, body.Restart)
}

func (a *API) limits(_ context.Context, r *apiRequest) Reply {
	own, all, err := a.host.Limits(r.name)
	if err != nil {
		return a.failed("cannot list the limits of "+r.name.String(), err)
	}
	if own == nil {
		own = conf.Limits{}
	}
	return answerJSON(http.StatusOK, LimitsJSON{Instance: r.name.String(), Own: own, All: all})
}

func (a *API) setLimits(ctx context.Context, r *apiRequest) Reply {
	var body LimitsRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	return a.override(ctx, r, "the limits", actors.Overrides{Limits: body.Limits}, body.Restart)
}

// override changes a tenant's own settings, and starts it anew where that was asked
// for and makes a difference.
func (a *API) override(ctx context.Context, r *apiRequest, what string, o actors.Overrides, restart bool) Reply {
	what = "cannot change " + what + " of " + r.name.String()
	done, err := a.host.Override(ctx, r.name, o)
	if err != nil {
		return a.failed(what, err)
	}
	answer := OverriddenJSON{Instance: r.name.String(), Changed: done.Changed(), Effect: effectOf(done)}
	if restart && needsRestart(done) {
		if _, err := a.host.Restart(ctx, r.name); err != nil {
			return a.failed("changed, and cannot restart "+r.name.String(), err)
		}
		answer.Effect = "restarted"
	}
	return answerJSON(http.StatusOK, answer)
}

// needsRestart reports that a tenant runs with settings that it was started with.
func needsRestart(o actors.Overridden) bool { return o.Running && (o.Env || o.Late != nil) }

// effectOf says when a change is felt.
func effectOf(o actors.Overridden) string {
	switch {
	case !o.Changed():
		return "nothing changed"
	case !o.Running:
		return "at its next start"
	case o.Late != nil:
		return fmt.Sprintf("at its next start, for its process cannot be changed: %v", o.Late)
	case o.Env:
		return "at its next start: its process keeps what it was started with"
	}
	return "at once"
}

func (a *API) provision(ctx context.Context, r *apiRequest) Reply {
	list, refused := readProvisions(r)
	if refused != nil {
		return *refused
	}
	done, err := a.host.Provision(ctx, list)
	switch {
	case errors.As(err, new(*actors.EntryError)):
		return a.failed("cannot provision, nothing is changed", err)
	case err != nil:
		return a.failed("cannot provision", err)
	}
	answer := ProvisionedJSON{RestartNeeded: []string{}}
	for _, d := range done {
		switch {
		case d.Added:
			answer.Added++
		case d.Changed():
			answer.Changed++
		default:
			answer.Unchanged++
		}
		if needsRestart(d) {
			answer.RestartNeeded = append(answer.RestartNeeded, d.Name.String())
		}
	}
	return answerJSON(http.StatusOK, answer)
}

// readProvisions reads a list, entry by entry, so that each fault has a number. A
// field that is not known is a fault here: half of what a list says, done to a
// thousand tenants, is no kindness to other versions.
func readProvisions(r *apiRequest) ([]actors.Provision, *Reply) {
	var raw []json.RawMessage
	if err := json.Unmarshal(r.Body, &raw); err != nil || raw == nil {
		return nil, refusep(http.StatusBadRequest, `a JSON list is expected: [{"instance": "service:id", "env": {…}, "limits": {…}, "weight": 100}, …]`)
	}
	list := make([]actors.Provision, len(raw))
	for i, entry := range raw {
		var p ProvisionRequest
		strict := json.NewDecoder(bytes.NewReader(entry))
		strict.DisallowUnknownFields()
		err := strict.Decode(&p)
		var wrong *json.UnmarshalTypeError
		switch {
		case errors.As(err, &wrong) && wrong.Field != "":
			err = fmt.Errorf("field %q: a %s is expected, not a %s", wrong.Field, jsonKind(wrong), wrong.Value)
		case err == nil:
			list[i].Name, err = conf.ParseInstance(p.Instance)
		}
		if err != nil {
			return nil, refusep(http.StatusBadRequest, "cannot provision, nothing is changed: entry %d: %v", i, err)
		}
		list[i].Overrides = actors.Overrides{Env: p.Env, Secrets: p.Secrets, Limits: p.Limits, Weight: p.Weight}
	}
	return list, nil
}

func (a *API) importTenants(ctx context.Context, r *apiRequest) Reply {
	var body ImportRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	var services []string
	var names []conf.Instance
	for _, text := range body.Services {
		service, err := conf.Name(text)
		if err != nil {
			return refuse(http.StatusBadRequest, `field "services": service %v`, err)
		}
		services = append(services, service)
	}
	for _, text := range body.Instances {
		name, err := conf.ParseInstance(text)
		if err != nil {
			return refuse(http.StatusBadRequest, `field "instances": %v`, err)
		}
		names = append(names, name)
	}
	if len(services)+len(names) == 0 {
		return refuse(http.StatusBadRequest, `fields "services" and "instances" are both empty: what is to be imported?`)
	}
	done, err := a.host.Import(ctx, services, names)
	if err != nil {
		return a.failed("cannot import", err)
	}
	answer := ImportedJSON{Instances: []string{}, Added: done.Added, Skipped: append([]string{}, done.Skipped...)}
	for _, name := range done.Names {
		answer.Instances = append(answer.Instances, name.String())
	}
	return answerJSON(http.StatusOK, answer)
}
