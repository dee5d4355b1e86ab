package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pidSpace is a tree without a cgroup that has a pid namespace: nobody leaves
// it, and all end with its PID 1.
type pidSpace struct {
	space string // names the namespace, "pid:[4026531836]"; "" when PID 1 is gone
	init  member // PID 1, as the host numbers it
}

// newPidSpace finds the namespace by its PID 1.
func newPidSpace(init member) *pidSpace {
	space := spaceOf(init.pid)
	if s, err := readStat(init.pid); err != nil || s.start != init.start {
		space = ""
	}
	return &pidSpace{space: space, init: init}
}

func spaceOf(pid int) string {
	link, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/pid") // gone: in no space
	return link
}

func (s *pidSpace) members() ([]member, error) {
	if s.space == "" {
		return nil, nil
	}
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	var all []member
	for _, pid := range pids {
		if pid == s.init.pid || spaceOf(pid) != s.space {
			continue
		}
		if st, err := readStat(pid); err == nil && st.state != 'Z' {
			all = append(all, member{pid: pid, start: st.start})
		}
	}
	return all, nil
}

func (s *pidSpace) holds(m member) bool { return spaceOf(m.pid) == s.space }

func (s *pidSpace) kill() error {
	fd, err := openProcess(s.init.pid, s.init.start)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := ignoreGone(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)); err != nil {
		return fmt.Errorf("cannot kill PID 1 of the tenant: %w", err)
	}
	return nil
}

// remove waits until all that kill ended are gone. PID 1 goes last.
func (s *pidSpace) remove() error {
	for start := time.Now(); ; time.Sleep(pause(time.Since(start))) {
		fd, err := openProcess(s.init.pid, s.init.start)
		if errors.Is(err, ErrGone) {
			return nil
		}
		if err == nil {
			unix.Close(fd)
			err = errors.New("killed processes are still there")
		}
		if time.Since(start) > goneWithin {
			return err
		}
	}
}
