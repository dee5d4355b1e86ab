package sandbox

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// endGrace is how long End leaves a former daemon's processes after SIGTERM.
const endGrace = 2 * time.Second

// Adopt makes the handle of a process that a former daemon started. ErrGone
// unless pid, start time and boot id are those of the record. Its end is seen,
// but not its exit status: Status.Unknown. What it wrote while nobody read is
// still in its pipes.
func (e *Engine) Adopt(r Record, ev Events) (*Process, error) {
	p := newProcess(e, r.spec(), ev)
	if err := p.adopt(r); err != nil {
		return nil, fmt.Errorf("cannot adopt %s: %w", r.Name, err)
	}
	return p, nil
}

func (p *Process) adopt(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Boot != p.engine.boot {
		return ErrGone
	}
	fd, err := openProcess(r.Pid, r.Start)
	if err != nil {
		return err
	}
	p.pidfd, p.pid, p.start, p.endpoint = fd, r.Pid, r.Start, r.Endpoint
	p.tree, p.cage = p.engine.treeOf(r, r.Pid), r.cage()
	if r.Level == LevelNamespace || r.Level == LevelSandbox {
		if p.inside, err = openInside(r.Pid, r.UID); err != nil {
			p.closePidfd()
			return err
		}
		if p.endpoint.inside = p.inside; r.Endpoint.Network == "unix" {
			p.endpoint.inside = p.socketPlace()
		}
	}
	p.reopen()
	p.engine.enlist(p)
	if err := p.watch(); err != nil {
		if !p.engine.loop.call(p.closeOutputs) {
			p.closeOutputs()
		}
		p.closePidfd()
		p.engine.delist(p)
		return err
	}
	return nil
}

// treeOf gives a recorded tree: by cgroup where there was one, with session 0
// for a main process that is dead, whose pid may mean anything by now.
func (e *Engine) treeOf(r Record, session int) tree {
	if r.Cgroup != "" && isCgroup(r.Cgroup) {
		return &leaf{dir: r.Cgroup, init: r.Init}
	}
	if r.Init != 0 {
		return newPidSpace(member{r.Init, r.InitStart})
	}
	return newFamily(r.Marker, session)
}

// isCgroup keeps kill and remove to the cgroup file system, whatever a record says.
func isCgroup(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// reopen opens the read ends of the FIFOs. A process whose FIFO somebody removed
// goes on without being read: better than ending it.
func (p *Process) reopen() {
	d, err := openOwn(p.spec.RunDir, p.spec.dirOwner())
	if err != nil {
		p.engine.log.Warn().Err(err).Str("tenant", p.spec.Name).Msg("an adopted tenant's output is lost")
		return
	}
	defer d.close()
	for i, name := range fifoNames(p.spec.Generation) {
		if p.outputs[i].fd, err = d.openFIFO(name, unix.O_NONBLOCK); err != nil {
			p.engine.log.Warn().Err(err).Str("tenant", p.spec.Name).Msg("an adopted tenant's output is lost")
		}
	}
}

// End ends whatever is left of a former daemon's process, the whole tree:
// SIGTERM, two seconds, SIGKILL. Then it removes cgroup, FIFOs and socket. It
// signals nobody on the word of a record that makes no sense or is of another
// boot.
func (e *Engine) End(r Record) error {
	if err := e.end(r); err != nil {
		return fmt.Errorf("cannot end what is left of %s: %w", r.Name, err)
	}
	return nil
}

func (e *Engine) end(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Boot == e.boot {
		if err := e.endRecorded(r); err != nil {
			return err
		}
	}
	return removeFiles(r.spec())
}

func (e *Engine) endRecorded(r Record) error {
	session := 0
	fd, err := openProcess(r.Pid, r.Start)
	if err == nil {
		defer unix.Close(fd)
		session = r.Pid
	} else if !errors.Is(err, ErrGone) {
		return err
	}
	t := e.treeOf(r, session)
	if f, isFamily := t.(*family); isFamily {
		f.callRoll(session == 0) // its number means nothing once it has gone
	}
	if err = signalAll(signalled(t, r.Level, session), unix.SIGTERM); err == nil {
		err = waitEmpty(t, endGrace)
	}
	if session != 0 { // should it have left its cgroup
		err = errors.Join(err, ignoreGone(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)))
	}
	return errors.Join(err, endTree(t), r.cage().remove())
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// waitEmpty returns when nobody is left in the tree, or after the time given.
func waitEmpty(t tree, within time.Duration) error {
	for start := time.Now(); time.Since(start) < within; time.Sleep(pause(time.Since(start))) {
		if gone, err := empty(t); gone || err != nil {
			return err
		}
	}
	return nil
}
