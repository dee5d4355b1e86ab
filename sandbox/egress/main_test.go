package egress

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// enclosed marks the test binary that runs in a network namespace of its own,
// which stands for the host: no packet of any test can leave the machine, and
// nothing that a test does to "the host" is done to this machine.
const (
	enclosed  = "TEST_EGRESS_ENCLOSED"
	character = "TEST_EGRESS_CHARACTER" // see play
)

func TestMain(m *testing.M) {
	if name := os.Getenv(character); name != "" {
		if err := play(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(enclosed) == "" && os.Getuid() == 0 {
		os.Exit(enclose())
	}
	if os.Getuid() == 0 {
		if err := inCurrent(func(c rtnetlink) error { return c.up(1) }); err != nil {
			fmt.Fprintln(os.Stderr, "cannot bring lo up:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// enclose runs this test binary again in a new network namespace.
func enclose() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), enclosed+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot enclose the tests:", err)
		return 1
	}
	return 0
}

// needRoot skips what only root can do.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces are made by root only: run as root")
	}
}

// inCurrent runs fn with the routing of the calling thread's namespace.
func inCurrent(fn func(rtnetlink) error) error {
	c, err := dialRtnetlink()
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(c)
}

// newNetns makes a network namespace with lo up; it ends with the test.
func newNetns(t testing.TB) int {
	t.Helper()
	netns, err := scratch()
	must(t, err)
	t.Cleanup(func() { netns.Close() })
	fd := int(netns.Fd())
	must(t, inside(fd, func() error { return inCurrent(func(c rtnetlink) error { return c.up(1) }) }))
	return fd
}
