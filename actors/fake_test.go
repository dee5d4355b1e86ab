package actors

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
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
	burns       float64       // cores in use
	holds       int64         // bytes of memory
}

// stage is a launcher whose processes are characters: only starting and probing
// is fake, everything else is real.
type stage struct {
	t  *testing.T
	mu sync.Mutex

	acts     map[string]behaviour // by tenant; "" is everybody else
	started  map[string]int
	running  map[string]*actorProcess
	argv     [][2]string // tenant and program of each start
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

// argvs are the programs that a tenant's starts ran, in order.
func (s *stage) argvs(name conf.Instance) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.argv {
		if a[0] == name.String() {
			all = append(all, a[1])
		}
	}
	return all
}

// actAt is act for whoever runs a release of withReleases.
func (s *stage) actAt(release string, b behaviour) { s.act("release "+release, b) }

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
	if play, known := s.acts["release "+spec.Argv[0]]; known {
		b, ok = play, true
	}
	if !ok {
		b = s.acts[""]
	}
	s.started[spec.Name]++
	s.argv = append(s.argv, [2]string{spec.Name, spec.Argv[0]})
	if b.startErr != nil {
		return nil, b.startErr
	}
	if s.running[spec.Name] != nil {
		s.t.Errorf("a second process of %s", spec.Name)
	}
	p := &actorProcess{stage: s, spec: spec, events: ev, does: b, began: time.Now(), over: make(chan struct{}), killed: make(chan struct{}), pid: 1000 + len(s.started)}
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
	began   time.Time
	died    time.Time // set before over is closed
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

// Usage is steady work while it lives.
func (p *actorProcess) Usage() sandbox.Usage {
	select {
	case <-p.over:
		return sandbox.Usage{CPU: p.worked(p.died)}
	default:
		return sandbox.Usage{CPU: p.worked(time.Now()), Memory: p.does.holds}
	}
}

func (p *actorProcess) worked(until time.Time) time.Duration {
	return time.Duration(p.does.burns * float64(until.Sub(p.began)))
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
		p.died = time.Now()
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
