package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// hookTail is how much of a hook's output is kept for the error, in bytes.
const hookTail = 2 << 10

// dnsHook proves to an authority that a domain is ours, by TXT records that a
// command of the operator's adds and removes:
//
//	COMMAND add    _acme-challenge.notes.example.com VALUE
//	COMMAND remove _acme-challenge.notes.example.com VALUE
//
// add returns when the record can be seen. Two values of one name may be there
// at once. It runs in the daemon's environment, one at a time: what reads, edits
// and writes a zone must not meet itself.
type dnsHook struct {
	argv    []string
	timeout time.Duration
	turn    chan struct{} // holds one: whoever runs
}

func newDNSHook(argv []string, timeout time.Duration) *dnsHook {
	return &dnsHook{argv: argv, timeout: timeout, turn: make(chan struct{}, 1)}
}

// Present is called by the ACME client before the authority looks.
func (h *dnsHook) Present(ctx context.Context, c acme.Challenge) error {
	return h.run(ctx, "add", c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

// CleanUp is called after it has looked, also when the order was given up.
func (h *dnsHook) CleanUp(ctx context.Context, c acme.Challenge) error {
	return h.run(context.WithoutCancel(ctx), "remove", c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

// run waits for the command's turn and end, and kills it, with all that it
// started in its process group, after the timeout.
func (h *dnsHook) run(ctx context.Context, verb, name, value string) error {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	argv := append(h.argv[:len(h.argv):len(h.argv)], verb, strings.TrimSuffix(name, "."), value)
	out := &tail{}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for output of a child that is in another group
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("killed after tls.dns_hook_timeout, %s", h.timeout)
	}
	return fmt.Errorf("dns_hook `%s`: %w%s", strings.Join(argv, " "), err, out)
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*hookTail {
		t.b = bytes.Clone(t.b[len(t.b)-hookTail:])
	}
	return len(p), nil
}

// String is the last lines, after a colon; "" when nothing was written.
func (t *tail) String() string {
	b := bytes.TrimSpace(t.b[max(0, len(t.b)-hookTail):])
	if len(b) == 0 {
		return ""
	}
	return ": " + string(b)
}
