package peers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Emperor is uWSGI's Emperor with vassals on demand: it binds their sockets, and
// starts a vassal when somebody connects to one.
type Emperor struct {
	*Proxy
	dir string
}

// UWSGI is the command line of a uWSGI that serves HTTP itself on a listening
// descriptor: what a vassal is, and the same as a tenant. Debian's plugin is named;
// thunder-lock and a master would only slow down the start of one worker.
func UWSGI(descriptor int, module string) string {
	return fmt.Sprintf("uwsgi --plugin python3 --http-socket fd://%d --module %s --single-interpreter --need-app --disable-logging --die-on-term", descriptor, module)
}

// StartEmperor runs an Emperor for these vassals; chdir is where the module is.
// The best settings that were found: the directory is scanned once a second, which
// is as often as it can be, sockets are the kernel's (on demand), a vassal that
// ended is waited for at once, and nothing is throttled.
func StartEmperor(dir, chdir, module string, vassals []string) (*Emperor, error) {
	program, err := Find("uwsgi")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "v"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot start uWSGI: %w", err)
	}
	e := &Emperor{&Proxy{Name: "uWSGI Emperor", Version: version("uwsgi", program)}, dir}
	for _, name := range vassals {
		text := fmt.Sprintf("[uwsgi]\nplugin = python3\nhttp-socket = fd://0\nchdir = %s\nmodule = %s\nsingle-interpreter = true\nneed-app = true\ndisable-logging = true\ndie-on-term = true\nsafe-pidfile = %s\n",
			chdir, module, e.pidfile(name))
		for ext, body := range map[string]string{".ini": text, ".ini.socket": e.Socket(name)} {
			if err := os.WriteFile(filepath.Join(dir, "v", name+ext), []byte(body), 0o600); err != nil {
				return nil, fmt.Errorf("cannot write the vassal %s: %w", name, err)
			}
		}
	}
	return e, e.run([]string{program, "--emperor", filepath.Join(dir, "v"), "--emperor-on-demand-extension", ".socket", "--emperor-freq", "1", "--emperor-throttle", "0", "--emperor-required-heartbeat", "3600", "--die-on-term"}, os.Environ(),
		func() bool {
			for _, name := range vassals {
				if _, err := os.Stat(e.Socket(name)); err != nil {
					return false
				}
			}
			return true
		})
}

// Socket is where visitors of a vassal connect.
func (e *Emperor) Socket(vassal string) string { return filepath.Join(e.dir, vassal) }

func (e *Emperor) pidfile(vassal string) string { return filepath.Join(e.dir, vassal+".pid") }

// Sleep ends a vassal and returns when the Emperor waits for visitors again.
func (e *Emperor) Sleep(vassal string) error {
	text, err := os.ReadFile(e.pidfile(vassal))
	if err != nil {
		return fmt.Errorf("cannot end the vassal %s: %w", vassal, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("cannot end the vassal %s: its pid is %q", vassal, text)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("cannot end the vassal %s: %w", vassal, err)
	}
	os.Remove(e.pidfile(vassal))
	for range 3000 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) { // waited for by the Emperor
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("the vassal %s does not end", vassal)
}

// Activate is systemd-socket-activate, which waits for the first visitor of a
// socket and then becomes the command, whose descriptor 3 it is. One start each.
func Activate(socket string, command []string, dir string) (*exec.Cmd, error) {
	program, err := Find("systemd-socket-activate")
	if err != nil {
		return nil, err
	}
	os.Remove(socket)
	cmd := exec.Command(program, append([]string{"-l", socket}, command...)...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start systemd-socket-activate: %w", err)
	}
	for range 3000 {
		if _, err := os.Stat(socket); err == nil {
			return cmd, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	return nil, errors.Join(errors.New("systemd-socket-activate does not listen"), cmd.Wait())
}
