package sandbox

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudoterminal that a command gets in place of its streams. It is
// made in the tenant's own view, so that nothing of the operator's is in the hands
// of a tenant's program: what that types into its terminal (TIOCSTI) it types for
// itself.
//
//	operator's terminal ── ten ── master ║ tty ── the command, whose session it controls
//
// Whoever holds the master is at its keyboard. When the last one closes it, the
// kernel hangs the session up (SIGHUP).
type Terminal struct {
	Rows, Cols uint16
	Attach     func(master *os.File) // called once, before Exec returns; the file is closed after it
}

// pty is both ends of a pseudoterminal.
type pty struct{ master, tty *os.File }

// openPTY makes one of the devpts in the calling thread's view.
func openPTY(rows, cols uint16) (*pty, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a terminal: cannot open /dev/ptmx: %w", err)
	}
	p := &pty{master: os.NewFile(uintptr(fd), "master")}
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
	if err == nil { // by its name it could be another one
		var tty uintptr
		var errno syscall.Errno
		tty, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno == 0 {
			p.tty = os.NewFile(tty, "tty")
			return p, nil
		}
		err = errno
	}
	p.master.Close()
	return nil, fmt.Errorf("cannot make a terminal: %w", err)
}
