package actors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"tenement/actors/journal"
	"tenement/actors/ledger"
	"tenement/actors/storage"
	"tenement/conf"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// Options is what a Host is made of.
type Options struct {
	Config     *conf.Config
	DataDir    string // absolute, exists, locked by the caller
	RunDir     string // absolute, exists, 0700
	Domain     string // under which services have their names
	AdminToken string // the content of an api_token file; valid when the registry knows no admin token
	Log        zerolog.Logger

	// Conns makes the edge's connections to one generation of a tenant.
	Conns func(sandbox.Endpoint, conf.Front) io.Closer
	// Probe is a health check: a GET of path that is answered 2xx before ctx ends.
	Probe func(ctx context.Context, e sandbox.Endpoint, path, host string) error
	// Observe is told of every transition, in the tenant's turn: it must not
	// block. nil = nobody.
	Observe func(name conf.Instance, from, to State, reason string)
	// Woken is told how long the parts of a start took that has succeeded, in the
	// tenant's turn: it must not block. nil = nobody.
	Woken func(name conf.Instance, p Phases)
	// Owner is asked before a tenant is started. nil = always ours.
	Owner Owner

	launcher launcher // tests only; nil = a sandbox.Engine
}

// Owner answers whether a tenant is this host's. One process per tenant over
// several hosts needs a lease with a fencing token behind it.
type Owner interface {
	Owns(name conf.Instance) bool
}

type everything struct{}

func (everything) Owns(conf.Instance) bool { return true }

// Host is the supervision tree and the façade that the edge and the CLI talk to.
type Host struct {
	o         Options
	current   atomic.Pointer[conf.Config]
	log       zerolog.Logger
	workdir   string // the daemon's, where tenants without a workdir run
	journal   *journal.Journal
	book      *book
	chronicle *chronicle
	usageBook *usageBook // the accountant's
	rollouts  *rollouts
	front     *front
	launcher  launcher
	services  atomic.Pointer[map[string]*service] // a new map with every change; stored by load and by reload
	measure   func(ctx context.Context, dir string, project uint32) (storage.Usage, error)
	measuring chan struct{} // full while a tenant's directory is walked

	system             *actor.ActorSystem
	hostPID            *actor.PID
	keeperPID          *actor.PID
	sweeperPID         *actor.PID
	accountantPID      *actor.PID
	servicesPID        *actor.PID
	hostSupervisor     *supervisor
	servicesSupervisor *supervisor
	actorsEnded        <-chan struct{} // the root's
	stopping           atomic.Bool
	done               chan struct{} // closed when the tree has ended, by Shutdown or by itself
	doneOnce           sync.Once
	ended              chan struct{} // closed when Shutdown has done all it can
	err                error         // what it returned; read after ended
}

// NewHost opens the registry, ends what a former daemon left running, and
// starts the tree. Nothing is started yet: see StartListed. Errors say which
// file is at fault and what to do.
func NewHost(o Options) (*Host, error) {
	h := &Host{
		o: o, log: o.Log, launcher: o.launcher, done: make(chan struct{}), ended: make(chan struct{}),
		chronicle: newChronicle(), usageBook: newUsageBook(), rollouts: newRollouts(),
		journal: journal.Open(filepath.Join(o.DataDir, ".logs"), o.Config.Settings.LogMaxBytes),
		measure: storage.Measure, measuring: make(chan struct{}, 1),
	}
	h.current.Store(o.Config)
	h.services.Store(&map[string]*service{})
	if h.o.Owner == nil {
		h.o.Owner = everything{}
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("cannot tell the working directory: %w", err)
	}
	h.workdir = wd
	store, err := ledger.Open(filepath.Join(o.DataDir, "registry.db"))
	if err != nil {
		return nil, err
	}
	h.book = &book{store: store}
	if err := h.prepare(); err != nil {
		_ = store.Close()
		return nil, err
	}
	h.grow()
	h.resumeRollouts()
	return h, nil
}

// prepare does everything that can fail, before there is any actor.
func (h *Host) prepare() error {
	if err := h.openEngine(); err != nil {
		return err
	}
	if err := h.endSurvivors(); err != nil {
		_ = h.launcher.Close()
		return err
	}
	if err := h.load(); err != nil {
		_ = h.launcher.Close()
		return err
	}
	return nil
}

func (h *Host) openEngine() error {
	if h.launcher != nil {
		return nil
	}
	digest := sha256.Sum256([]byte(h.o.DataDir))
	e, err := sandbox.NewEngine(sandbox.Options{CgroupName: hex.EncodeToString(digest[:4]), Subreaper: true, Runsc: h.o.Config.Settings.RunscPath, Log: h.log})
	if err != nil {
		return fmt.Errorf("cannot start processes here: %w", err)
	}
	h.launcher = engine{e}
	return nil
}

