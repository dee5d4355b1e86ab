package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tenement/conf"
)

// refuseUnseen refuses services that the enclosed unit cannot run as they ask:
// it was chosen for a configuration that has changed since. The daemon says so
// by name, as for any level that cannot be had.
func (a *app) refuseUnseen(config *conf.Config) {
	if a.env(unitMark) != unitEnclosed {
		return
	}
	for _, s := range config.Services {
		if why := unseen(s, readOnly); why != "" && s.Refused == "" {
			s.Refused = why + ": run `ten install` again, which chooses the unit by the configuration"
		}
	}
}

// unseen says what of a service is out of the enclosed unit's sight; "" = nothing.
func unseen(s *conf.Service, readOnly func(path string) bool) string {
	if s.Isolation == conf.IsolationProcess {
		return fmt.Sprintf("isolation = %q promises the host's view, which the installed unit does not have", s.Isolation)
	}
	for _, m := range s.Mounts {
		if !m.ReadOnly && readOnly(m.Source) {
			return fmt.Sprintf("%s can only be read in the installed unit, and mounts wants to write to it", m.Source)
		}
	}
	paths := []string{s.Workdir, s.Argv[0]}
	for _, m := range s.Mounts {
		paths = append(paths, m.Source)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil && anyBeneath(path, "/home", "/root", "/tmp", "/var/tmp") && !strings.Contains(path, "{") {
			return fmt.Sprintf("%s is not to be seen in the installed unit", path)
		}
	}
	return ""
}

// readOnly reports that a path lies on a file system that nobody may write to,
// as ProtectSystem=strict has them.
func readOnly(path string) bool { return errors.Is(unix.Access(path, unix.W_OK), unix.EROFS) }
