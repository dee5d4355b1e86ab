package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Who dies first when the host itself runs out of memory: tenants before anybody
// else, the daemon after everybody but the system's own (sshd has -1000).
const (
	tenantOOMScore = "500"
	daemonOOMScore = -500
)

// guard lowers the daemon's own score, where it may, and forbids core dumps to
// it and thereby to all tenants: they hold secrets, and fill disks.
func (e *Engine) guard() {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		e.log.Warn().Err(err).Msg("cannot turn core dumps off")
	}
	data, err := os.ReadFile("/proc/self/oom_score_adj")
	score, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || score <= daemonOOMScore {
		return
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(daemonOOMScore)), 0); err != nil {
		e.log.Debug().Err(err).Msg("the daemon's oom_score_adj stays as it is (CAP_SYS_RESOURCE lowers it); its tenants' are higher")
	}
}

// exposeToOOM raises the score of a process that has just been started, and of
// what it forked meanwhile: a pass over its cgroup that finds nobody new is the
// last, as children have their parent's score. Without a cgroup the daemon is no
// root, so that its own score, which they have then, is not lowered.
func (p *Process) exposeToOOM() {
	if err := raiseOOMScore(p.pid); err != nil {
		p.engine.log.Warn().Err(err).Str("tenant", p.spec.Name).Msg("cannot set a tenant's oom_score_adj")
		return
	}
	l, isLeaf := p.tree.(*leaf)
	raised := map[int]bool{p.pid: true}
	for fresh := isLeaf; fresh; {
		members, _ := l.members() // unreadable: Terminate and Kill will say so
		fresh = false
		for _, m := range members {
			if !raised[m.pid] && l.holds(m) {
				raised[m.pid], fresh = true, true
				_ = raiseOOMScore(m.pid) // only root gets here, who may
			}
		}
	}
}

// raiseOOMScore sets the score of a process; one that ended needs none.
func raiseOOMScore(pid int) error {
	path := filepath.Join("/proc", strconv.Itoa(pid), "oom_score_adj")
	err := os.WriteFile(path, []byte(tenantOOMScore), 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