// endSurvivors ends the processes that a daemon which was killed left running:
// no tenant may run twice. A record that names somebody else's process ends
// nobody.
func (h *Host) endSurvivors() error {
	for _, dir := range []string{h.recordDir(), filepath.Join(h.o.RunDir, "t")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("cannot make the run directory: %w", err)
		}
	}
	records, errs := sandbox.ReadRecords(h.recordDir())
	for _, err := range errs {
		h.log.Warn().Err(err).Msg("a run record is of no use")
	}
	var wg sync.WaitGroup
	failed := make([]error, len(records))
	for i, r := range records {
		wg.Go(func() {
			if failed[i] = h.launcher.End(r); failed[i] == nil {
				failed[i] = sandbox.RemoveRecord(h.recordDir(), r)
			}
		})
	}
	wg.Wait()
	for i, err := range failed {
		if err != nil {
			return fmt.Errorf("cannot end what is left of %s: %w", records[i].Name, err)
		}
	}
	// A daemon that was killed between a fork and its record left a process that
	// only its cgroup knows.
	unknown, err := h.launcher.Sweep()
	if err != nil {
		return fmt.Errorf("cannot end what a former daemon left running: %w", err)
	}
	if len(records)+unknown > 0 {
		h.log.Info().Int("recorded", len(records)).Int("unrecorded", unknown).Msg("ended what a former daemon left running")
	}
	return nil
}

// grow starts the tree.
func (h *Host) grow() {
	h.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(zerolog.NewSlogHandler(h.log.Level(zerolog.WarnLevel)))
	}))
	h.system.EventStream.Subscribe(h.deadLetter)
	gone := func(child *actor.PID) { h.giveUp(child) }
	h.hostSupervisor = newSupervisor(h, func() *actor.PID { return h.hostPID }, gone)
	h.servicesSupervisor = newSupervisor(h, func() *actor.PID { return h.servicesPID }, gone)
	settings := h.Config().Settings
	h.front = &front{admission: newAdmission(settings.MaxConcurrentStarts, settings.MaxAwake), opened: make(chan struct{}), retiring: map[string]*service{}}
	root := &rootActor{h: h, clock: &alarm{}, ended: make(chan struct{})}
	// The addresses are known before the actors are there, so nobody waits for them.
	at := func(name string) *actor.PID { return actor.NewPID(h.system.Address(), name) }
	h.hostPID, h.keeperPID, h.sweeperPID, h.servicesPID = at("host"), at("host/ledger"), at("host/sweeper"), at("host/services")
	h.accountantPID = at("host/accountant")
	h.actorsEnded = root.ended
	if _, err := h.root().SpawnNamed(h.props(func() actor.Actor { return root }, h.hostSupervisor), "host"); err != nil {
		panic(err) // a name taken in a new system
	}
	<-h.front.opened
}

// rootActor is the host's actor: it supervises and does nothing else.
type rootActor struct {
	h     *Host
	clock *alarm
	ended chan struct{} // closed when it and all its children have ended
}

func (r *rootActor) Receive(ctx actor.Context) {
	h := r.h
	switch m := ctx.Message().(type) {
	case *actor.Started:
		mustSpawn(ctx, "ledger", h.props(func() actor.Actor { return &keeper{h.book} }, nil))
		mustSpawn(ctx, "sweeper", h.props(func() actor.Actor { return &sweeper{h, r.clock} }, nil))
		mustSpawn(ctx, "accountant", h.props(func() actor.Actor { return &accountant{h, h.usageBook} }, nil))
		mustSpawn(ctx, "services", h.props(func() actor.Actor { return &services{h, h.front} }, h.servicesSupervisor))
	case *restartChild:
		h.hostSupervisor.restart(ctx, m)
	case *actor.Stopped:
		close(r.ended)
	}
}

func mustSpawn(ctx actor.Context, name string, props *actor.Props) {
	if _, err := ctx.SpawnNamed(props, name); err != nil {
		panic(err)
	}
}

// giveUp: one of the tree's own actors panicked more often than the policy
// forgives. The daemon drains and exits; the service manager starts it again.
func (h *Host) giveUp(child *actor.PID) {
	h.log.Error().Str("actor", child.Id).Msg("given up; the daemon ends")
	h.finish()
}

func (h *Host) finish() { h.doneOnce.Do(func() { close(h.done) }) }

// Done is closed when the tree has ended, by Shutdown or by itself.
func (h *Host) Done() <-chan struct{} { return h.done }

// policy is what the settings say of failures.
func (h *Host) policy() Policy { return policyOf(h.Config().Settings) }

// service finds a service that is served, nil for any other.
func (h *Host) service(name string) *service { return (*h.services.Load())[name] }

func (h *Host) root() *actor.RootContext { return h.system.Root }

// deadLetter answers for a message that reached nobody: whoever waits for it
// must not wait for ever.
func (h *Host) deadLetter(event any) {
	d, ok := event.(*actor.DeadLetterEvent)
	if !ok {
		return
	}
	lose(d.Message)
	h.log.Debug().Str("actor", d.PID.GetId()).Str("type", fmt.Sprintf("%T", d.Message)).Msg("message reached nobody")
}

// tell sends to a tenant; its service makes it an actor when it has none.
func (h *Host) tell(c *Cell, m message) {
	if pid := c.pid.Load(); pid != nil {
		h.root().Send(pid, m)
		return
	}
	h.root().Send(c.service.pid.Load(), &forward{cell: c, m: m})
}

func (h *Host) toServices(m message) { h.root().Send(h.servicesPID, m) }

func (h *Host) arm(c *Cell, at int64, m message) {
	h.root().Send(h.sweeperPID, &arm{at: at, to: c, m: m})
}

func (h *Host) observe(name conf.Instance, from, to State, reason string) {
	if h.o.Observe != nil {
		h.o.Observe(name, from, to, reason)
	}
}

func (h *Host) woken(name conf.Instance, p Phases) {
	if h.o.Woken != nil {
		h.o.Woken(name, p)
	}
}

// local reports that a domain means this machine only.
func local(domain string) bool {
	return domain == "localhost" || strings.HasSuffix(domain, ".localhost")
}
