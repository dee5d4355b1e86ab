package actors

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// Execution is a command that is to run in a tenant's enclosure, with its variables.
type Execution struct {
	Argv    []string
	Streams [3]*os.File           // closed by Exec; none with a terminal
	Signals <-chan syscall.Signal // passed on to the command
	NoWake  bool                  // an error when the tenant is asleep

	Terminal     *sandbox.Terminal // in place of Streams; nil: none
	TerminalType string            // what TERM says then
}

// Exec wakes a tenant, runs a command in its enclosure and tells how it ended. The
// tenant does not go to sleep meanwhile; whoever stops it ends the command with it.
// When ctx ends the command is hung up, and killed if it does not end by itself.
func (h *Host) Exec(ctx context.Context, name conf.Instance, x Execution) (sandbox.Status, error) {
	defer closeStreams(x.Streams)
	c := h.cell(name)
	if c == nil {
		return sandbox.Status{}, h.unknown(name)
	}
	if err := h.enter(ctx, c, x.NoWake); err != nil {
		return sandbox.Status{}, err
	}
	defer c.Pause() // a use, but no request
	inside := make(chan entered, 1)
	h.tell(c, &execute{answer: inside})
	e := <-inside
	if e.process == nil {
		return sandbox.Status{}, &OverrideError{fmt.Errorf("the process of %s has just ended: try again", name)}
	}
	ended := make(chan sandbox.Status, 1)
	signal, err := e.process.Exec(x.command(e.env), func(s sandbox.Status) { ended <- s })
	if err != nil {
		return sandbox.Status{}, &OverrideError{err}
	}
	closeStreams(x.Streams) // or nobody would hear of their end
	return attend(ctx, signal, x.Signals, ended), nil
}

// command is what is run, with the tenant's variables. What the terminal is, the one
// who sits at it knows.
func (x Execution) command(env []string) sandbox.Command {
	if x.Terminal != nil && x.TerminalType != "" {
		env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return strings.HasPrefix(entry, "TERM=") })
		env = append(env, "TERM="+x.TerminalType)
	}
	return sandbox.Command{Argv: x.Argv, Env: env, Streams: x.Streams, Terminal: x.Terminal}
}

// closeStreams may come twice: a file that is closed stays so.
func closeStreams(streams [3]*os.File) {
	for _, file := range streams {
		_ = file.Close()
	}
}

// enter counts somebody in, so that the tenant stays awake.
func (h *Host) enter(ctx context.Context, c *Cell, noWake bool) error {
	if c.Enter() != nil {
		return nil
	}
	if noWake {
		return &OverrideError{fmt.Errorf("%s is %s: nothing can be run in it without waking it", c.name, c.look().machine.State)}
	}
	_, err := h.Wake(ctx, &c.Door)
	return err
}

// attend passes signals on until the command has ended. One that cannot be sent is
// no reason to leave: the end is what is waited for.
func attend(ctx context.Context, signal func(syscall.Signal) error, signals <-chan syscall.Signal, ended <-chan sandbox.Status) sandbox.Status {
	left := ctx.Done()
	var over <-chan time.Time
	for {
		select {
		case status := <-ended:
			return status
		case s := <-signals:
			_ = signal(s)
		case <-left:
			_ = signal(syscall.SIGHUP)
			left, over = nil, time.After(graceTime)
		case <-over:
			_ = signal(syscall.SIGKILL)
		}
	}
}

// entered is what a command needs of the tenant that it is run in.
type entered struct {
	process process // nil: it has none any more
	env     []string
}
