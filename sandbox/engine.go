package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// Options are an engine's settings.
type Options struct {
	// CgroupName tells this daemon's cgroups from another's: "tenement-" and
	// this is the name of the one under which every process gets its own.
	CgroupName string
	// NoCgroup makes the engine do without, as it does by itself where no
	// cgroup tree can be written.
	NoCgroup bool
	// Subreaper makes the program adopt and reap what tenants leave behind.
	// For the daemon; a program that starts children of its own must keep them
	// in its own session. At most one engine of a program has it.
	Subreaper bool
	Runsc     string // path of gVisor's program; "" = the PATH
	Log       zerolog.Logger
}

// Engine starts processes and brings their news. A daemon has one.
type Engine struct {
	log         zerolog.Logger
	boot        string
	loop        *loop
	watches     *watches
	patrol      *patrol
	root        *cgroupRoot // nil: processes are known by session and environment
	limits      *controllers
	reaper      *reaper // nil: somebody else reaps orphans
	ports       ports
	diag        diag
	ignored     chan os.Signal
	trampolines map[Level]int // memory files; by level, made when first used
	networks    *networks
	landlock    int             // version; 0 = none here
	buffer      [chunkSize]byte // for output; the loop's

	diagnosis func() Diagnosis       // of this machine; looked at once
	runsc     func() (string, error) // path of gVisor's program

	closing chan struct{} // closed by Close
	closed  sync.Once
	patrols sync.WaitGroup

	mu   sync.Mutex
	live map[*Process]struct{}

	templating sync.Mutex // held while a template is made: the others want the same one
	templates  map[layout]*template
	mappings   map[mapping]*os.File // user namespaces
}

// NewEngine makes an engine; Close ends it. It also shuts every descriptor that
// this program inherited to the processes it will start, and takes signals that
// the program was told to ignore (nohup) to itself, or tenants would inherit
// that too.
func NewEngine(o Options) (*Engine, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		o.Log.Warn().Err(err).Msg("cannot shut inherited files to tenants")
	}
	e := &Engine{log: o.Log, boot: boot, trampolines: map[Level]int{}, live: map[*Process]struct{}{}, templates: map[layout]*template{}, mappings: map[mapping]*os.File{}, diag: newDiag(), landlock: landlockVersion(), networks: newNetworks(o.CgroupName, o.Log), closing: make(chan struct{}), patrol: newPatrol()}
	if e.root, err = newRoot(o); err != nil {
		return nil, err
	}
	e.limits = newControllers(o, e.root)
	if e.loop, err = newLoop(); err != nil {
		return nil, err
	}
	if e.watches, err = newWatches(e.loop); err != nil {
		e.loop.close()
		return nil, err
	}
	if o.Subreaper {
		e.guard()
		if e.reaper, err = newReaper(e.rootName()); err != nil {
			e.watches.close()
			e.loop.close()
			return nil, fmt.Errorf("cannot become the reaper of orphans: %w", err)
		}
	}
	e.diagnosis = sync.OnceValue(func() Diagnosis { return Diagnosis{examine(Probe{Runsc: o.Runsc}).mechanisms()} })
	e.runsc = sync.OnceValues(func() (string, error) {
		path, _, err := findRunsc(o.Runsc)
		return path, err
	})
	e.ignored = takeIgnored()
	if e.limits.legacy[pidsController] != "" {
		e.patrols.Go(func() { // ended by Close
			e.patrol.run(e.closing, func(p *Process) { e.loop.post(p.pidsHit) })
		})
	}
	return e, nil
}

// newRoot makes the cgroup root where that is possible, and says once in the
// log where it is not.
func newRoot(o Options) (*cgroupRoot, error) {
	if o.NoCgroup {
		return nil, nil
	}
	root, err := newCgroupRoot(o.CgroupName)
	if errors.Is(err, errNoCgroup) {
		o.Log.Warn().Err(err).Msg("tenants run without cgroups: one that leaves its session, wipes its environment and outlives its parent escapes")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return root, root.removeEmpty()
}

func (e *Engine) rootName() string {
	if e.root == nil {
		return ""
	}
	return e.root.name
}

// takeIgnored catches every signal that is ignored. exec resets a caught signal
// to its default, and keeps an ignored one ignored; what arrives is dropped.
func takeIgnored() chan os.Signal {
	dropped := make(chan os.Signal, 1)
	status, _ := os.ReadFile("/proc/self/status") // unreadable: nothing is known to be ignored
	mask := ignoredSignals(string(status))
	for n := 1; n <= 64; n++ {
		if mask&(1<<(n-1)) != 0 {
			signal.Notify(dropped, unix.Signal(n))
		}
	}
	return dropped
}

func ignoredSignals(status string) uint64 {
	_, after, _ := strings.Cut(status, "\nSigIgn:")
	line, _, _ := strings.Cut(after, "\n")
	mask, _ := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return mask
}

// Enforces is nil when all of these limits can be kept on this host, else a
// sentence that says which cannot, why, and what to do about it.
func (e *Engine) Enforces(l Limits) error {
	if err := e.limits.enforces(l); err != nil {
		return err
	}
	return l.openFilesAllowed()
}

// Sweep ends whatever runs in this daemon's cgroups and belongs to no Process
// of this engine: what a crashed daemon left without a readable record. Call it
// after Adopt and End had their turn. It tells how many cgroups it emptied;
// without cgroups nothing can be found in this way.
func (e *Engine) Sweep() (int, error) {
	if e.root == nil {
		return 0, nil
	}
	leaves, err := e.root.leaves()
	if err != nil {
		return 0, err
	}
	ended := 0
	var errs []error
	for _, l := range leaves {
		if e.owns(l.dir) {
			continue
		}
		if gone, err := empty(l); err == nil && !gone {
			ended++
		}
		errs = append(errs, endTree(l))
	}
	e.limits.sweep()
	return ended, errors.Join(errs...)
}

// owns reports that a cgroup is a living Process's, or one's that is starting.
func (e *Engine) owns(dir string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.live {
		if l, isLeaf := p.tree.(*leaf); isLeaf && l.dir == dir {
			return true
		}
	}
	return false
}

func (e *Engine) enlist(p *Process) {
	e.mu.Lock()
	e.live[p] = struct{}{}
	e.mu.Unlock()
}

func (e *Engine) delist(p *Process) {
	e.mu.Lock()
	delete(e.live, p)
	e.mu.Unlock()
}

// Close ends the loop and the reaper. Processes still running are left alone
// (a next daemon can adopt them), but they are not heard of any more. The
// cgroup root goes if nobody is left in it.
func (e *Engine) Close() error {
	e.closed.Do(func() { close(e.closing) })
	e.patrols.Wait()
	if e.reaper != nil {
		e.reaper.stop()
	}
	e.loop.close()
	e.watches.close()
	signal.Stop(e.ignored)
	e.mu.Lock()
	for _, fd := range e.trampolines {
		unix.Close(fd)
	}
	clear(e.trampolines)
	live := e.live
	e.live = map[*Process]struct{}{}
	e.mu.Unlock()
	for p := range live {
		p.closeOutputs()
		p.oom.close(e.loop)
		p.closePidfd()
		p.inside.close()
	}
	e.limits.close()
	e.templating.Lock()
	for _, t := range e.templates {
		t.close()
	}
	clear(e.templates)
	for _, users := range e.mappings {
		users.Close()
	}
	clear(e.mappings)
	e.templating.Unlock()
	err := e.networks.close()
	if e.root == nil {
		return err
	}
	return errors.Join(err, e.root.close())
}
