package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A command beside a tenant's program at LevelSandbox is one more process of gVisor's
// kernel. On the host a runsc exec stands for it, in the tenant's cgroup: it asks the
// kernel for the process, passes the streams in and exits as the process does. What
// runsc says itself goes to a file of its own and not among the command's output.
//
//	0, 1  nothing     3     runsc                7  what to run, as JSON
//	2     its words   4-6   the command's own    8  the command's number, when it runs
const (
	runscWordsFD = 2
	visitFD      = 7
	startedFD    = 8
)

// runscVisit is how runsc is asked for a command; the flags are those of
// runscArguments that matter to it.
var runscVisit = []string{
	"runsc", "--root=" + guestState, "--network=host", "--ignore-cgroups", "exec",
	"--process=/proc/self/fd/" + strconv.Itoa(visitFD),
	"--internal-pid-file=/proc/self/fd/" + strconv.Itoa(startedFD),
	"--pass-fd=4:0", "--pass-fd=5:1", "--pass-fd=6:2",
	guestName,
}

// guestWithin is how long gVisor may take to begin with a command. It needs a tenth of
// a second.
const guestWithin = 30 * time.Second

// runscFailed is how runsc exits when it could not do what it was asked for.
const runscFailed = 128

// addRunsc gives a child what runsc itself has.
func (v *visitor) addRunsc(child *childFiles) error {
	for range runscWordsFD {
		null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
		}
		child.add(null)
	}
	words, err := unix.MemfdCreate("tenement-words", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot make a file in memory: %w", err)
	}
	child.add(words)
	runsc, err := v.engine.openRunsc()
	if err != nil {
		return err
	}
	defer runsc.Close()
	fd, err := unix.FcntlInt(runsc.Fd(), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return err
	}
	child.add(fd)
	return nil
}

// spawnGuest starts the program at path, of the tenant's view, in gVisor's kernel.
func (v *visitor) spawnGuest(path string, child *childFiles) error {
	if err := canExecute(v.spec.Dir, path); err != nil {
		return executeError(v.spec, path, err)
	}
	process := guestProcessOf(v.spec, path, v.environment())
	process.Terminal = child.terminal >= 0
	text, err := guestText(process)
	if err != nil {
		return err
	}
	description, err := unix.MemfdCreate("tenement-command", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot make a file in memory: %w", err)
	}
	child.add(description)
	if err := os.WriteFile("/proc/self/fd/"+strconv.Itoa(description), text, 0); err != nil {
		return fmt.Errorf("cannot describe a command to gVisor: %w", reason(err))
	}
	var started [2]int
	if err := unix.Pipe2(started[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer unix.Close(started[0])
	child.add(started[1])
	if err := v.forkRunsc(runscVisit, child); err != nil {
		return err
	}
	unix.Close(started[1]) // or its end would never be heard of
	child.owned = child.owned[:len(child.owned)-1]
	if v.guest, err = guestNumber(started[0], guestWithin); err != nil {
		return fmt.Errorf("gVisor did not run it: %w", words(err, child.owned[runscWordsFD]))
	}
	return nil
}

func (v *visitor) forkRunsc(argv []string, child *childFiles) error {
	if err := v.fork("/proc/self/fd/"+strconv.Itoa(runscFD), argv, []string{v.marker()}, child); err != nil {
		return fmt.Errorf("cannot execute runsc: %w", err)
	}
	return nil
}

// guestNumber waits for the number of a process that gVisor's kernel has begun with.
func guestNumber(fd int, patience time.Duration) (int, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(patience); ; {
		n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
		if err == unix.EINTR && time.Now().Before(deadline) {
			continue
		}
		if n == 0 {
			return 0, fmt.Errorf("it has not begun after %v", patience)
		}
		break
	}
	var digits [20]byte
	n, err := readDatagram(fd, digits[:])
	if err == nil && n == 0 {
		err = errors.New("runsc ended")
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(digits[:n]))
}

// words puts what runsc said, as far as it is worth reading, behind an error.
func words(err error, from int) error {
	var said [500]byte
	n, _ := unix.Pread(from, said[:], 0) // in memory
	if text := strings.Join(strings.Fields(string(said[:max(n, 0)])), " "); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// signalGuest has gVisor signal the command and who is still in its process group.
// It asks by a runsc of its own, as the one that stands for the command passes on
// nothing but what a terminal sends.
func (v *visitor) signalGuest(s syscall.Signal) error {
	k := v.host.visitorOf(Command{})
	child := childFiles{cgroup: -1, program: -1, terminal: -1}
	defer child.close()
	err := k.prepareVisit(&child)
	if err == nil {
		err = k.inPlace(func() error {
			return k.forkRunsc([]string{"runsc", "--root=" + guestState, "kill", "--pgid=" + strconv.Itoa(v.guest), guestName, strconv.Itoa(int(s))}, &child)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot signal a command in %s: %w", v.spec.Name, err)
	}
	status, err := k.end()
	if err == nil && status != 0 {
		err = words(errors.New("gVisor did not take the signal"), child.owned[runscWordsFD])
	}
	if err != nil {
		return fmt.Errorf("cannot signal a command in %s: %w", v.spec.Name, err)
	}
	return nil
}

// judgeGuest tells how a command ended by how the runsc that stood for it did.
func (v *visitor) judgeGuest(s Status) Status {
	switch {
	case s.Signal == 0 && s.Code != runscFailed:
		return guestStatus(s)
	case !v.kernelRuns(): // and all that was in it is gone
		return Status{Code: -1, Signal: int(unix.SIGKILL)}
	case s.Signal != 0: // runsc was killed, which the command has not noticed
		_ = v.signalGuest(unix.SIGKILL) // ends with the tenant otherwise
	}
	return s
}

// kernelRuns reports that gVisor's kernel is there.
func (v *visitor) kernelRuns() bool {
	members, err := guest{v.host.tree, v.host.pid}.members()
	return err == nil && len(members) > 0 && members[0].pid != v.host.pid
}
