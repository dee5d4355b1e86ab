package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command is a program that is to run beside a tenant's own, in its enclosure.
type Command struct {
	Argv     []string    // as in Spec
	Env      []string    // complete
	Streams  [3]*os.File // its stdin, stdout and stderr; the caller's to close
	Terminal *Terminal   // instead of Streams; nil: none
}

// Exec starts a command in the enclosure of a running process: its user, namespaces,
// cgroup, Landlock rules and filter of system calls, or its gVisor, and never with
// more rights than the process has. It is of the process's tree and ends with it.
// exited is called once, from a goroutine of its own; signal reaches the command and
// whatever is still in its process group, and does nothing after the end.
func (p *Process) Exec(c Command, exited func(Status)) (signal func(syscall.Signal) error, err error) {
	select {
	case <-p.done:
		return nil, &ExitedError{Name: p.spec.Name}
	default:
	}
	v := p.visitorOf(c)
	if err := v.begin(c); err != nil {
		return nil, fmt.Errorf("cannot execute in %s: %w", p.spec.Name, err)
	}
	go func() { exited(v.judge(v.end())) }() // ends with the command
	return v.signal, nil
}

// visitor is a command in the enclosure of a host's process.
type visitor struct {
	*Process          // how it is started: what is forked, with which streams
	host     *Process // whose enclosure it is in
	master   *os.File // of its terminal, until somebody else has it
	guest    int      // at LevelSandbox: the command's number in gVisor's kernel

	mu    sync.Mutex
	ended bool // reaped: its number may be anybody's
}

func (p *Process) visitorOf(c Command) *visitor {
	s := p.spec
	s.Argv, s.Env, s.Listen = c.Argv, c.Env, ListenUnix // its listener is not for others
	return &visitor{host: p, Process: &Process{engine: p.engine, spec: s, cage: p.cage, inside: p.inside, pidfd: -1}}
}

func (v *visitor) begin(c Command) error {
	child := childFiles{cgroup: -1, program: -1, terminal: -1}
	defer child.close()
	if err := v.prepareVisit(&child); err != nil {
		return err
	}
	err := v.inPlace(func() error {
		if err := v.equip(c, &child); err != nil {
			return err
		}
		if err := v.confine(&child); err != nil {
			return err
		}
		path, err := findCommand(v.spec)
		if err != nil {
			return err
		}
		if v.spec.Level == LevelSandbox {
			return v.spawnGuest(path, &child)
		}
		return v.spawn(path, &child)
	})
	if v.master != nil {
		defer v.master.Close()
	}
	if err != nil {
		if v.child { // it was forked, but did not become the command
			killChild(v.pid)
			unix.Close(v.pidfd)
		}
		return err
	}
	_ = raiseOOMScore(v.pid) // one that ended already needs none
	if c.Terminal != nil {
		c.Terminal.Attach(v.master)
	}
	return nil
}

// prepareVisit opens what will be out of sight for the thread that forks.
func (v *visitor) prepareVisit(child *childFiles) (err error) {
	if v.bounces() {
		if child.program, err = v.engine.trampoline(v.spec.RunDir, v.spec.Level); err != nil {
			return err
		}
	}
	if l, isLeaf := v.host.tree.(*leaf); isLeaf {
		if child.cgroup, err = l.open(); err != nil {
			return err
		}
	}
	if v.spec.Level == LevelSandbox {
		return v.addRunsc(child)
	}
	return nil
}

// inPlace runs f on a thread, to be thrown away, that has gone to where the host's
// program was started from.
func (v *visitor) inPlace(f func() error) error {
	spaces, err := openSpaces(v.host)
	if err != nil {
		return err
	}
	defer spaces.close()
	return onThread(func() error {
		if err := v.cage.enter(); err != nil { // while the cgroups are in sight
			return err
		}
		if err := v.inside.network().enter(); err != nil {
			return err
		}
		if err := spaces.enter(); err != nil {
			return err
		}
		return f()
	})
}

