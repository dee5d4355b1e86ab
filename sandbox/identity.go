package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stat is what /proc/PID/stat says of a process at one moment.
type stat struct {
	pid     int
	parent  int
	session int
	state   byte   // 'Z' for a zombie
	start   uint64 // clock ticks after boot; with pid it names a process
}

// readStat reads one process's stat. A process that is gone is os.ErrNotExist
// or ESRCH, depending on when it went.
func readStat(pid int) (stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(data)
}

// parseStat reads proc_pid_stat(5). The second field is the program's own name,
// which may hold spaces and parentheses: everything counts from the last ")".
func parseStat(data []byte) (stat, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 1 || end < open {
		return stat{}, fmt.Errorf("cannot read a process's stat: %q", data)
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("cannot read a process's stat: %q", data)
	}
	var s stat
	var errs [4]error
	s.state = fields[0][0]
	s.pid, errs[0] = strconv.Atoi(string(bytes.TrimSpace(data[:open])))
	s.parent, errs[1] = strconv.Atoi(fields[1])
	s.session, errs[2] = strconv.Atoi(fields[3])
	s.start, errs[3] = strconv.ParseUint(fields[19], 10, 64)
	return s, errors.Join(errs[:]...)
}

// ownerOfFile is the number of a file's user.
func ownerOfFile(info fs.FileInfo) uint32 {
	st, _ := info.Sys().(*syscall.Stat_t) // always, on Linux
	return st.Uid
}

// bootID names this boot of the machine: pids and start times mean nothing in
// another one.
func bootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot tell this boot from another: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// openProcess opens a pidfd of the process with this pid and start time. The
// start time is read after opening: from then on the descriptor cannot come to
// mean another process, so a match holds for good. ErrGone when there is none.
func openProcess(pid int, start uint64) (int, error) {
	if pid <= 1 || start == 0 {
		return -1, ErrGone // never init, never "every process"
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if isGone(err) {
		return -1, ErrGone
	}
	if err != nil {
		return -1, fmt.Errorf("cannot open process %d: %w", pid, err)
	}
	if s, err := readStat(pid); err != nil || s.start != start || s.state == 'Z' {
		unix.Close(fd)
		return -1, ErrGone
	}
	return fd, nil
}

// processes lists the pids of /proc.
func processes() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
