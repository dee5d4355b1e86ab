package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Supervisors are those that keep services running, all in Debian.
var Supervisors = []string{"runsvdir", "s6-svscan", "supervisord"}

// endings are the signals that have a supervisor end its services too, where it is
// not SIGTERM.
var endings = map[string]syscall.Signal{"runsvdir": syscall.SIGHUP}

// StartSupervisor runs one with n services until Stop, each of them the command.
// There is no logging of its own for any
// of them, which would be a process more a service with runit and s6.
func StartSupervisor(name, dir string, n int, command string) (*Proxy, error) {
	program, err := Find(name)
	if err != nil {
		return nil, err
	}
	var ini strings.Builder
	fmt.Fprintf(&ini, "[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\npidfile = %s/pid\nuser = %d\n", dir, os.Geteuid())
	services := filepath.Join(dir, "services")
	if err := os.Mkdir(services, 0o700); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	for i := range n {
		one := filepath.Join(services, fmt.Sprint("s", i))
		run := filepath.Join(one, "run")
		if err := os.Mkdir(one, 0o700); err != nil {
			return nil, fmt.Errorf("cannot start %s: %w", name, err)
		}
		if err := os.WriteFile(run, []byte("#!/bin/sh\nexec "+command+"\n"), 0o700); err != nil {
			return nil, fmt.Errorf("cannot start %s: %w", name, err)
		}
		fmt.Fprintf(&ini, "[program:s%d]\ncommand = %s\nstdout_logfile = NONE\nstderr_logfile = NONE\n", i, run)
	}
	config := filepath.Join(dir, "supervisord.conf")
	if err := os.WriteFile(config, []byte(ini.String()), 0o600); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	args := map[string][]string{"runsvdir": {services}, "s6-svscan": {services}, "supervisord": {"-c", config}}[name]
	p := &Proxy{Name: name, Version: version(name, program), workers: true, end: endings[name]}
	return p, p.run(append([]string{program}, args...), os.Environ(), func() bool { return true })
}
