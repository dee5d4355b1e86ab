package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/actors/journal"
	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/sandbox"
)

// apiHost is a Host with a few tenants and no processes. It writes down what it
// was asked to do, and fails with fail when that is set.
type apiHost struct {
	Visits // not the API's business: nil, and so a panic

	mu      sync.Mutex
	config  *conf.Config
	tenants map[conf.Instance]actors.Info
	tokens  map[string]ledger.Token
	doors   map[conf.Instance]*actors.Door
	logs    *journal.Journal
	done    []string
	fail    error

	overridden actors.Overridden // what becomes of changes of tenants' own settings
	uncounted  bool              // no cgroup counts the CPU time of all
	proved     bool              // the rollout's release is good
}

func apiName(s string) conf.Instance {
	name, err := conf.ParseInstance(s)
	if err != nil {
		panic(err)
	}
	return name
}

// newAPIHost has alice awake and bob asleep in notes, alice in shop, an admin
// token, one of alice's anywhere, and one of bob's in notes.
func newAPIHost(t *testing.T) *apiHost {
	dir := t.TempDir()
	h := &apiHost{
		config:  &conf.Config{Services: map[string]*conf.Service{"notes": {Name: "notes"}, "shop": {Name: "shop"}}},
		tenants: map[conf.Instance]actors.Info{},
		tokens: map[string]ledger.Token{
			"admin":     {Scope: ledger.ScopeAdmin},
			"alice":     {Scope: ledger.ScopeTenant, ID: "alice"},
			"notes-bob": {Scope: ledger.ScopeTenant, Service: "notes", ID: "bob"},
		},
		logs: journal.Open(t.TempDir(), 1<<20),
	}
	for _, name := range []string{"notes:alice", "notes:bob", "shop:alice"} {
		i := actors.Info{Name: apiName(name), State: "asleep", Health: "unknown", Weight: 100, DataDir: dir + "/" + strings.ReplaceAll(name, ":", "/")}
		if name == "notes:alice" {
			i.State, i.Health, i.Pid, i.Listen, i.Socket, i.Port = "running", "healthy", 4711, "127.0.0.1:20001", "/run/a.sock", 20001
		}
		h.tenants[i.Name] = i
	}
	return h
}

func (h *apiHost) did(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	h.done = append(h.done, fmt.Sprintf(format, args...))
	return nil
}

// fails makes a host that others ask meanwhile fail from now on.
func (h *apiHost) fails(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = err
}

func (h *apiHost) deeds() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.done)
}

func (h *apiHost) find(name conf.Instance) (actors.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return actors.Info{}, h.fail
	}
	i, ok := h.tenants[name]
	if !ok {
		return i, fmt.Errorf("%s: %w", name, actors.ErrUnknownTenant)
	}
	return i, nil
}

// Door is that of a tenant which a test has given one by door.
func (h *apiHost) Door(service, id string) *actors.Door {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doors[conf.Instance{Service: service, ID: id}]
}

func (h *apiHost) door(name string) *actors.Door {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.doors == nil {
		h.doors = map[conf.Instance]*actors.Door{}
	}
	d := actors.NewDoor(apiName(name))
	h.doors[d.Name()] = d
	return d
}

func (h *apiHost) Config() *conf.Config      { return h.config }
func (h *apiHost) Journal() *journal.Journal { return h.logs }

func (h *apiHost) List() []actors.Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.tenants), func(a, b actors.Info) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
}

func (h *apiHost) Info(name conf.Instance) (actors.Info, error) { return h.find(name) }

func (h *apiHost) Why(name conf.Instance) (actors.Explanation, error) {
	i, err := h.find(name)
	return actors.Explanation{Info: i, Holds: []string{"one request is inside"}, Next: "sleeps 300 s after its last use"}, err
}

// Takes is a second and a megabyte of whoever has a process.
func (h *apiHost) Takes(name conf.Instance) (sandbox.Usage, bool) {
	i, err := h.find(name)
	return sandbox.Usage{CPU: time.Second, Memory: 1 << 20}, err == nil && i.Awake()
}

func (h *apiHost) CPUOfAll() (time.Duration, bool) { return 90 * time.Second, !h.uncounted }

// History has two points of whoever is known.
func (h *apiHost) History(_ context.Context, name conf.Instance) ([]actors.HistoryPoint, error) {
	_, err := h.find(name)
	return []actors.HistoryPoint{{At: 1000, CPU: 0.25, Memory: 1 << 20, Requests: 2.5}, {At: 1030, Memory: 1 << 21}}, err
}

func (h *apiHost) Spawn(_ context.Context, name conf.Instance) (actors.Info, error) {
	if err := h.did("spawn %s", name); err != nil {
		return actors.Info{}, err
	}
	return actors.Info{Name: name, Socket: "/run/x.sock", Port: 20002, Listen: "127.0.0.1:20002"}, nil
}

