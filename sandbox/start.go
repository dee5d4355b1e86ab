package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// childFiles are the descriptors that a process is born with.
type childFiles struct {
	files []uintptr // by number in the child
	owned []int     // ours to close after the fork

	cgroup   int // to be born in; -1 = the daemon's own
	program  int // the trampoline; -1 = none
	terminal int // by number in the child: what controls its session; -1 = none
}

func (c *childFiles) add(fd int) {
	c.files = append(c.files, uintptr(fd))
	c.owned = append(c.owned, fd)
}

func (c *childFiles) close() {
	for _, fd := range append(c.owned, c.cgroup, c.program) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// Start starts a process. Its events may come before Start returns; none come
// when it returns an error, and nothing is left behind then. The error matches
// ErrCannotExecute if trying again is pointless.
func (e *Engine) Start(s Spec, ev Events) (*Process, error) {
	p := newProcess(e, s, ev)
	if err := p.begin(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", s.Name, err)
	}
	return p, nil
}

// begin makes what a process needs, then the process, then listens to it.
func (p *Process) begin() error {
	if err := p.engine.Supports(p.spec.Level); err != nil {
		return &permanentError{err}
	}
	child := childFiles{cgroup: -1, program: -1, terminal: -1}
	defer child.close()
	err := p.prepare(&child)
	if err == nil {
		err = p.launch(&child)
	}
	if err == nil {
		err = p.identify()
	}
	if err == nil {
		p.exposeToOOM()
		err = p.watch()
	}
	if err != nil {
		return errors.Join(err, p.abandon())
	}
	p.spec.Argv, p.spec.Env, p.spec.Secrets = nil, nil, nil // secrets are not kept, nor memory
	return nil
}

// prepare makes the run directory's files, the listening socket and the cgroup.
func (p *Process) prepare(child *childFiles) error {
	d, err := openRunDir(p.spec)
	if err != nil {
		return err
	}
	defer d.close()
	if err := p.removeStale(d); err != nil {
		return err
	}
	if err := placeSecrets(p.spec.RunDir, p.spec.owner(), p.spec.Secrets); err != nil {
		return err
	}
	if err := p.openStreams(d, child); err != nil {
		return err
	}
	if p.spec.Level != LevelProcess {
		if err := p.goInside(); err != nil {
			return err
		}
	}
	if p.spec.Listen == ListenFD {
		listener, err := listen(p.inside.network(), p.spec.Socket)
		if err != nil {
			return err
		}
		child.add(listener)
	}
	if p.bounces() {
		if child.program, err = p.engine.trampoline(p.spec.RunDir, p.spec.Level); err != nil {
			return err
		}
	}
	if err := p.plant(child); err != nil {
		return err
	}
	return p.limit()
}

// bounces reports that the process is started by way of the trampoline.
func (p *Process) bounces() bool {
	return p.spec.Listen == ListenFD || p.spec.Level == LevelNamespace
}

// enterProcess prepares the thread that forks at LevelProcess.
func (p *Process) enterProcess() error {
	u := p.spec.User
	if u == nil {
		u = &User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	}
	if p.spec.DataDir != "" && os.Geteuid() == 0 { // it may come from another level
		if err := handOver(p.spec.DataDir, u.UID, u.GID); err != nil {
			return err
		}
	}
	return noNewPrivileges()
}

// noNewPrivileges keeps setuid programs from being more than others to whom the
// calling thread forks.
func noNewPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot give up new privileges: %w", err)
	}
	return nil
}

// openStreams opens the child's three streams and our ends of the two outputs.
func (p *Process) openStreams(d *runDir, child *childFiles) error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	child.add(null)
	for i, name := range fifoNames(p.spec.Generation) {
		if err := d.makeFIFO(name); err != nil {
			return err
		}
		o := &p.outputs[i]
		if o.fd, err = d.openFIFO(name, unix.O_NONBLOCK); err != nil {
			return err
		}
		o.enlarge()
		theirs, err := d.openFIFO(name, 0)
		if err != nil {
			return err
		}
		child.add(theirs)
	}
	return nil
}

// plant makes the tree that the process will be the root of. From here on Sweep
// leaves its cgroup alone.
func (p *Process) plant(child *childFiles) error {
	if p.engine.root == nil {
		p.tree = newFamily(p.marker(), 0)
		p.engine.enlist(p)
		return nil
	}
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	l, err := p.engine.root.leaf(p.spec.Name, p.spec.Generation)
	if err != nil {
		return err
	}
	p.tree = l
	p.engine.live[p] = struct{}{}
	child.cgroup, err = l.open()
	return err
}

