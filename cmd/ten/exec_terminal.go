package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"tenement/edge"
)

// isTerminal reports that a stream of ten's is a terminal.
func isTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

// ownTerminal describes the one that ten's input is.
func (a *app) ownTerminal() *edge.ExecTerminal {
	t := &edge.ExecTerminal{Type: a.env("TERM")}
	if cols, rows, err := term.GetSize(int(a.in.(*os.File).Fd())); err == nil { // else nobody knows it
		t.Rows, t.Cols = uint16(rows), uint16(cols)
	}
	return t
}

// execAtTerminal has the daemon run a command that gets a terminal, and is its
// screen and keyboard until it has ended. Until it runs, Ctrl-C is for ten.
func (a *app) execAtTerminal(conn *net.UnixConn, r edge.ExecRequest) error {
	if err := tellExec(conn, r, nil); err != nil {
		return err
	}
	master, rest, err := receiveMaster(conn)
	if err != nil {
		return err
	}
	if master == nil {
		reply, err := hearEnd(rest)
		return cmp.Or(err, outcome(reply))
	}
	defer master.Close() // hangs up, if the command still runs
	c := &console{keys: a.in.(*os.File), screen: a.out, master: master}
	if err := c.open(); err != nil {
		return err
	}
	defer c.close()
	var reply edge.ExecReply // of ended
	ended := make(chan error, 1)
	go func() { // ends with the connection
		var err error
		reply, err = hearEnd(rest)
		ended <- err
	}()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return err
			}
			c.drain()
			return outcome(reply)
		case s := <-c.signals:
			if s != syscall.SIGWINCH {
				return &exitError{128 + int(s.(syscall.Signal))}
			}
			c.resize()
		}
	}
}

// receiveMaster waits until the command runs: then its terminal's master comes. nil:
// it does not, and rest says why.
func receiveMaster(conn *net.UnixConn) (master *os.File, rest io.Reader, err error) {
	first, control := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	n, nControl, _, _, err := conn.ReadMsgUnix(first, control)
	if err != nil {
		return nil, nil, fmt.Errorf("the daemon left before the command ran: %w", err)
	}
	rest = io.MultiReader(bytes.NewReader(first[:n]), conn)
	messages, err := syscall.ParseSocketControlMessage(control[:nControl])
	if err != nil || len(messages) == 0 {
		return nil, rest, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, nil, errors.Join(errors.New("the daemon passed no terminal"), err)
	}
	syscall.CloseOnExec(fds[0])
	if err := syscall.SetNonblock(fds[0], true); err != nil { // so that Close ends a Read
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), rest, nil
}

// console joins ten's own terminal with a command's.
type console struct {
	keys   *os.File // ten's terminal
	screen io.Writer
	master *os.File // the command's

	before  *term.State
	signals chan os.Signal
	shown   chan struct{} // closed when there is no more output
}

// open hands every key on as it is: what Ctrl-C means is for the command's terminal
// to say. close undoes it.
func (c *console) open() (err error) {
	c.signals, c.shown = make(chan os.Signal, 4), make(chan struct{})
	signal.Notify(c.signals, syscall.SIGWINCH, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT) // they would leave the terminal as it is then
	if c.before, err = term.MakeRaw(int(c.keys.Fd())); err != nil {
		signal.Stop(c.signals)
		return fmt.Errorf("cannot read single keys from the terminal: %w", err)
	}
	c.resize()  // it may have changed since it was described
	go func() { // ends with the terminal, or ten itself
		_, _ = io.Copy(c.master, c.keys) // who reads nothing more is no fault
	}()
	go func() { // ends with the output, or the master
		defer close(c.shown)
		_, _ = io.Copy(c.screen, c.master) // EIO is its end
	}()
	return nil
}

func (c *console) close() {
	_ = term.Restore(int(c.keys.Fd()), c.before) // a terminal that is gone needs nothing
	signal.Stop(c.signals)
}

// resize gives the command's terminal the size of ten's.
func (c *console) resize() {
	size, err := unix.IoctlGetWinsize(int(c.keys.Fd()), unix.TIOCGWINSZ)
	raw, errMaster := c.master.SyscallConn() // Fd would make it block
	if err != nil || errMaster != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) // one that has ended has none
	})
}

// drain waits for the rest of the output.
func (c *console) drain() {
	select {
	case <-c.shown:
	case <-time.After(lastWords):
	}
}
