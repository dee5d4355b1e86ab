package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
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
	"tenement/edge"
	"tenement/sandbox"
)

// fakeHost is a tree without processes: alice awake, bob asleep, carol failed.
type fakeHost struct {
	edge.Visits // never reached by the API

	options actors.Options
	logs    *journal.Journal
	done    chan struct{}

	mu      sync.Mutex
	tenants map[conf.Instance]actors.Info
	domains []ledger.Domain
	rolled  ledger.Rollout
	deeds   []string
	fail    error
	fails   bool // FollowEvents tells of a tenant that failed
	looks   int  // how often Metering was asked
	hang    bool // Shutdown waits for its context

	stubborn bool // hold and unhold have no effect

	looked func()                                                          // Info is asked for
	shell  func(context.Context, actors.Execution) (sandbox.Status, error) // what sqlite3 does in a tenant

	overridden actors.Overridden // what becomes of changes of tenants' own settings
}

func newFakeHost(t *testing.T) *fakeHost {
	h := &fakeHost{logs: journal.Open(t.TempDir(), 1<<20), done: make(chan struct{}), tenants: map[conf.Instance]actors.Info{}}
	for _, i := range []actors.Info{
		{State: "running", Health: "healthy", Pid: 4711, Generation: 3, Listen: "127.0.0.1:20001", Uptime: 2 * time.Hour, Idle: 3 * time.Minute,
			Weight: 100, Inflight: 1, Restarts: 2, Since: time.Now().Add(-90 * time.Second)},
		{State: "asleep", Health: "unknown", Weight: 0},
		{State: "failed", Health: "failed", Weight: 100, Reason: "exit status 3\x1b[31m"},
	} {
		i.Name = conf.Instance{Service: "notes", ID: []string{"alice", "bob", "carol"}[len(h.tenants)]}
		h.tenants[i.Name] = i
	}
	return h
}

func (h *fakeHost) did(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	h.deeds = append(h.deeds, fmt.Sprintf(format, args...))
	return nil
}

func (h *fakeHost) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.deeds, ", ")
}

func (h *fakeHost) Config() *conf.Config      { return h.options.Config }
func (h *fakeHost) Journal() *journal.Journal { return h.logs }
func (h *fakeHost) Done() <-chan struct{}     { return h.done }

func (h *fakeHost) StartListed(context.Context) error { return h.did("start listed") }

func (h *fakeHost) Reload(_ context.Context, next *conf.Config) ([]conf.Difference, error) {
	changes := conf.Compare(h.options.Config, next)
	h.options.Config = next
	return changes, h.did("reload")
}

func (h *fakeHost) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	hang := h.hang
	h.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.did("shutdown")
}

func (h *fakeHost) List() []actors.Info {
	return slices.SortedFunc(maps.Values(h.tenants), func(a, b actors.Info) int { return strings.Compare(a.Name.String(), b.Name.String()) })
}

func (h *fakeHost) Info(name conf.Instance) (actors.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.looked != nil {
		h.looked()
	}
	i, ok := h.tenants[name]
	if !ok {
		return i, actors.ErrUnknownTenant
	}
	return i, nil
}

func (h *fakeHost) Why(name conf.Instance) (actors.Explanation, error) {
	i, err := h.Info(name)
	return actors.Explanation{Info: i, Holds: []string{"1 request is inside"}, Next: "sleeps 300 s after its last use"}, err
}

func (h *fakeHost) Takes(conf.Instance) (sandbox.Usage, bool) { return sandbox.Usage{}, false }
func (h *fakeHost) CPUOfAll() (time.Duration, bool)           { return 0, false }
func (h *fakeHost) History(context.Context, conf.Instance) ([]actors.HistoryPoint, error) {
	return nil, nil
}

func (h *fakeHost) Spawn(_ context.Context, name conf.Instance) (actors.Info, error) {
	if name.Service != "notes" {
		return actors.Info{}, actors.ErrUnknownService
	}
	return actors.Info{Name: name, Listen: "127.0.0.1:20009"}, h.did("spawn %s", name)
}

func (h *fakeHost) Restart(_ context.Context, name conf.Instance) (actors.Info, error) {
	return actors.Info{Name: name}, h.did("restart %s", name)
}

func (h *fakeHost) Stop(_ context.Context, name conf.Instance) error { return h.did("stop %s", name) }
func (h *fakeHost) Hold(_ context.Context, name conf.Instance) error {
	return h.become(name, "held", h.did("hold %s", name))
}

func (h *fakeHost) Unhold(_ context.Context, name conf.Instance) error {
	return h.become(name, "asleep", h.did("unhold %s", name))
}

// become puts a tenant into a state without a process, unless something failed.
func (h *fakeHost) become(name conf.Instance, state string, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i, known := h.tenants[name]; known && err == nil && !h.stubborn {
		i.State, i.Pid = state, 0
		h.tenants[name] = i
	}
	return err
}

func (h *fakeHost) Register(_ context.Context, names []conf.Instance) (int, error) {
	return len(names), h.did("register %s", names)
}

func (h *fakeHost) Domains() []ledger.Domain {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.domains
}

