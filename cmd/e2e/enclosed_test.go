package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// enclosedAt says where the binaries are, to the test binary that runs in a
// network namespace of its own: no packet of a tenant can leave the machine
// from there, and what daemons set for their tenants' networks is not set on
// this machine.
const enclosedAt = "TEST_E2E_ENCLOSED"

// runEnclosed runs the tests in a new network namespace; only root can.
func runEnclosed(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return m.Run(), nil
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), enclosedAt+"="+strings.Join([]string{root, repo}, "\n"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig means the end of this thread
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// enter prepares the new namespace, and finds what was built.
func enter() (inside bool, err error) {
	paths, inside := os.LookupEnv(enclosedAt)
	if !inside {
		return false, nil
	}
	os.Unsetenv(enclosedAt)
	root, repo, _ = strings.Cut(paths, "\n")
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return true, fmt.Errorf("cannot bring up the loopback (apt-get install iproute2): %w: %s", err, out)
	}
	return true, nil
}