func (h *apiHost) Restart(_ context.Context, name conf.Instance) (actors.Info, error) {
	if err := h.did("restart %s", name); err != nil {
		return actors.Info{}, err
	}
	return h.find(name)
}

func (h *apiHost) Stop(_ context.Context, name conf.Instance) error { return h.did("stop %s", name) }
func (h *apiHost) Hold(_ context.Context, name conf.Instance) error { return h.did("hold %s", name) }
func (h *apiHost) Unhold(_ context.Context, name conf.Instance) error {
	return h.did("unhold %s", name)
}

func (h *apiHost) Register(_ context.Context, names []conf.Instance) (added int, err error) {
	for _, name := range names {
		if _, known := h.tenants[name]; !known {
			added++
		}
		if err := h.did("register %s", name); err != nil {
			return 0, err
		}
	}
	return added, nil
}

func (h *apiHost) Forget(_ context.Context, name conf.Instance, deleteData bool) error {
	return h.did("forget %s %t", name, deleteData)
}

func (h *apiHost) Domains() []ledger.Domain {
	return []ledger.Domain{
		{Name: "shop.org", Tenant: apiName("shop:alice"), Created: time.Unix(7, 0)},
		{Name: "xn--bcher-kva.org", Tenant: apiName("notes:bob")},
	}
}

func (h *apiHost) AddDomain(_ context.Context, domain string, name conf.Instance) (bool, error) {
	switch {
	case domain == "shop.org" && name != apiName("shop:alice"):
		return false, &ledger.TakenError{Domain: domain, By: apiName("shop:alice")}
	case domain == "example.test":
		return false, &actors.OwnDomainError{Domain: domain, Own: domain}
	case h.tenants[name].Name != name:
		return false, actors.ErrUnknownTenant
	}
	return domain != "shop.org", h.did("domain %s %s", domain, name)
}

func (h *apiHost) RemoveDomain(_ context.Context, domain string) (conf.Instance, error) {
	if domain != "shop.org" {
		return conf.Instance{}, fmt.Errorf("%s: %w", domain, actors.ErrUnknownDomain)
	}
	return apiName("shop:alice"), h.did("no domain %s", domain)
}

func (h *apiHost) SetWeight(_ context.Context, name conf.Instance, weight int) error {
	return h.did("weight %s %d", name, weight)
}

func (h *apiHost) Deploy(_ context.Context, name conf.Instance, weight int, patience time.Duration) (actors.Info, error) {
	err := h.did("deploy %s %d %s", name, weight, patience)
	return actors.Info{Name: name, Socket: "/run/x.sock", Weight: weight, Health: "healthy"}, err
}

func (h *apiHost) Rollout(_ context.Context, o actors.RolloutOrder) (actors.RolloutInfo, error) {
	switch {
	case o.To == "v9":
		return actors.RolloutInfo{}, fmt.Errorf("%w %q: notes has base, v2", actors.ErrUnknownRelease, o.To)
	case o.To == "busy":
		return actors.RolloutInfo{}, fmt.Errorf("%w: of notes to v2", actors.ErrRolloutUnderWay)
	case o.Service != "notes":
		return actors.RolloutInfo{}, actors.ErrUnknownService
	}
	err := h.did("rollout %s %s %g%% %d %s", o.Service, o.To, o.Canary, o.Batch, o.Patience)
	return h.Rollouts()[0], err
}

func (h *apiHost) AbortRollout(service string) (actors.RolloutInfo, error) {
	info, err := h.RolloutOf(service)
	if err != nil {
		return info, err
	}
	return info, h.did("abort %s", service)
}

func (h *apiHost) RolloutOf(service string) (actors.RolloutInfo, error) {
	if service != "notes" {
		return actors.RolloutInfo{}, fmt.Errorf("%w of %s yet", actors.ErrNoRollout, service)
	}
	return h.Rollouts()[0], nil
}

func (h *apiHost) Rollouts() []actors.RolloutInfo {
	return []actors.RolloutInfo{{Rollout: ledger.Rollout{
		Service: "notes", Number: 4, To: "v2", First: 3, Canary: true, Batch: 10, Proved: h.proved, State: ledger.RolloutForward, Started: time.UnixMilli(1000),
	}, Tenants: 2, Moved: 1, Left: 1}}
}

// FollowRollout gives the rollout as it is and as it ends.
func (h *apiHost) FollowRollout(context.Context, string) <-chan actors.RolloutInfo {
	c := make(chan actors.RolloutInfo, 2)
	info := h.Rollouts()[0]
	c <- info
	info.State, info.Moved, info.Left, info.Ended = ledger.RolloutDone, 2, 0, time.UnixMilli(2000)
	c <- info
	close(c)
	return c
}

func (h *apiHost) Route(_ context.Context, from, to conf.Instance) error {
	return h.did("route %s %s", from, to)
}

