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
	Argv    []string    // as in Spec
	Env     []string    // complete
	Streams [3]*os.File // its stdin, stdout and stderr; the caller's to close
}

// errNoExec is for where nothing can be run beside the tenant's own program.
var errNoExec = errors.New(`nothing can be run beside the program of a tenant at isolation = "sandbox" in this version: give the tenant a way in of its own, or look at its directory from outside`)

// Exec starts a command in the enclosure of a running process: its user, namespaces,
// cgroup, Landlock rules and filter of system calls, and never with more rights than
// the process has. It is of the process's tree and ends with it. exited is called
// once, from a goroutine of its own; signal reaches the command and whatever is still
// in its process group, and does nothing after the end.
func (p *Process) Exec(c Command, exited func(Status)) (signal func(syscall.Signal) error, err error) {
	select {
	case <-p.done:
		return nil, &ExitedError{Name: p.spec.Name}
	default:
	}
	if p.spec.Level == LevelSandbox {
		return nil, errNoExec
	}
	g := p.visitorOf(c)
	if err := g.begin(c); err != nil {
		return nil, fmt.Errorf("cannot execute in %s: %w", p.spec.Name, err)
	}
	go g.wait(exited) // ends with the command
	return g.signal, nil
}

// visitor is a command in the enclosure of a host's process.
type visitor struct {
	*Process          // how it is started: what is forked, with which streams
	host     *Process // whose enclosure it is in

	mu    sync.Mutex
	ended bool // reaped: its number may be anybody's
}

func (p *Process) visitorOf(c Command) *visitor {
	s := p.spec
	s.Argv, s.Env, s.Listen = c.Argv, c.Env, ListenUnix // its listener is not for others
	return &visitor{host: p, Process: &Process{engine: p.engine, spec: s, cage: p.cage, inside: p.inside, pidfd: -1}}
}

func (v *visitor) begin(c Command) error {
	child := childFiles{cgroup: -1, program: -1}
	defer child.close()
	for _, file := range c.Streams {
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
	var err error
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
	if err := v.launch(&child); err != nil {
		return err
	}
	_ = raiseOOMScore(v.pid) // one that ended already needs none
	return nil
}

// launch starts the command on a thread that is thrown away.
func (v *visitor) launch(child *childFiles) error {
	enter := noNewPrivileges
	if v.spec.Level == LevelNamespace {
		spaces, err := openSpaces(member{v.host.pid, v.host.start}, v.spec.UID)
		if err != nil {
			return err
		}
		defer spaces.close()
		enter = func() error { return v.join(spaces, child) }
	}
	return onThread(func() error {
		if err := v.cage.enter(); err != nil { // while the cgroups are in sight
			return err
		}
		if err := enter(); err != nil {
			return err
		}
		path, err := findCommand(v.spec)
		if err != nil {
			return err
		}
		return v.spawn(path, child)
	})
}

// join takes the calling thread to where the host's program was started from.
func (v *visitor) join(spaces spaces, child *childFiles) error {
	if err := v.inside.net.enter(); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns wants it
		return fmt.Errorf("cannot leave the daemon's root directory: %w", err)
	}
	if err := spaces.enter(); err != nil {
		return err
	}
	unix.Umask(0o022) // of this thread alone, since CLONE_FS
	n := &enclosure{p: v.Process, child: child}
	if err := n.drop(); err != nil {
		return err
	}
	if err := restrict(v.engine.landlock, n.writable()); err != nil {
		return err
	}
	return n.enterDir()
}

// wait reaps the command.
func (v *visitor) wait(exited func(Status)) {
	fds := []unix.PollFd{{Fd: int32(v.pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			break
		}
	}
	v.mu.Lock()
	v.ended = true
	unix.Close(v.pidfd)
	status, err := mains.reap(v.pid)
	v.mu.Unlock()
	switch {
	case err != nil:
		exited(Status{Code: -1, Unknown: true})
	case status.Signaled():
		exited(Status{Code: -1, Signal: int(status.Signal())})
	default:
		exited(Status{Code: status.ExitStatus()})
	}
}

func (v *visitor) signal(s syscall.Signal) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended {
		return nil
	}
	if err := unix.Kill(-v.pid, s); err != nil && err != unix.ESRCH { // it leads a session of its own
		return fmt.Errorf("cannot signal a command in %s: %w", v.spec.Name, err)
	}
	return nil
}

// spaces are the namespaces of a tenant, by the file of its program for each.
type spaces []*os.File

// enteredKinds are those of a tenant's own; the network is known, and a cgroup
// namespace is made by the fork.
var enteredKinds = []struct {
	name string
	flag int
}{{"mnt", unix.CLONE_NEWNS}, {"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"pid", unix.CLONE_NEWPID}}

// openSpaces opens them, and looks afterwards whether the process is the one
// meant. PID 1 shares them, and is out of sight without CAP_SYS_PTRACE.
func openSpaces(main member, uid uint32) (all spaces, err error) {
	err = peek(uid, func() error {
		all.close()
		all = nil
		for _, kind := range enteredKinds {
			file, err := os.Open("/proc/" + strconv.Itoa(main.pid) + "/ns/" + kind.name)
			if err != nil {
				return fmt.Errorf("cannot open a namespace: %w", reason(err))
			}
			all = append(all, file)
		}
		return nil
	})
	if s, gone := readStat(main.pid); err == nil && (gone != nil || s.start != main.start) {
		err = errors.New("it has just ended")
	}
	if err != nil {
		all.close()
		return nil, err
	}
	return all, nil
}

func (s spaces) close() {
	for _, file := range s {
		file.Close()
	}
}

func (s spaces) enter() error {
	for i, kind := range enteredKinds {
		if err := unix.Setns(int(s[i].Fd()), kind.flag); err != nil {
			return fmt.Errorf("cannot enter the %s namespace: %w", kind.name, err)
		}
	}
	return nil
}
