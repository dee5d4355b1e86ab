package sandbox

import (
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reapDelay gathers deaths: a tenant that leaves 10 000 zombies is one look.
const reapDelay = 50 * time.Millisecond

// mains are the processes of tenants that Start forked and nobody has reaped
// yet. The kernel keeps one list of children for the whole program, so there is
// one table, however many engines a program has.
var mains = mainTable{pids: map[int]bool{}}

type mainTable struct {
	starting sync.RWMutex // read: from a fork until its pid is in the table
	mu       sync.Mutex
	pids     map[int]bool
}

func (t *mainTable) add(pid int) {
	t.mu.Lock()
	t.pids[pid] = true
	t.mu.Unlock()
}

func (t *mainTable) has(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pids[pid]
}

// reap takes the status of one that has ended. The lock is held over both steps:
// once reaped, the pid may be the next start's.
func (t *mainTable) reap(pid int) (unix.WaitStatus, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var status unix.WaitStatus
	n, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
	delete(t.pids, pid)
	if err == nil && n != pid {
		err = unix.ECHILD
	}
	return status, err
}

// reaper ends the zombies that tenants leave: a process whose parent died
// becomes a child of the daemon, and nobody but the daemon can reap it.
type reaper struct {
	root    string // name of the cgroup root; "" without cgroups
	session int    // the daemon's own
	signals chan os.Signal
	stopped chan struct{}
}

// newReaper makes this program the one that orphans below it fall to. stop ends
// the goroutine; the program stays a subreaper, as the orphans stay its.
func newReaper(root string) (*reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, err
	}
	session, err := unix.Getsid(0)
	if err != nil {
		return nil, err
	}
	r := &reaper{root: root, session: session, signals: make(chan os.Signal, 1), stopped: make(chan struct{})}
	signal.Notify(r.signals, unix.SIGCHLD)
	go r.run()
	return r, nil
}

func (r *reaper) run() {
	defer close(r.stopped)
	for range r.signals {
		time.Sleep(reapDelay)
		r.reap()
	}
}

func (r *reaper) stop() {
	signal.Stop(r.signals)
	close(r.signals)
	<-r.stopped
	r.reap()
}

// reap ends every zombie that is a tenant's and not a main process, a few at a
// time: nobody's start waits for one tenant's thousands.
func (r *reaper) reap() {
	for batch := range slices.Chunk(children(), 32) {
		r.reapSome(batch)
	}
}

func (r *reaper) reapSome(pids []int) {
	mains.starting.Lock() // a child just forked is not in the table yet
	defer mains.starting.Unlock()
	for _, pid := range pids {
		if !mains.has(pid) && r.orphan(pid) {
			var status unix.WaitStatus
			_, _ = unix.Wait4(pid, &status, unix.WNOHANG, nil) // somebody else's success is as good
		}
	}
}

// orphan tells a tenant's zombie from a child that another part of this program
// started and waits for: it is in a cgroup of ours (the kernel remembers a
// zombie's), or, without cgroups, in another session than the daemon.
func (r *reaper) orphan(pid int) bool {
	s, err := readStat(pid)
	if err != nil || s.state != 'Z' {
		return false
	}
	if r.root == "" {
		return s.session != r.session
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return err == nil && within(unifiedCgroup(data), r.root)
}

// children lists the program's children. Kernels built without
// CONFIG_PROC_CHILDREN have no such file; there the parents of all are read.
func children() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is well formed
	for _, file := range files {
		data, _ := os.ReadFile(file) // a thread that ended has handed its children on
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if len(files) > 0 {
		return pids
	}
	all, _ := processes()
	for _, pid := range all {
		if s, err := readStat(pid); err == nil && s.parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
