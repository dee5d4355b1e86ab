package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tenement/actors"
	"tenement/edge"
)

// sit has a real terminal for a command that reads a line, waits for
// another size and tells about both.
func (h *fakeHost) sit(x actors.Execution) error {
	master, tty, err := openPTY()
	if err != nil {
		return err
	}
	defer tty.Close()
	x.Terminal.Attach(master)
	master.Close()
	fmt.Fprintf(tty, "%d x %d, %s> ", x.Terminal.Rows, x.Terminal.Cols, x.TerminalType)
	line, err := bufio.NewReader(tty).ReadString('\n')
	if err != nil {
		return h.did("hung up")
	}
	size, err := unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ)
	for end := time.Now().Add(time.Minute); err == nil && size.Row == x.Terminal.Rows && time.Now().Before(end); time.Sleep(time.Millisecond) {
		size, err = unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ) // keys and sizes come by two ways
	}
	if err == nil {
		_, err = fmt.Fprintf(tty, "%d x %d: %s", size.Row, size.Col, line)
	}
	return err
}

// seat is ten at a terminal.
type seat struct {
	w        *world
	keyboard *os.File
	tty      *os.File
	before   unix.Termios
	screen   *buffer
	code     chan int
}

// sitDown runs a command line at a terminal of 40 x 100.
func (w *world) sitDown(args ...string) *seat {
	w.t.Helper()
	s := &seat{w: w, screen: &buffer{}, code: make(chan int, 1)}
	s.keyboard, s.tty = pty(w.t)
	if err := unix.IoctlSetWinsize(int(s.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		w.t.Fatal(err)
	}
	s.before = s.termios()
	go func() { _, _ = io.Copy(s.screen, s.keyboard) }() // ends with the terminal
	a, _, _ := w.app()
	a.in, a.out, a.err = s.tty, s.tty, s.tty
	go func() { s.code <- a.runContext(w.t.Context(), args) }()
	return s
}

func (s *seat) termios() unix.Termios {
	s.w.t.Helper()
	t, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return *t
}

func (s *seat) sees(text string) {
	s.w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.screen.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.w.t.Fatalf("waited in vain for %q; on the screen:\n%s", text, s.screen.String())
		}
	}
}

// ends wants an exit code, and the terminal as it was.
func (s *seat) ends(code int) {
	s.w.t.Helper()
	if got := <-s.code; got != code {
		s.w.t.Errorf("exit %d, want %d; on the screen:\n%s", got, code, s.screen.String())
	}
	if s.termios() != s.before {
		s.w.t.Errorf("the terminal is left as %+v, was %+v", s.termios(), s.before)
	}
}

func TestExecTerminal_AtATerminalTheCommandHasOne(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.env["TERM"] = "xterm-256color"
	s := w.sitDown("exec", "notes:alice", "tty")
	s.sees("40 x 100, xterm-256color> ")
	if s.termios() == s.before {
		t.Error("keys are not handed on as they are")
	}
	if err := unix.IoctlSetWinsize(int(s.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 132}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil { // whoever does not lead a session is not told
		t.Fatal(err)
	}
	io.WriteString(s.keyboard, "typed\r")
	s.ends(7)
	s.sees("typed\r\n50 x 132: typed\r\n")
}

func TestExecTerminal_NoneIsGivenWhereNoneIsWanted(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	s := w.sitDown("exec", "--tty=false", "notes:alice", "exit")
	s.ends(7)
	s.sees("bad\r\n")
	w.wants(1, "", "Error: the command cannot have a terminal: the input of ten is none: leave --tty away, or type in a terminal", "exec", "-t", "notes:alice", "--", "sh")
	w.wants(7, "", "bad\n", "exec", "--tty=false", "notes:alice", "exit")
	if got := w.host.all(); strings.Contains(got, "tty") {
		t.Error(got)
	}
}

func TestExecTerminal_WhatIsNotRunIsSaidOnATerminalAsItWas(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	s := w.sitDown("exec", "notes:zoe", "tty")
	s.ends(1)
	s.sees("Error: cannot run a command in notes:zoe: unknown tenant")
	w.env["TERM"] = "no terminal"
	s = w.sitDown("exec", "notes:alice", "tty")
	s.ends(1)
	s.sees(`Error: "no terminal" is no type of a terminal: set TERM to one, like xterm`)
}

// execSocket is a daemon that does with the first who asks for a command what it
// is told.
func (w *world) execSocket(first func(conn *net.UnixConn)) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "run")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	l, err := edge.ListenControl(filepath.Join(dir, execName))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		if conn, err := l.Accept(); err == nil {
			_, _ = bufio.NewReader(conn).ReadString('\n') // what to run
			first(conn.(*net.UnixConn))
			conn.Close()
		}
	}()
}

func TestExecTerminal_ADaemonThatIsLostGivesTheTerminalBack(t *testing.T) {
	for name, c := range map[string]struct {
		does func(t *testing.T, conn *net.UnixConn)
		want string
	}{
		"before": {func(*testing.T, *net.UnixConn) {}, "Error: the daemon left before the command ran: "},
		"strange": {func(_ *testing.T, conn *net.UnixConn) {
			_, _, _ = conn.WriteMsgUnix([]byte("\n"), syscall.UnixRights(0, 1), nil)
		}, "Error: the daemon passed no terminal"},
		"meanwhile": {func(t *testing.T, conn *net.UnixConn) {
			master, tty, err := openPTY()
			if err != nil {
				t.Error(err)
				return
			}
			defer tty.Close()
			_, _, err = conn.WriteMsgUnix([]byte("\n"), syscall.UnixRights(int(master.Fd())), nil)
			master.Close()
			if _, errTyped := bufio.NewReader(tty).ReadByte(); errors.Join(err, errTyped) != nil {
				t.Error(err, errTyped)
			}
		}, "Error: the daemon left before the command had ended: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.execSocket(func(conn *net.UnixConn) { c.does(t, conn) })
			s := w.sitDown("exec", "notes:alice", "tty")
			if name == "meanwhile" {
				until(t, "keys are handed on", func() bool { return s.termios() != s.before })
				io.WriteString(s.keyboard, "x\r")
			}
			s.ends(1)
			s.sees(c.want)
		})
	}
}
