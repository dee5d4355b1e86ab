package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// execName is the socket for commands in tenants' enclosures, beside the control
// socket and for the same people.
const execName = "exec.sock"

// lastWords is how long output is waited for that outlives its command: what it left
// in the background holds the streams open.
const lastWords = 2 * time.Second

// exitError ends ten with the exit code of a command, which has said all there is.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

func (a *app) execCmd() *cobra.Command {
	var noWake, tty bool
	cmd := &cobra.Command{
		Use: "exec S:I -- COMMAND…", Short: "Run a command in a tenant's enclosure, with its variables", Args: cobra.MinimumNArgs(2),
		Long: `Run a command in a tenant's enclosure: as its user, with its variables, its limits, and no more rights than its app has. It is woken if it sleeps, and stays awake meanwhile. Input, output, the exit code and signals are passed on. At a terminal (input, output and errors all lead to it) the command has a terminal, too; --tty=false for none. On the daemon's machine only, as root or its user.

  ten exec notes:alice -- sh
  ten exec notes:alice -- ./migrate --to 7
  ten exec notes:alice -- sh -c 'sqlite3 "$DATA_DIR"/db .dump' > dump.sql`,
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			command := args[1:]
			if command[0] == "--" { // pflag leaves one that stands behind an argument
				command = command[1:]
			}
			r := edge.ExecRequest{Instance: name.String(), Argv: command, NoWake: noWake}
			switch {
			case !cmd.Flags().Changed("tty"):
				tty = isTerminal(a.in) && isTerminal(a.out) && isTerminal(a.err)
			case tty && !isTerminal(a.in):
				return errors.New("the command cannot have a terminal: the input of ten is none: leave --tty away, or type in a terminal")
			}
			if tty {
				r.Terminal = a.ownTerminal()
			}
			return a.exec(cmd.Context(), r)
		},
	}
	cmd.Flags().BoolVar(&noWake, "no-wake", false, "an error when the tenant is asleep")
	cmd.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal (default: if ten has one)")
	cmd.Flags().SetInterspersed(false) // what follows is the command's
	return cmd
}

// exec has the daemon run a command and passes on what goes in and comes out.
func (a *app) exec(ctx context.Context, r edge.ExecRequest) error {
	where, err := a.place()
	if err != nil {
		return err
	}
	path := filepath.Join(where.runDir, execName)
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("cannot reach tenement on %s: %w: run this on the daemon's machine, as root or its user, beside its tenement.toml", path, cause(err))
	}
	defer conn.Close()
	ended := context.AfterFunc(ctx, func() { conn.Close() })
	defer ended()
	if r.Terminal != nil {
		return a.execAtTerminal(conn, r)
	}
	pumps, err := a.sendExec(conn, r)
	if err != nil {
		return err
	}
	defer pumps.close()
	stop := passSignals(conn)
	defer stop()
	reply, err := hearEnd(conn)
	if err != nil {
		return err
	}
	pumps.drain()
	return outcome(reply)
}

// hearEnd waits until the daemon says how a command ended.
func hearEnd(conn io.Reader) (reply edge.ExecReply, err error) {
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		return reply, fmt.Errorf("the daemon left before the command had ended: %w", err)
	}
	return reply, nil
}

// outcome is nil for a command that did well.
func outcome(reply edge.ExecReply) error {
	switch {
	case reply.Error != "":
		return errors.New(reply.Error)
	case reply.Signal != 0:
		return &exitError{128 + reply.Signal}
	case reply.Code != 0:
		return &exitError{reply.Code}
	}
	return nil
}

// pumps carry a command's output; its input is carried until it ends.
type pumps struct {
	feed *os.File    // our end of its stdin
	from [2]*os.File // our ends of its output
	done [2]chan struct{}
}

// sendExec says what to run, and passes three pipes along: what is ours, terminals
// above all, is in nobody else's hands.
func (a *app) sendExec(conn *net.UnixConn, r edge.ExecRequest) (*pumps, error) {
	var ours, theirs [3]*os.File
	for i := range ours {
		read, write, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("cannot make a pipe: %w", err)
		}
		ours[i], theirs[i] = read, write
	}
	ours[0], theirs[0] = theirs[0], ours[0] // we write what it reads
	rights := syscall.UnixRights(int(theirs[0].Fd()), int(theirs[1].Fd()), int(theirs[2].Fd()))
	err := tellExec(conn, r, rights)
	for _, file := range theirs {
		file.Close()
	}
	p := &pumps{feed: ours[0], from: [2]*os.File(ours[1:])}
	if err != nil {
		p.close()
		return nil, err
	}
	go func() { // ends with the input, the command, or ten itself
		_, _ = io.Copy(p.feed, a.in) // who reads nothing more is no fault
		p.feed.Close()
	}()
	for i, out := range []io.Writer{a.out, a.err} {
		p.done[i] = make(chan struct{})
		go func() { // ends with the output, or by close
			defer close(p.done[i])
			_, _ = io.Copy(out, p.from[i])
		}()
	}
	return p, nil
}

// tellExec says what to run.
func tellExec(conn *net.UnixConn, r edge.ExecRequest, rights []byte) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	first := min(len(line), 1024) // what goes with the files is to fit into one read
	_, _, err = conn.WriteMsgUnix(line[:first], rights, nil)
	if err == nil {
		_, err = conn.Write(append(line[first:], '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot tell the daemon what to run: %w", err)
	}
	return nil
}

// drain waits for the rest of the output.
func (p *pumps) drain() {
	over := time.After(lastWords)
	for _, done := range p.done {
		select {
		case <-done:
		case <-over:
			return
		}
	}
}

func (p *pumps) close() {
	p.feed.Close()
	for _, file := range p.from {
		file.Close()
	}
}

// passSignals sends the signals that ten gets to the command, until it is stopped.
func passSignals(conn net.Conn) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() { // ended by stop
		for s := range signals {
			_, _ = conn.Write([]byte{byte(s.(syscall.Signal))}) // it has ended: exec sees that
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// serveExec runs commands in tenants' enclosures until stopExec.
func (d *daemon) serveExec() {
	d.execs = edge.NewExecServer(d.host, d.log)
	go func() {
		if err := d.execs.Serve(d.commands); err != nil {
			d.failed <- err
		}
	}()
}

// stopExec hangs up on them.
func (d *daemon) stopExec() {
	if d.commands != nil {
		d.commands.Close()
	}
	if d.execs != nil {
		d.execs.Close()
	}
}
