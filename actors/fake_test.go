package actors

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// behaviour is how a fake tenant's processes act.
type behaviour struct {
	startErr    error
	readyAfter  time.Duration
	neverReady  bool
	diesAfter   time.Duration // after ready; 0 = lives
	diesEarly   time.Duration // before ready; 0 = no
	status      sandbox.Status
	ignoresTERM bool
	releaseErrs int           // how often Release fails first
	straggles   time.Duration // how long the rest of its tree takes to end
}

// stage is a launcher whose processes are characters: only starting and probing
// is fake, everything else is real.
type stage struct {
	t  *testing.T
	mu sync.Mutex

	acts     map[string]behaviour // by tenant; "" is everybody else
	started  map[string]int
	running  map[string]*actorProcess
	maxAwake int
	starting int
	maxStart int
	port     int
	portErr  error
	freed    map[int]int // how often, by port

	terminated func(tenant string) // told of every SIGTERM; nil = nobody
	unready    error               // what Supports says
	unlimited  error               // what Enforces says of a limit of memory
	enclosed   error               // what OpenEgress says
	asked      bool                // OpenEgress was called
	ended      []sandbox.Record
	probe      map[string]error
	probes     map[string]int
}

func newStage(t *testing.T) *stage {
	return &stage{
		t: t, acts: map[string]behaviour{}, started: map[string]int{}, running: map[string]*actorProcess{},
		port: 20000, freed: map[int]int{}, probe: map[string]error{}, probes: map[string]int{},
	}
}

func (s *stage) act(tenant string, b behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts[tenant] = b
}

func (s *stage) starts(tenant string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started[tenant]
}

func (s *stage) alive() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

// checksOf counts the health checks of a host name.
func (s *stage) checksOf(host string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probes[host]
}

// ail makes the health checks of a host name fail.
func (s *stage) ail(host string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probe[host] = err
}

// mostStarting and mostAwake are the largest numbers at once.
func (s *stage) mostStarting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.maxStart
}

func (s *stage) mostAwake() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.maxAwake
}

func (s *stage) process(tenant string) *actorProcess {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[tenant]
}

func (s *stage) Supports(sandbox.Level) error { return s.unready }
func (s *stage) Close() error                 { return nil }
func (s *stage) Enforces(l sandbox.Limits) error {
	if l.MemoryBytes > 0 {
		return s.unlimited
	}
	return nil
}

func (s *stage) OpenEgress(netip.Prefix) error {
	s.asked = true
	return s.enclosed
}
func (s *stage) End(r sandbox.Record) error {
	s.mu.Lock()
	s.ended = append(s.ended, r)
	p := s.running[r.Name]
	delete(s.running, r.Name)
	s.mu.Unlock()
	if p != nil {
		p.end(sandbox.Status{Code: -1, Signal: 9})
	}
	return nil
}
func (s *stage) Sweep() (int, error) { return 0, nil }
func (s *stage) ReleasePort(port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed[port]++
}
func (s *stage) FreePort() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.portErr != nil {
		return 0, s.portErr
	}
	s.port++
	return s.port, nil
}
func (s *stage) prober(ctx context.Context, e sandbox.Endpoint, _, host string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probes[host]++
	return s.probe[host]
}

func (s *stage) Start(spec sandbox.Spec, ev sandbox.Events) (process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.acts[spec.Name]
	if !ok {
		b = s.acts[""]
	}
	s.started[spec.Name]++
	if b.startErr != nil {
		return nil, b.startErr
	}
	if s.running[spec.Name] != nil {
		s.t.Errorf("a second process of %s", spec.Name)
	}
	p := &actorProcess{stage: s, spec: spec, events: ev, does: b, over: make(chan struct{}), killed: make(chan struct{}), pid: 1000 + len(s.started)}
	s.running[spec.Name] = p
	s.maxAwake = max(s.maxAwake, len(s.running))
	s.starting++
	s.maxStart = max(s.maxStart, s.starting)
	p.unready = true
	if b.diesEarly > 0 {
		after(b.diesEarly, func() { p.end(b.status) })
	}
	return p, nil
}

// actorProcess is a fake process.
type actorProcess struct {
	stage   *stage
	spec    sandbox.Spec
	events  sandbox.Events
	does    behaviour
	pid     int
	over    chan struct{}
	killed  chan struct{}
	once    sync.Once
	unready bool
	terms   int
	kills   int
	cleared int
	limits  []sandbox.Limits // given while it ran
	late    error            // what Limit says

	commands []sandbox.Command
}

func (p *actorProcess) Limit(l sandbox.Limits) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.limits = append(p.limits, l)
	return p.late
}

// releases counts how often it was cleared away.
func (p *actorProcess) releases() int {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	return p.cleared
}

func (p *actorProcess) Pid() int { return p.pid }

func (p *actorProcess) Record() sandbox.Record {
	base := filepath.Join(p.spec.RunDir, strconv.FormatUint(p.spec.Generation, 10))
	return sandbox.Record{
		Name: p.spec.Name, Generation: p.spec.Generation, Pid: p.pid, Start: 1, Boot: "this", RunDir: p.spec.RunDir,
		Marker: "TENEMENT_RUN=" + base, Stdout: base + ".out", Stderr: base + ".err",
	}
}

func (p *actorProcess) isReady() {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	if p.unready {
		p.unready = false
		p.stage.starting--
	}
}

func (p *actorProcess) Ready(ctx context.Context) (sandbox.Endpoint, error) {
	wait := time.After(p.does.readyAfter)
	if p.does.neverReady {
		wait = nil
	}
	select {
	case <-wait:
		p.isReady()
		if p.does.diesAfter > 0 {
			after(p.does.diesAfter, func() { p.end(p.does.status) })
		}
		return sandbox.Endpoint{Network: "unix", Address: p.spec.Socket}, nil
	case <-p.over:
		return sandbox.Endpoint{}, sandbox.ErrExited
	case <-ctx.Done():
		return sandbox.Endpoint{}, ctx.Err()
	}
}

