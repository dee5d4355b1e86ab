package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// Exec is a host's whose commands are cat, exit and kill.
func (h *fakeHost) Exec(ctx context.Context, name conf.Instance, x actors.Execution) (sandbox.Status, error) {
	defer func() {
		for _, file := range x.Streams {
			file.Close()
		}
	}()
	if _, err := h.Info(name); err != nil {
		return sandbox.Status{}, err
	}
	if err := h.did("exec %s %s %t", name, x.Argv, x.NoWake); err != nil {
		return sandbox.Status{}, err
	}
	switch x.Argv[0] {
	case sqliteShell:
		return h.shell(ctx, x)
	case "tty":
		return sandbox.Status{Code: 7}, h.sit(x)
	case "cat":
		_, err := io.Copy(x.Streams[1], x.Streams[0])
		return sandbox.Status{}, err
	case "exit":
		fmt.Fprint(x.Streams[2], "bad\n")
		return sandbox.Status{Code: 7}, nil
	}
	return sandbox.Status{Code: -1, Signal: int(syscall.SIGTERM)}, nil
}

func TestExec_StreamsAndTheExitCodeAreTheCommands(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.stdin = "typed\n"
	w.wants(0, "typed\n", "", "exec", "notes:alice", "--", "cat", "-u")
	w.wants(0, "typed\n", "", "exec", "--no-wake", "Notes:Alice", "cat", "--no-wake")
	if code, out, errs := w.ten("exec", "notes:alice", "exit"); code != 7 || out != "" || errs != "bad\n" {
		t.Errorf("exit %d: %q, %q", code, out, errs)
	}
	w.wants(128+int(syscall.SIGTERM), "", "", "exec", "notes:alice", "kill")
	if got := w.host.all(); got != "exec notes:alice [cat -u] false, exec notes:alice [cat --no-wake] true, exec notes:alice [exit] false, exec notes:alice [kill] false" {
		t.Error(got)
	}
}

func TestExec_RefusalsSayWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.wants(1, "", "run this on the daemon's machine, as root or its user", "exec", "notes:alice", "cat")
	w.daemon()
	w.wants(1, "", "Error: cannot run a command in notes:zoe: unknown tenant: `ten ps --all` lists the tenants", "exec", "notes:zoe", "--", "cat")
	w.wants(1, "", "not a valid name", "exec", "alice", "--", "cat")
	w.wants(2, "", "requires at least 2 arg(s)", "exec", "notes:alice")
	w.wants(1, "", "buffer full", "exec", "notes:alice", "--", "cat", strings.Repeat("x", 1<<20))
}
