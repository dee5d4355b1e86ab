package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"tenement/actors/journal"
)

// runner runs a program of the system and gives what it printed.
type runner func(ctx context.Context, name string, args ...string) ([]byte, error)

// runProgram is the real one.
func runProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return out, err
}

// oursToInstall says why this user, on this machine, cannot install.
func (a *app) oursToInstall() error {
	if os.Geteuid() != 0 && a.sysroot == "" {
		return errors.New("only root can do this: `sudo ten …`")
	}
	if _, err := os.Stat(filepath.Join(a.sysroot, "/run/systemd/system")); err != nil {
		return errors.New("this machine is not run by systemd: start `ten serve` by what it has instead")
	}
	return nil
}

// apply brings the server to what the plan says, and tells what it changed.
func (a *app) apply(ctx context.Context, p *installation) error {
	if err := a.oursToInstall(); err != nil {
		return err
	}
	if err := a.refuseStrangers(p); err != nil {
		return err
	}
	a.say("The unit %s", p.view)
	copied, err := a.copyProgram(p)
	if err != nil {
		return err
	}
	changed, err := a.writeFiles(p)
	if err != nil {
		return err
	}
	if err := a.manage(ctx, p, changed, copied); err != nil {
		return err
	}
	for _, remark := range p.remarks {
		a.say("Note: %s", remark)
	}
	a.say("tenement runs, and will after every boot: `systemctl status tenement`, `ten ps --all`, `journalctl -u tenement`")
	return nil
}

// refuseStrangers finds files that somebody else wrote where ours are to be.
func (a *app) refuseStrangers(p *installation) error {
	for _, f := range p.files {
		text, err := os.ReadFile(filepath.Join(a.sysroot, f.path))
		if err == nil && strings.HasPrefix(f.text, unitHead) && !bytes.HasPrefix(text, []byte(unitHead)) {
			return fmt.Errorf("%s is there, and was not written by ten install: move it away first", f.path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot look at what is there: %w", err)
		}
	}
	return nil
}

// copyProgram puts the program where the unit starts it from.
func (a *app) copyProgram(p *installation) (changed bool, err error) {
	if p.copied == "" {
		return false, nil
	}
	data, err := os.ReadFile(p.copied)
	if err != nil {
		return false, fmt.Errorf("cannot copy this program: %w", err)
	}
	return a.put(plannedFile{p.program, string(data), 0o755})
}

// writeFiles writes what is not so already, and makes directories that systemd
// does not.
func (a *app) writeFiles(p *installation) (changed []string, err error) {
	if !anyBeneath(p.dataDir, "/var/lib") {
		if err := os.MkdirAll(filepath.Join(a.sysroot, p.dataDir), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make data_dir: %w", err)
		}
	}
	for _, f := range p.files {
		wrote, err := a.put(f)
		if err != nil {
			return nil, err
		}
		if wrote {
			changed = append(changed, filepath.Base(f.path))
		}
	}
	return changed, nil
}

// put writes one file whole, if it is another.
func (a *app) put(f plannedFile) (changed bool, err error) {
	path := filepath.Join(a.sysroot, f.path)
	if there, err := os.ReadFile(path); err == nil && string(there) == f.text {
		return false, nil
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		if err = writeFile(path, []byte(f.text)); err == nil {
			err = os.Chmod(path, fs.FileMode(f.mode))
		}
	}
	if err != nil {
		return false, fmt.Errorf("cannot write %s: %w", f.path, err)
	}
	a.say("Wrote %s", f.path)
	return true, nil
}

// manage has systemd run what was written. The sockets are touched only when they
// changed, so that ports stay open over a new program or unit.
func (a *app) manage(ctx context.Context, p *installation, changed []string, copied bool) error {
	gone, err := a.removeStale(ctx, p)
	if err != nil {
		return err
	}
	var units, moved []string
	for _, s := range p.sockets {
		units = append(units, s.name)
		if slices.Contains(changed, s.name) {
			moved = append(moved, s.name)
		}
	}
	steps := [][]string{
		{"systemd-sysusers"},
		{"systemctl", "daemon-reload"},
		append([]string{"systemctl", "--quiet", "enable", serviceUnit}, units...),
	}
	if p.view == userView && !anyBeneath(p.dataDir, "/var/lib") && slices.Contains(changed, serviceUnit) { // else systemd does it
		steps = slices.Insert(steps, 1, []string{"chown", "--recursive", ownUser + ":" + ownUser, p.dataDir})
	}
	if len(moved) > 0 || gone {
		steps = append(steps, []string{"systemctl", "stop", serviceUnit}, append([]string{"systemctl", "restart"}, units...))
	}
	steps = append(steps, append([]string{"systemctl", "start"}, units...))
	verb := "start"
	if copied || slices.Contains(changed, serviceUnit) {
		verb = "restart"
	}
	for _, step := range steps {
		if _, err := a.execute(ctx, step[0], step[1:]...); err != nil {
			return fmt.Errorf("cannot have systemd run it: %w", err)
		}
	}
	if _, err := a.execute(ctx, "systemctl", verb, serviceUnit); err != nil {
		return a.didNotStart(ctx, err)
	}
	return nil
}

// removeStale takes away a socket of ours that the plan has no more.
func (a *app) removeStale(ctx context.Context, p *installation) (gone bool, err error) {
	for _, name := range []string{httpUnit, httpsUnit} {
		planned := slices.ContainsFunc(p.sockets, func(s socketUnit) bool { return s.name == name })
		if planned || !a.isOurs(name) {
			continue
		}
		if _, err := a.execute(ctx, "systemctl", "disable", "--quiet", name); err != nil {
			return false, fmt.Errorf("cannot take away a former unit: %w", err)
		}
		if _, err := a.execute(ctx, "systemctl", "stop", serviceUnit, name); err != nil {
			return false, fmt.Errorf("cannot take away a former unit: %w", err)
		}
		if err := os.Remove(filepath.Join(a.sysroot, unitDir, name)); err != nil {
			return false, fmt.Errorf("cannot take away a former unit: %w", err)
		}
		a.say("Removed %s", filepath.Join(unitDir, name))
		gone = true
	}
	return gone, nil
}

// isOurs reports that a unit is there and begins as ours do.
func (a *app) isOurs(name string) bool {
	text, err := os.ReadFile(filepath.Join(a.sysroot, unitDir, name))
	return err == nil && bytes.HasPrefix(text, []byte(unitHead))
}

// didNotStart shows why, as far as the daemon has said it.
func (a *app) didNotStart(ctx context.Context, failure error) error {
	said, err := a.execute(ctx, "journalctl", "--unit="+serviceUnit, "--lines=15", "--no-pager", "--output=cat")
	if err == nil {
		for line := range strings.Lines(string(said)) {
			fmt.Fprintln(a.err, journal.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return fmt.Errorf("everything is in place, but the daemon does not start: mend what the lines above say and run this again: %w", failure)
}

// printPlan shows everything that apply would do.
func (a *app) printPlan(p *installation) {
	a.say("# The unit %s", p.view)
	if p.copied != "" {
		a.say("# would copy %s to %s", p.copied, p.program)
	}
	for _, f := range p.files {
		a.say("\n# %s", f.path)
		for line := range strings.Lines(f.text) {
			a.say("%s", strings.TrimSuffix(line, "\n"))
		}
	}
	a.say("\n# would run: systemd-sysusers; systemctl daemon-reload; systemctl enable and start of the units")
	for _, remark := range p.remarks {
		a.say("# note: %s", remark)
	}
}