// launch starts the process on a thread that is thrown away: what the process
// inherits from it happens to nobody else.
func (p *Process) launch(child *childFiles) error {
	enter, spawn := p.enterProcess, func(path string) error { return p.spawn(path, child) }
	if p.spec.Level != LevelProcess {
		n, err := newEnclosure(p, child)
		if err != nil {
			return err
		}
		defer n.close()
		enter = n.enter
		if p.spec.Level == LevelSandbox {
			enter, spawn = n.enterGuest, n.spawnGuest
		}
	}
	return onThread(func() error {
		if err := p.cage.enter(); err != nil { // while the cgroups are in sight
			return err
		}
		if err := enter(); err != nil {
			return err
		}
		path, err := findCommand(p.spec)
		if err != nil {
			return err
		}
		return spawn(path)
	})
}

// limit makes what holds the process's limits.
func (p *Process) limit() error {
	l, _ := p.tree.(*leaf)
	g, err := p.engine.limits.cage(p.spec.Name, p.spec.Generation, p.spec.Limits, l)
	p.engine.mu.Lock()
	p.cage = g // the patrol looks at it
	p.engine.mu.Unlock()
	return err
}

func (p *Process) marker() string { return marker(p.spec.RunDir, p.spec.Generation) }

// spawn forks and executes, directly or by way of the trampoline.
func (p *Process) spawn(path string, child *childFiles) error {
	env := append(p.environment(), p.marker())
	if !p.bounces() {
		if err := p.fork(path, p.spec.Argv, env, child); err != nil {
			return executeError(p.spec, path, err)
		}
		return nil
	}
	return p.bounce(path, env, child)
}

// environment is the spec's without what the engine itself says.
func (p *Process) environment() []string {
	env := make([]string, 0, len(p.spec.Env)+5)
	for _, entry := range p.spec.Env {
		ours := strings.HasPrefix(entry, markerVariable+"=") ||
			p.spec.Listen == ListenFD && strings.HasPrefix(entry, "LISTEN_")
		if !ours {
			env = append(env, entry)
		}
	}
	return env
}

// fork returns when the child has executed path, with execve's own error if not.
func (p *Process) fork(path string, argv, env []string, child *childFiles) error {
	if p.spec.Limits.OpenFiles > 0 && p.spec.Level != LevelSandbox { // gVisor has more files open than its guest
		return p.forkBounded(path, argv, env, child)
	}
	return p.forkExec(path, argv, env, child.files, child)
}

func (p *Process) forkExec(path string, argv, env []string, files []uintptr, child *childFiles) error {
	attr := syscall.ProcAttr{
		Dir: p.spec.Dir, Env: env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &p.pidfd},
	}
	if p.spec.Level == LevelSandbox { // gVisor changes to the tenant's user and directory
		attr.Dir = "/"
	} else if u := p.spec.user(); u != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	if child.cgroup >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, child.cgroup
	}
	if child.terminal >= 0 {
		attr.Sys.Setctty, attr.Sys.Ctty = true, child.terminal
	}
	if p.spec.Level == LevelNamespace {
		attr.Sys.Unshareflags = unix.CLONE_NEWCGROUP
	}
	mains.starting.RLock()
	pid, err := syscall.ForkExec(path, argv, &attr)
	if err == nil {
		mains.add(pid)
	}
	mains.starting.RUnlock()
	if err != nil {
		p.pidfd = -1
		return err
	}
	p.pid, p.child = pid, true
	if f, isFamily := p.tree.(*family); isFamily {
		f.session = pid
	}
	return nil
}

// identify reads the start times, while nobody can have been reaped.
func (p *Process) identify() error {
	s, err := readStat(p.pid)
	if err != nil {
		return fmt.Errorf("cannot look at the new process: %w", err)
	}
	if p.pidfd < 0 { // kernels before 5.4
		return errors.New("this kernel gives no pidfds")
	}
	p.start = s.start
	if p.init.pid == 0 {
		return nil
	}
	if s, err = readStat(p.init.pid); err != nil {
		return fmt.Errorf("cannot look at PID 1 of the tenant: %w", err)
	}
	p.init.start = s.start
	if _, isFamily := p.tree.(*family); isFamily {
		p.tree = newPidSpace(p.init)
	}
	return nil
}

// abandon undoes what begin did before it failed.
func (p *Process) abandon() error {
	forget := func() { p.closeOutputs(); p.unwatchPids(); p.oom.close(p.engine.loop) }
	if !p.engine.loop.call(forget) {
		forget()
	}
	if p.tree == nil {
		p.inside.close()
		return removeFiles(p.spec)
	}
	if p.child {
		killChild(p.pid)
	}
	return p.cleanUp()
}

// killChild kills and reaps a child that the loop does not know of. Until it is
// reaped its pid is nobody else's.
func killChild(pid int) {
	_ = unix.Kill(pid, unix.SIGKILL) // fails only if it is dead
	var info unix.Siginfo
	for unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	_, _ = mains.reap(pid) // how it ended is known
}