func (h *apiHost) Events() []actors.Occurrence {
	return []actors.Occurrence{
		{Number: 1, Time: time.UnixMilli(1000), Name: apiName("notes:alice"), To: actors.Queued, Event: actors.EventWake, Generation: 7},
		{Number: 2, Time: time.UnixMilli(2000), Name: apiName("notes:bob"), From: actors.Running, To: actors.Stopping, Event: actors.EventDied, Reason: "exit status 3"},
	}
}

// FollowEvents gives those of Events once more.
func (h *apiHost) FollowEvents(ctx context.Context) <-chan actors.Occurrence {
	c := make(chan actors.Occurrence)
	go func() { // ends with ctx
		defer close(c)
		for _, o := range h.Events() {
			select {
			case c <- o:
			case <-ctx.Done():
				return
			}
		}
		<-ctx.Done()
	}()
	return c
}

// Usage has a day in the past and today for everybody; Metering the same sums.
func (h *apiHost) Usage(_ context.Context, from, to string, wanted func(conf.Instance) bool) (rows []ledger.UsageRow, err error) {
	for _, day := range []string{"2026-11-01", ledger.Day(time.Now())} {
		for _, i := range h.List() {
			if day >= from && day <= to && wanted(i.Name) {
				rows = append(rows, ledger.UsageRow{Day: day, Tenant: i.Name, Usage: apiUsage})
			}
		}
	}
	return rows, h.did("usage %s %s", from, to)
}

var apiUsage = ledger.Usage{CPU: 1.23456, Memory: 2.5, Awake: 60, Requests: 7, In: 100, Out: 2000, Wakes: 3}

func (h *apiHost) Metering(context.Context) (*actors.Metering, error) {
	m := &actors.Metering{At: time.UnixMilli(5000), Tenants: map[conf.Instance]actors.Metered{}, Services: map[string]ledger.Usage{}}
	for _, i := range h.List() {
		m.Tenants[i.Name] = actors.Metered{Usage: apiUsage}
		if i.Awake() {
			m.Tenants[i.Name] = actors.Metered{Usage: apiUsage, MemoryBytes: 64e6}
		}
		m.Services[i.Name.Service] = m.Services[i.Name.Service].Plus(apiUsage)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return m, h.fail
}

func (h *apiHost) Token(plain string) (ledger.Token, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	token, ok := h.tokens[plain]
	return token, ok
}

func (h *apiHost) revoke(plain string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, plain)
}

func (h *apiHost) IssueToken(_ context.Context, t ledger.Token) (string, ledger.Token, error) {
	return "ten_new", t, h.did("token %s %s:%s %q", t.Scope, t.Service, t.ID, t.Description)
}

func (h *apiHost) Tokens() []ledger.Token {
	return []ledger.Token{
		{Hash: ledger.HashToken("a"), Scope: ledger.ScopeAdmin, Created: time.UnixMilli(1000)},
		{Hash: ledger.HashToken("b"), Scope: ledger.ScopeTenant, Service: "notes", ID: "bob", ReadOnly: true, Description: "b's", Created: time.UnixMilli(2000), Expires: time.UnixMilli(3000)},
	}
}

func (h *apiHost) RevokeToken(_ context.Context, handle string) error {
	if handle == "nobody" {
		return actors.ErrUnknownToken
	}
	return h.did("revoke %s", handle)
}

// asker is the API over a fake host, and somebody who asks.
type asker struct {
	*API
	host *apiHost
}

func newAsker(t *testing.T) asker {
	h := newAPIHost(t)
	return asker{NewAPI(APIOptions{Host: h, Log: zerolog.Nop()}), h}
}

// ask makes a call with a token ("" = none, "local" = by the control socket).
func (d asker) ask(token, method, target, body string) Reply {
	return d.Serve(context.Background(), apiCall(token, method, target, body))
}

func apiCall(token, method, target, body string) *Call {
	path, query, _ := strings.Cut(target, "?")
	c := &Call{Method: method, Path: path, Body: []byte(body), Remote: netip.MustParseAddr("192.0.2.1"), Local: token == "local"}
	c.Query, _ = url.ParseQuery(query)
	if token != "" && token != "local" {
		c.Authorization = "Bearer " + token
	}
	return c
}

// wants fails the test unless the reply has this status and says this.
func (r Reply) wants(t *testing.T, status int, says string) {
	t.Helper()
	if r.Status != status || !strings.Contains(string(r.Body), says) {
		t.Errorf("got %d %s, want %d with %q", r.Status, r.Body, status, says)
	}
	if status >= 400 && r.errorText() == "" {
		t.Errorf("a refusal without a JSON error: %d %q", r.Status, r.Body)
	}
}

func (r Reply) errorText() string {
	var e ErrorJSON
	if json.Unmarshal(r.Body, &e) != nil {
		return ""
	}
	return e.Error
}

func decodedReply[T any](t *testing.T, r Reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.Body, &v); err != nil || r.Status > 299 {
		t.Fatalf("%d %s: %v", r.Status, r.Body, err)
	}
	return v
}
