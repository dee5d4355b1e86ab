package edge

import (
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"tenement/actors"
	"tenement/actors/ledger"
	"tenement/conf"
)

// service makes a token of a service's.
func (h *apiHost) service(plain, service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens[plain] = ledger.Token{Scope: ledger.ScopeService, Service: service}
}

// add registers a tenant in some state.
func (h *apiHost) add(name string, i actors.Info) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i.Name = apiName(name)
	h.tenants[i.Name] = i
}

func TestOverview_CountsWhatTheCallerSees(t *testing.T) {
	d := newAsker(t)
	d.host.config.Services["empty"] = &conf.Service{Name: "empty", Apex: "none"}
	d.host.add("notes:carol", actors.Info{State: "failed", Health: "failed", Requests: 7})
	d.host.add("gone:one", actors.Info{State: "asleep", Inflight: 2})
	d.host.service("of-notes", "notes")
	d.host.service("of-empty", "empty")
	for _, c := range []struct {
		token             string
		registered, awake int
		states            map[string]int
		services          []ServiceJSON
		memory            int64
		cpu               float64
		server            bool
	}{
		{"admin", 5, 1, map[string]int{"running": 1, "asleep": 3, "failed": 1}, []ServiceJSON{
			{Name: "empty", Configured: true, Apex: "none"}, {Name: "gone", Registered: 1},
			{Name: "notes", Configured: true, Registered: 3, Awake: 1, Failed: 1}, {Name: "shop", Configured: true, Registered: 1},
		}, 64e6, 90, true},
		{"of-notes", 3, 1, map[string]int{"running": 1, "asleep": 1, "failed": 1}, []ServiceJSON{{Name: "notes", Configured: true, Registered: 3, Awake: 1, Failed: 1}}, 64e6, 3 * apiUsage.CPU, false},
		{"of-empty", 0, 0, map[string]int{}, []ServiceJSON{{Name: "empty", Configured: true, Apex: "none"}}, 0, 0, false},
		{"notes-bob", 1, 0, map[string]int{"asleep": 1}, []ServiceJSON{{Name: "notes", Registered: 1}}, 0, apiUsage.CPU, false},
		{"alice", 2, 1, map[string]int{"running": 1, "asleep": 1}, []ServiceJSON{{Name: "notes", Registered: 1, Awake: 1}, {Name: "shop", Registered: 1}}, 64e6, 2 * apiUsage.CPU, false},
	} {
		o := decodedReply[OverviewJSON](t, d.ask(c.token, "GET", "/api/overview", ""))
		if o.Registered != c.registered || o.Awake != c.awake || !maps.Equal(o.States, c.states) || o.Memory != c.memory {
			t.Errorf("%s sees %d registered, %d awake, %v, %d bytes", c.token, o.Registered, o.Awake, o.States, o.Memory)
		}
		if !slices.Equal(o.Services, c.services) {
			t.Errorf("%s sees the services %+v", c.token, o.Services)
		}
		if (o.Server != nil) != c.server || math.Abs(o.CPUSecs-c.cpu) > 1e-6 {
			t.Errorf("%s sees the server: %+v, %f s of CPU", c.token, o.Server, o.CPUSecs)
		}
	}
}

// Where no cgroup counts them all, it is the sum of what each was seen to use, and so
// is the day's.
func TestOverview_CPUTimeIsCountedOnEveryHost(t *testing.T) {
	d := newAsker(t)
	d.host.uncounted = true
	o := decodedReply[OverviewJSON](t, d.ask("admin", "GET", "/api/overview", ""))
	if want := 3 * apiUsage.CPU; math.Abs(o.CPUSecs-want) > 1e-6 {
		t.Errorf("%f s, want %f", o.CPUSecs, want)
	}
	p, awake := d.look()
	if !awake || math.Abs(p.ofTenants-o.CPUSecs) > 1e-6 || p.tenants != 64e6 {
		t.Errorf("%+v, %t", p, awake)
	}
}

func TestOverview_WithoutFiguresIsAnError(t *testing.T) {
	d := newAsker(t)
	d.host.fails(errors.New("a fault"))
	d.ask("admin", "GET", "/api/overview", "").wants(t, 500, "cannot tell what tenants use: a fault")
	if p, awake := d.look(); !awake || p != (historyPoint{}) {
		t.Errorf("%+v, %t", p, awake)
	}
}
