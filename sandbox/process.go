package sandbox

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Process is the handle of one running generation of a tenant: the process that
// was started and all that it started. Its methods are safe for concurrent use.
type Process struct {
	engine  *Engine
	events  Events
	spec    Spec // what Ready and Release need of it: name, listening, paths
	pid     int
	start   uint64
	tree    tree
	cage    *cage   // its limits; nil for a former daemon's
	child   bool    // ours to reap; false for a former daemon's
	init    member  // PID 1 of its pid namespace; zero without
	inside  *inside // nil: it lives on the host
	outputs [2]output
	oom     oomWatch
	account account

	pidsTold bool          // the loop's
	done     chan struct{} // closed when the main process has ended; status holds then

	mu        sync.Mutex
	pidfd     int    // -1 once released
	pidsWatch *watch // nil: none, or none any more
	status    Status
	endpoint  Endpoint // set by Ready

	limiting sync.Mutex // held for all of a Limit
	limits   Limits     // those that the process has by now

	releasing sync.Mutex // held for all of a Release
	released  bool
}

func newProcess(e *Engine, s Spec, ev Events) *Process {
	if ev.Output == nil {
		ev.Output = func(Stream, []byte) {}
	}
	if ev.Hit == nil {
		ev.Hit = func(Limit) {}
	}
	if ev.Exited == nil {
		ev.Exited = func(Status) {}
	}
	return &Process{
		engine: e, events: ev, spec: s, limits: s.Limits, pidfd: -1, done: make(chan struct{}),
		outputs: [2]output{{stream: Stdout, fd: -1}, {stream: Stderr, fd: -1}}, oom: oomWatch{fd: -1},
	}
}

// Pid is the main process's id: for people and records, never for signals.
func (p *Process) Pid() int { return p.pid }

// Terminate asks the whole tree to end (SIGTERM to every process). It is no
// error if all are gone.
func (p *Process) Terminate() error {
	if err := p.signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("cannot end %s: %w", p.spec.Name, err)
	}
	return nil
}

// signal reaches the main process by its pidfd even where the tree cannot be
// listed, and everyone else by the tree.
func (p *Process) signal(signal unix.Signal) error {
	err := signalAll(signalled(p.tree, p.spec.Level, p.pid), signal)
	if err == nil {
		return nil
	}
	return errors.Join(err, p.signalMain(signal))
}

func (p *Process) signalMain(signal unix.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd < 0 {
		return nil
	}
	if err := unix.PidfdSendSignal(p.pidfd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// Kill ends the whole tree at once (SIGKILL), forks under way included.
func (p *Process) Kill() error {
	if err := p.tree.kill(); err != nil {
		return fmt.Errorf("cannot kill %s: %w", p.spec.Name, errors.Join(err, p.signalMain(unix.SIGKILL)))
	}
	return nil
}

// Settle gives the rest of a tree whose main process has ended the time to end
// as well, patience at most: who was asked by Terminate is not cut short because
// the main process was quicker.
func (p *Process) Settle(patience time.Duration) {
	if p.tree == nil {
		return
	}
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(pause(time.Since(begin))) {
		if gone, err := empty(p.tree); gone || err != nil {
			return // Release deals with an error
		}
	}
}

// Release ends what the main process left behind and removes cgroup, FIFOs and
// socket. It is for after Exited; it waits, usually a millisecond. After an
// error it can be called again; after a success it does nothing.
func (p *Process) Release() error {
	select {
	case <-p.done:
	default:
		return fmt.Errorf("cannot clean up after %s: it is still running", p.spec.Name)
	}
	p.releasing.Lock()
	defer p.releasing.Unlock()
	if p.released {
		return nil
	}
	if err := p.cleanUp(); err != nil {
		return fmt.Errorf("cannot clean up after %s: %w", p.spec.Name, err)
	}
	p.released = true
	return nil
}

// cleanUp undoes a start, whole or half.
func (p *Process) cleanUp() error {
	p.closePidfd()
	p.inside.close()
	p.closeAccount()
	var errs []error
	if p.tree != nil {
		errs = append(errs, endTree(p.tree))
	}
	if p.init.pid != 0 && mains.has(p.init.pid) && errs[0] == nil { // else it waits for who cannot be killed
		killChild(p.init.pid)
	}
	errs = append(errs, p.cage.remove())
	if p.engine.reaper != nil {
		p.engine.reaper.reap()
	}
	p.engine.delist(p)
	return errors.Join(append(errs, removeFiles(p.spec))...)
}

// endTree kills a tree and waits until it is gone.
func endTree(t tree) error {
	return errors.Join(t.kill(), t.remove())
}

// removeFiles removes one generation's FIFOs and socket.
func removeFiles(s Spec) error {
	d, err := openOwn(s.RunDir, s.dirOwner())
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.close()
	names := fifoNames(s.Generation)
	errs := []error{removeSecrets(s.RunDir)}
	for _, err := range []error{
		d.remove(names[0], unix.S_IFIFO),
		d.remove(names[1], unix.S_IFIFO),
		d.removeSocket(s.hostSocket()),
	} {
		if !errors.Is(err, errInTheWay) { // a successor's, or nothing that we made
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// watch has the loop tell of output and of the end.
func (p *Process) watch() error {
	for i := range p.outputs {
		o := &p.outputs[i]
		if o.fd < 0 {
			continue
		}
		var err error
		if o.token, err = p.engine.loop.add(o.fd, func(token uint64) { p.read(o, token) }); err != nil {
			return err
		}
	}
	if err := p.watchLimits(); err != nil {
		return err
	}
	_, err := p.engine.loop.add(p.pidfd, p.ended)
	return err
}

// ended runs on the loop when the main process is dead. A family calls its roll
// first, as its session's number is free to mean another session once the main
// process is reaped. That reads all of /proc: elsewhere, or everybody's news
// would wait for it.
func (p *Process) ended(token uint64) {
	p.unwatchPids()
	p.oom.close(p.engine.loop)
	p.mu.Lock()
	p.engine.loop.remove(p.pidfd, token)
	p.mu.Unlock()
	f, isFamily := p.tree.(*family)
	if !isFamily {
		p.conclude()
		return
	}
	go func() { // ends with the roll
		p.Usage() // the main process takes its CPU time with it when it is reaped
		f.callRoll(!p.child)
		p.engine.loop.post(p.conclude) // a closed engine tells no news
	}()
}

// conclude runs on the loop: all that the process wrote is passed on, then its
// end. What still holds the pipes open is not waited for.
func (p *Process) conclude() {
	status := p.reap()
	status.Hit = p.cage.cause(status)
	p.mu.Lock()
	p.status = status
	p.mu.Unlock()
	for i := range p.outputs {
		p.drain(&p.outputs[i])
	}
	p.closeOutputs()
	close(p.done)
	p.events.Exited(status)
}

// reap takes the main process's status.
func (p *Process) reap() Status {
	if !p.child {
		return Status{Code: -1, Unknown: true}
	}
	status, err := mains.reap(p.pid)
	if err != nil {
		p.engine.log.Error().Err(err).Str("tenant", p.spec.Name).Msg("somebody else reaped a tenant's process")
		return Status{Code: -1, Unknown: true}
	}
	if status.Signaled() {
		return Status{Code: -1, Signal: int(status.Signal())}
	}
	if p.spec.Level == LevelSandbox {
		return guestStatus(Status{Code: status.ExitStatus()})
	}
	return Status{Code: status.ExitStatus()}
}

func (p *Process) closePidfd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
		p.pidfd = -1
	}
}
