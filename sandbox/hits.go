package sandbox

import (
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A process that runs into its memory limit is killed with all of its tree, and
// its Status says so. One that runs into its limit of processes goes on, with
// forks that fail: Events.Hit says so, once a generation.

// pairs gives the "name value" lines of a cgroup's file.
func pairs(text string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !yield(name, value) {
				return
			}
		}
	}
}

// oomKills is how many processes of the cage the kernel killed for want of memory.
func (g *cage) oomKills() int {
	return count(g.file(memoryController, "memory.oom_control", "memory.events"), "oom_kill")
}

// pidsFile counts the forks that failed at the limit.
func (g *cage) pidsFile() string {
	if g == nil || g.limits.Pids == 0 {
		return ""
	}
	return g.file(pidsController, "pids.events", "pids.events")
}

func (g *cage) refusedForks() int { return count(g.pidsFile(), "max") }

// cause says which limit a process that ended badly had run into, "" if none.
func (g *cage) cause(s Status) Limit {
	switch {
	case g == nil || s.Clean():
		return ""
	case g.oomKills() > 0:
		return LimitMemory
	case g.refusedForks() > 0:
		return LimitPids
	}
	return ""
}

// watchLimits has the loop tell when a limit is hit. Without a watch (the user's
// inotify watches are used up) the news comes with the end only.
func (p *Process) watchLimits() error {
	if p.cage == nil {
		return nil
	}
	switch file := p.cage.pidsFile(); {
	case file == "":
	case p.cage.legacy[pidsController] != "":
		p.engine.patrol.add(p, file)
	default:
		watch, _ := p.engine.watches.addFile(file, func() { p.engine.loop.post(p.pidsHit) })
		p.mu.Lock()
		p.pidsWatch = watch
		p.mu.Unlock()
	}
	if p.cage.limits.MemoryBytes > 0 && p.cage.legacy[memoryController] != "" {
		return p.watchOOM(p.cage.legacy[memoryController])
	}
	return nil
}

// pidsHit runs on the loop when pids.events may have changed.
func (p *Process) pidsHit() {
	select {
	case <-p.done: // its Status says it
		return
	default:
	}
	if !p.pidsTold {
		if p.cage.refusedForks() == 0 {
			return
		}
		p.pidsTold = true
		p.events.Hit(LimitPids)
	}
	p.unwatchPids() // further hits are no news, and a fork bomb has thousands a second
}

// unwatchPids may be called twice.
func (p *Process) unwatchPids() {
	p.engine.patrol.remove(p)
	p.mu.Lock()
	watch := p.pidsWatch
	p.pidsWatch = nil
	p.mu.Unlock()
	if watch != nil {
		p.engine.watches.remove(watch)
	}
}

// watchOOM has the kernel tell of an OOM in a version 1 cgroup: there is no
// memory.oom.group there, so that the rest of the tree is ours to kill.
func (p *Process) watchOOM(dir string) error {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("cannot watch the memory limit: %w", err)
	}
	p.oom.fd = event
	control, err := os.Open(dir + "/memory.oom_control")
	if err == nil {
		line := strconv.Itoa(event) + " " + strconv.Itoa(int(control.Fd()))
		err = os.WriteFile(dir+"/cgroup.event_control", []byte(line), 0)
		control.Close() // after the write: the kernel has its own reference now
	}
	if err == nil {
		p.oom.token, err = p.engine.loop.add(event, func(uint64) { p.outOfMemory() })
	}
	if err == nil && p.cage.oomKills() > 0 { // before anybody listened: it has been running since the fork
		p.engine.loop.post(p.outOfMemory)
	}
	if err != nil {
		return fmt.Errorf("cannot watch the memory limit: %w", err)
	}
	return nil
}

// outOfMemory runs on the loop; what it starts ends within killWithin.
func (p *Process) outOfMemory() {
	var n [8]byte
	_, _ = unix.Read(p.oom.fd, n[:]) // it only resets the descriptor
	if !p.oom.killing {
		p.oom.killing = true
		go p.oomGroup()
	}
}

// killWithin is how long after the news of an OOM its kill is waited for: it
// may yet find memory in the last moment, and a busy machine is slow to kill.
const killWithin = 10 * time.Second

// oomGroup kills the rest of a tree one of whose processes the kernel killed for
// want of memory: half a tenant is worse than none.
func (p *Process) oomGroup() {
	for start := time.Now(); time.Since(start) < killWithin; time.Sleep(pause(time.Since(start))) {
		if p.cage.oomKills() > 0 {
			if err := p.tree.kill(); err != nil {
				p.engine.log.Error().Err(err).Str("tenant", p.spec.Name).Msg("cannot kill the rest of a tenant that ran out of memory")
			}
			return
		}
	}
	p.engine.loop.post(func() { p.oom.killing = false })
}

// oomWatch is the news of OOMs in version 1; the loop's.
type oomWatch struct {
	fd      int // eventfd; -1 = none
	token   uint64
	killing bool
}

// close is for the loop, or for after it; it may be called twice.
func (o *oomWatch) close(l *loop) {
	if o.fd >= 0 {
		l.remove(o.fd, o.token)
		unix.Close(o.fd)
		o.fd = -1
	}
}