func (h *fakeHost) Rollout(_ context.Context, o actors.RolloutOrder) (actors.RolloutInfo, error) {
	if o.To == "v9" {
		return actors.RolloutInfo{}, fmt.Errorf("%w %q: notes has base, v2", actors.ErrUnknownRelease, o.To)
	}
	err := h.did("rollout %s %s %g%% %d %s", o.Service, o.To, o.Canary, o.Batch, o.Patience)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rolled = ledger.Rollout{Service: o.Service, Number: 1, To: o.To, Batch: o.Batch, State: ledger.RolloutForward, Started: time.UnixMilli(1000)}
	return actors.RolloutInfo{Rollout: h.rolled, Tenants: 3, Left: 1}, err
}

func (h *fakeHost) AbortRollout(service string) (actors.RolloutInfo, error) {
	h.mu.Lock()
	h.rolled.State, h.rolled.Reason = ledger.RolloutBack, "aborted by hand"
	h.mu.Unlock()
	info, err := h.RolloutOf(service)
	return info, cmp.Or(err, h.did("abort %s", service))
}

func (h *fakeHost) RolloutOf(service string) (actors.RolloutInfo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rolled.Service != service {
		return actors.RolloutInfo{}, fmt.Errorf("%w of %s yet", actors.ErrNoRollout, service)
	}
	return actors.RolloutInfo{Rollout: h.rolled, Tenants: 3, Moved: 3}, nil
}

func (h *fakeHost) Rollouts() []actors.RolloutInfo {
	info, err := h.RolloutOf("notes")
	if err != nil {
		return nil
	}
	return []actors.RolloutInfo{info}
}

// FollowRollout gives a rollout's beginning and its end: to "ill" fails.
func (h *fakeHost) FollowRollout(_ context.Context, service string) <-chan actors.RolloutInfo {
	c := make(chan actors.RolloutInfo, 2)
	defer close(c)
	info, err := h.RolloutOf(service)
	if err != nil {
		return c
	}
	c <- info
	switch {
	case info.To == "cut": // the daemon goes away
		return c
	case info.To == "ill":
		info.State, info.Reason, info.Moved = ledger.RolloutUndone, "alice: exit status 3\x1b[31m", 0
	case info.State == ledger.RolloutBack:
		info.State = ledger.RolloutUndone
	default:
		info.State = ledger.RolloutDone
	}
	c <- info
	return c
}

func (h *fakeHost) AddDomain(_ context.Context, domain string, name conf.Instance) (bool, error) {
	return true, h.did("domain %s %s", domain, name)
}

func (h *fakeHost) RemoveDomain(_ context.Context, domain string) (conf.Instance, error) {
	if domain != "shop.org" {
		return conf.Instance{}, fmt.Errorf("%s: %w", domain, actors.ErrUnknownDomain)
	}
	return conf.Instance{Service: "notes", ID: "alice"}, h.did("no domain %s", domain)
}

func (h *fakeHost) Forget(_ context.Context, name conf.Instance, deleteData bool) error {
	return h.did("forget %s %t", name, deleteData)
}

func (h *fakeHost) SetWeight(_ context.Context, name conf.Instance, weight int) error {
	return h.did("weight %s %d", name, weight)
}

func (h *fakeHost) Deploy(_ context.Context, name conf.Instance, weight int, patience time.Duration) (actors.Info, error) {
	if name.Service != "notes" {
		return actors.Info{}, actors.ErrUnknownService
	}
	return actors.Info{Name: name, Weight: weight, Health: "healthy"}, h.did("deploy %s %d %s", name, weight, patience)
}

func (h *fakeHost) Route(_ context.Context, from, to conf.Instance) error {
	return h.did("route %s %s", from, to)
}

func (h *fakeHost) Events() []actors.Occurrence {
	return []actors.Occurrence{
		{Number: 1, Time: time.UnixMilli(1000), Name: conf.Instance{Service: "notes", ID: "alice"}, To: actors.Queued, Event: actors.EventWake},
		{Number: 2, Time: time.UnixMilli(2000), Name: conf.Instance{Service: "notes", ID: "bob"}, From: actors.Running, To: actors.Stopping, Event: actors.EventDied, Reason: "exit\x1b[2J status 3"},
	}
}

func (h *fakeHost) FollowEvents(context.Context) <-chan actors.Occurrence {
	c := make(chan actors.Occurrence, 4)
	if h.fails {
		c <- actors.Occurrence{Number: 1, Name: conf.Instance{Service: "notes", ID: "carol"}, From: actors.Queued, To: actors.Failed, Event: actors.EventStartFailed}
	}
	for _, o := range h.Events() {
		c <- o
	}
	c <- actors.Occurrence{Number: 9, Time: time.UnixMilli(3000), Name: conf.Instance{Service: "notes", ID: "carol"}, From: actors.Running, To: actors.Draining, Event: actors.EventIdle}
	close(c)
	return c
}