func (p *actorProcess) Listens(ctx context.Context) error {
	_, err := p.Ready(ctx)
	return err
}

// end is the process's death, however it comes.
func (p *actorProcess) end(s sandbox.Status) {
	p.once.Do(func() {
		p.isReady()
		close(p.over)
		p.events.Exited(s)
	})
}

func (p *actorProcess) Terminate() error {
	p.stage.mu.Lock()
	p.terms++
	told := p.stage.terminated
	p.stage.mu.Unlock()
	if told != nil {
		told(p.spec.Name)
	}
	if !p.does.ignoresTERM {
		after(10*time.Millisecond, func() { p.end(sandbox.Status{Code: -1, Signal: 15}) })
	}
	return nil
}

func (p *actorProcess) Kill() error {
	p.stage.mu.Lock()
	p.kills++
	if p.kills == 1 {
		close(p.killed)
	}
	p.stage.mu.Unlock()
	go p.end(sandbox.Status{Code: -1, Signal: 9})
	return nil
}

// Settle: who forked away takes straggles to end after a SIGTERM.
func (p *actorProcess) Settle(patience time.Duration) {
	select {
	case <-time.After(min(patience, p.does.straggles)):
	case <-p.killed:
	}
}

func (p *actorProcess) Release() error {
	<-p.over
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.cleared++
	if p.does.releaseErrs > 0 {
		p.does.releaseErrs--
		return errors.New("somebody of the tree is still there")
	}
	delete(p.stage.running, p.spec.Name)
	return nil
}

// after is time.AfterFunc in a goroutine: a thousand of those that fire at one
// instant of a bubble crash the race detector (SIGSEGV in
// __sanitizer::StackDepotBase::Put below time.goFunc, Go 1.26.8).
func after(d time.Duration, f func()) {
	go func() {
		time.Sleep(d)
		f()
	}()
}

// errNoMemory is a reason that may pass.
var errNoMemory = errors.New("cannot allocate memory")

// nobodysConns stands for the edge's connections.
type nobodysConns struct{}

func (nobodysConns) Close() error { return nil }

// defaults is a configuration with one service, "notes", as conf would make it.
func defaults() *conf.Config {
	return &conf.Config{
		Settings: conf.Settings{
			HealthCheckInterval: 10 * time.Second, MaxRestarts: 3, RestartWindow: 300 * time.Second,
			BackoffBase: time.Second, BackoffMax: time.Minute, CircuitCooldown: time.Minute,
			QueueTimeout: 30 * time.Second, MaxConcurrentStarts: 4, LogMaxBytes: 1 << 20, UIDBase: 1900000000,
		},
		Services: map[string]*conf.Service{"notes": notes()},
	}
}

func notes() *conf.Service {
	return &conf.Service{
		Name: "notes", Argv: []string{"app"}, Isolation: conf.IsolationProcess, Restart: conf.RestartOnFailure,
		StartupTimeout: 10 * time.Second, RequestTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		Apex: conf.ApexWeighted, Listen: conf.ListenAuto, CreateOnRequest: conf.CreateAuto, StoragePersist: true,
	}
}

// play runs f with a host of fake processes in a bubble of fake time.
func play(t *testing.T, config *conf.Config, f func(t *testing.T, h *Host, s *stage)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		h := open(t, dir, config, s)
		f(t, h, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := s.alive(); n != 0 {
			t.Errorf("%d processes survive the daemon", n)
		}
		synctest.Wait()
	})
}

func open(t *testing.T, dir string, config *conf.Config, s *stage) *Host {
	t.Helper()
	for _, d := range []string{"data", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h, err := NewHost(Options{
		Config: config, DataDir: filepath.Join(dir, "data"), RunDir: filepath.Join(dir, "run"), Domain: "example.com",
		Log:   zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel),
		Conns: func(sandbox.Endpoint, conf.Front) io.Closer { return nobodysConns{} },
		Probe: s.prober, launcher: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func alice() conf.Instance { return conf.Instance{Service: "notes", ID: "alice"} }

func id(name string) conf.Instance { return conf.Instance{Service: "notes", ID: name} }

// register makes tenants known.
func register(t *testing.T, h *Host, names ...conf.Instance) {
	t.Helper()
	if _, err := h.Register(t.Context(), names); err != nil {
		t.Fatal(err)
	}
}

// visit wakes a tenant and leaves at once.
func visit(t *testing.T, h *Host, name conf.Instance) error {
	t.Helper()
	d := h.Door(name.Service, name.ID)
	if d == nil {
		return ErrUnknownTenant
	}
	if d.Enter() == nil {
		if _, err := h.Wake(t.Context(), d); err != nil {
			return err
		}
	}
	d.Leave()
	return nil
}

func state(t *testing.T, h *Host, name conf.Instance) string {
	t.Helper()
	synctest.Wait()
	info, err := h.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.State
}

func wantCause(t *testing.T, err error, cause Cause) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Cause != cause {
		t.Fatalf("refused with %v (%#v), want cause %d", err, err, cause)
	}
	return r
}

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func mustExist(t *testing.T, path string, want bool) {
	t.Helper()
	if _, err := os.Stat(path); (err == nil) != want {
		t.Errorf("%s: exists %v, want %v", path, err == nil, want)
	}
}

// countingParent is a supervisor's handle on its children.
type countingParent struct {
	actor.Supervisor
	restarts int
}

func (p *countingParent) RestartChildren(...*actor.PID) { p.restarts++ }