// equip gives the child its streams: the command's, or a new terminal of the calling
// thread's view.
func (v *visitor) equip(c Command, child *childFiles) error {
	streams := c.Streams
	if t := c.Terminal; t != nil {
		p, err := openPTY(t.Rows, t.Cols)
		if err != nil {
			return err
		}
		defer p.tty.Close()
		v.master, child.terminal = p.master, len(child.files)
		streams = [3]*os.File{p.tty, p.tty, p.tty}
	}
	for _, file := range streams {
		if u := v.spec.user(); u != nil { // what /dev/stdout leads to can be opened by it
			if err := file.Chown(int(u.UID), int(u.GID)); err != nil {
				return err
			}
		}
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 10)
		if err != nil {
			return err
		}
		child.add(fd)
	}
	return nil
}

// confine takes from the calling thread what the command must not have.
func (v *visitor) confine(child *childFiles) error {
	n := &enclosure{p: v.Process, child: child}
	switch v.spec.Level {
	case LevelProcess:
		return noNewPrivileges()
	case LevelNamespace:
		if err := n.drop(); err != nil {
			return err
		}
		if err := restrict(v.engine.landlock, n.writable()); err != nil {
			return err
		}
	case LevelSandbox: // gVisor does
	}
	return n.enterDir()
}

// end waits for the command's end and reaps it.
func (v *visitor) end() (unix.WaitStatus, error) {
	fds := []unix.PollFd{{Fd: int32(v.pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			break
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ended = true
	unix.Close(v.pidfd)
	return mains.reap(v.pid)
}

// judge tells how the command ended by what was reaped for it.
func (v *visitor) judge(status unix.WaitStatus, err error) Status {
	s := Status{Code: status.ExitStatus()}
	switch {
	case err != nil:
		s = Status{Code: -1, Unknown: true}
	case status.Signaled():
		s = Status{Code: -1, Signal: int(status.Signal())}
	}
	if v.spec.Level == LevelSandbox {
		return v.judgeGuest(s)
	}
	return s
}

func (v *visitor) signal(s syscall.Signal) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended {
		return nil
	}
	if v.spec.Level == LevelSandbox {
		return v.signalGuest(s)
	}
	if err := unix.Kill(-v.pid, s); err != nil && err != unix.ESRCH { // it leads a session of its own
		return fmt.Errorf("cannot signal a command in %s: %w", v.spec.Name, err)
	}
	return nil
}

// spaces are the namespaces of a tenant, by the file of a process in them for each.
type spaces []space

type space struct {
	name string
	flag int
	file *os.File
}

// openSpaces opens those that a tenant's level has, by its program, and looks
// afterwards whether the process is the one meant: PID 1 shares them, and is out of
// sight without CAP_SYS_PTRACE. The network is known, and a cgroup namespace is made
// by the fork.
func openSpaces(p *Process) (spaces, error) {
	var all spaces
	switch p.spec.Level {
	case LevelProcess:
		return nil, nil
	case LevelNamespace:
		all = spaces{{name: "mnt", flag: unix.CLONE_NEWNS}, {name: "ipc", flag: unix.CLONE_NEWIPC}, {name: "uts", flag: unix.CLONE_NEWUTS}, {name: "pid", flag: unix.CLONE_NEWPID}}
	case LevelSandbox:
		all = spaces{{name: "mnt", flag: unix.CLONE_NEWNS}}
	}
	err := peek(p.spec.UID, func() error { return all.open(p.pid) })
	if s, gone := readStat(p.pid); err == nil && (gone != nil || s.start != p.start) {
		err = errors.New("it has just ended")
	}
	if err != nil {
		all.close()
		return nil, err
	}
	return all, nil
}

// open opens the files of a process, in place of those that are open.
func (s spaces) open(pid int) error {
	s.close()
	for i := range s {
		file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/" + s[i].name)
		if err != nil {
			return fmt.Errorf("cannot open a namespace: %w", reason(err))
		}
		s[i].file = file
	}
	return nil
}

func (s spaces) close() {
	for i := range s {
		if s[i].file != nil {
			s[i].file.Close()
			s[i].file = nil
		}
	}
}

// enter takes the calling thread into them.
func (s spaces) enter() error {
	if len(s) == 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns wants it
		return fmt.Errorf("cannot leave the daemon's root directory: %w", err)
	}
	unix.Umask(0o022) // of this thread alone, since CLONE_FS
	for _, one := range s {
		if err := unix.Setns(int(one.file.Fd()), one.flag); err != nil {
			return fmt.Errorf("cannot enter the %s namespace: %w", one.name, err)
		}
	}
	return nil
}