func (h *fakeHost) Usage(_ context.Context, from, to string, wanted func(conf.Instance) bool) (rows []ledger.UsageRow, err error) {
	for _, id := range []string{"alice", "bob"} {
		name := conf.Instance{Service: "notes", ID: id}
		if wanted(name) {
			rows = append(rows, ledger.UsageRow{Day: "2026-11-01", Tenant: name, Usage: ledger.Usage{
				CPU: 12.3456, Memory: 3600, Awake: 7200, Requests: 1500, In: 2048, Out: 5 << 20, Wakes: 4,
			}})
		}
	}
	return rows, h.did("usage %s %s", from, to)
}

// Metering grows with each look: half a core, ten requests a second.
func (h *fakeHost) Metering(context.Context) (*actors.Metering, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return nil, h.fail
	}
	h.looks++
	return &actors.Metering{At: time.UnixMilli(1000 * int64(h.looks)), Tenants: map[conf.Instance]actors.Metered{
		{Service: "notes", ID: "alice"}: {Usage: ledger.Usage{CPU: 0.5 * float64(h.looks), Requests: 10 * uint64(h.looks)}, MemoryBytes: 64 << 20},
	}}, nil
}

func (h *fakeHost) Token(plain string) (ledger.Token, bool) {
	return ledger.Token{Scope: ledger.ScopeAdmin}, plain == h.options.AdminToken
}

func (h *fakeHost) IssueToken(_ context.Context, t ledger.Token) (string, ledger.Token, error) {
	what := fmt.Sprintf("token %s %s:%s", t.Scope, t.Service, t.ID)
	if t.ReadOnly {
		what += " read-only"
	}
	if !t.Expires.IsZero() {
		what += fmt.Sprintf(" for %s", t.Expires.Sub(t.Created).Round(time.Minute))
	}
	return "ten_fresh", t, h.did("%s", what)
}

func (h *fakeHost) Tokens() []ledger.Token {
	return []ledger.Token{
		{Hash: ledger.HashToken("a"), Scope: ledger.ScopeAdmin, Created: time.UnixMilli(1000)},
		{Hash: ledger.HashToken("b"), Scope: ledger.ScopeService, Service: "notes", ReadOnly: true, Description: "for\x1b CI", Created: time.UnixMilli(1000), Expires: time.UnixMilli(2000)},
	}
}

func (h *fakeHost) RevokeToken(_ context.Context, handle string) error {
	if handle == "nobody" {
		return actors.ErrUnknownToken
	}
	return h.did("revoke %s", handle)
}

// buffer is a writer that a test may read while a verb still writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is a machine of its own for ten: directories, environment, a tree.
type world struct {
	t    *testing.T
	dir  string // with a tenement.toml in it
	env  map[string]string
	host *fakeHost
	url  string // of the daemon, when one runs

	system fakeSystem // what install has systemd do
	stdin  string     // what the next command line reads
}

const worldConfig = `
[service.notes]
command = "node server.js"
isolation = "process"
idle_timeout = 300
health = "/up"

[service.shop]
command = "./shop"
isolation = "process"
`

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, host: newFakeHost(t), env: map[string]string{
		"TENEMENT_CONFIG": filepath.Join(dir, conf.FileName), "TENEMENT_DATA_DIR": filepath.Join(dir, "data"),
		"RUNTIME_DIRECTORY": filepath.Join(dir, "run"),
	}}
	w.write(conf.FileName, worldConfig)
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) app() (a *app, out, err *buffer) {
	out, err = &buffer{}, &buffer{}
	host := func(o actors.Options) (host, error) {
		w.host.options = o
		return w.host, nil
	}
	return &app{
		in: strings.NewReader(w.stdin), out: out, err: err, env: func(k string) string { return w.env[k] }, host: host, sysroot: w.dir, execute: w.system.run,
		terminal: func() (*terminal, error) { return nil, errNoTerminal },
	}, out, err
}

// ten carries out one command line.
func (w *world) ten(args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	a, out, errs := w.app()
	code = a.runContext(w.t.Context(), args)
	return code, out.String(), errs.String()
}

// onLoopback is a free port that nobody else reaches.
var (
	loopback   = []string{"127.0.0.1"}
	onLoopback = listenOptions{bind: loopback}
)

// daemon runs the real listeners and API over the fake tree until the test ends.
func (w *world) daemon() *daemon {
	w.t.Helper()
	a, _, _ := w.app()
	place, err := a.place()
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := a.startDaemon(daemonOptions{place: place, listen: onLoopback, domain: "localhost", log: zerolog.Nop(), load: a.loadConfig})
	if err != nil {
		w.t.Fatal(err)
	}
	w.url = d.url
	w.t.Cleanup(func() {
		if err := d.stop(context.Background()); err != nil {
			w.t.Errorf("the daemon stopped with %v", err)
		}
	})
	return d
}

// wants fails the test unless the command line ends this way.
func (w *world) wants(code int, stdout, stderr string, args ...string) {
	w.t.Helper()
	gotCode, out, errs := w.ten(args...)
	if gotCode != code || out != stdout || (stderr == "") != (errs == "") || !strings.Contains(errs, stderr) {
		w.t.Errorf("ten %s: exit %d\nstdout %q\nwant   %q (exit %d)\nstderr %q\nwant   %q", strings.Join(args, " "), gotCode, out, stdout, code, errs, stderr)
	}
}

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
