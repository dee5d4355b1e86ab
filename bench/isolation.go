package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"tenement/bench/peers"
)

// isolation measures what being enclosed adds to a start, from outside: the
// smallest app until its first byte, bare, by others' tools, and woken at each
// level. What wakes also routes a request; the others only start.
func isolation(b *bench) error {
	all, err := tinyApps(b)
	if err != nil {
		return err
	}
	if all[0].name != tinyC {
		return nil // skipped by name already
	}
	c := &cold{bench: b, levels: b.available()}
	if err := c.start(all[:1]); err != nil {
		return err
	}
	defer c.daemon.stop()
	own, err := b.newBare(all[0], "fd")
	if err != nil {
		return err
	}
	subjects := []subject{{"bare", own.sample}}
	for _, wrap := range wraps {
		one, err := wrap.around(b, all[0])
		if err == nil {
			_, err = one.sample()
		}
		if err != nil {
			b.found.skip(fmt.Sprintf("%s cannot start anything here: %v", wrap.name, err))
			continue
		}
		subjects = append(subjects, one)
	}
	for _, level := range withoutSandbox(c.levels) {
		subjects = append(subjects, subject{ours + " at " + level, func() (float64, error) { return c.wake(key(tinyC, "fd", level)) }})
	}
	found := takeTurns(pick(b, 10, 100), 2, subjects)
	for i, one := range subjects {
		b.found.add(found[i].result("start of the smallest app, enclosed", one.name, "ms"))
	}
	for i, one := range subjects[1:] {
		extra := distribution("what enclosing adds", one.name, "ms", found[i+1].over(found[0]))
		extra.Failures = found[i+1].failed
		b.found.add(extra)
	}
	return nil
}

// wrap is a tool that encloses a command.
type wrap struct {
	name    string
	command func(b *bench, program, dir string) ([]string, error)
}

// bubblewrap: every namespace it has, a read-only root, as its manual begins.
// crun and runc: the specification that each writes itself, less its view of
// cgroups, which not every host can give, with a root that holds the app alone, no
// terminal, and descriptor 3 kept; all in memory.
var wraps = []wrap{
	{"bwrap", func(b *bench, program, dir string) ([]string, error) {
		return []string{program, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--chdir", b.apps()}, nil
	}},
	{"crun", bundle}, {"runc", bundle},
}

func (w wrap) around(b *bench, p program) (subject, error) {
	program, err := peers.Find(w.name)
	if err != nil {
		return subject{}, err
	}
	if os.Geteuid() != 0 && w.name != "bwrap" {
		return subject{}, fmt.Errorf("%s: as an ordinary user it needs a user's slice of systemd", w.name)
	}
	dir, err := os.MkdirTemp(b.tmpfs, w.name)
	if err != nil {
		return subject{}, err
	}
	argv, err := w.command(b, program, dir)
	if err != nil {
		return subject{}, err
	}
	one, err := b.newBare(p, "fd")
	if err != nil {
		return subject{}, err
	}
	version, _ := output("", program, "--version")
	version, _, _ = strings.Cut(version, "\n")
	b.found.version(w.name, version)
	if w.name == "bwrap" {
		one.argv = append(argv, one.argv...)
		return subject{w.name, one.sample}, nil
	}
	return subject{w.name, func() (float64, error) {
		one.argv = argv
		ms, err := one.sample()
		_ = exec.Command(program, "--root", dir, "delete", "--force", filepath.Base(dir)).Run() // its container
		return ms, err
	}}, nil
}

// bundle writes what an OCI runtime runs.
func bundle(b *bench, program, dir string) ([]string, error) {
	if _, err := output(dir, program, "spec"); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, fmt.Errorf("cannot read what %s spec wrote: %w", program, err)
	}
	process, _ := spec["process"].(map[string]any)
	mounts, _ := spec["mounts"].([]any)
	if process == nil || mounts == nil {
		return nil, fmt.Errorf("%s spec wrote no process or no mounts", program)
	}
	process["terminal"], process["args"], process["cwd"] = false, []string{"/tiny-c"}, "/"
	spec["mounts"] = slices.DeleteFunc(mounts, func(m any) bool { one, _ := m.(map[string]any); return one["type"] == "cgroup" })
	spec["root"] = map[string]any{"path": "rootfs", "readonly": true}
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		return nil, err
	}
	if _, err := output("", "cp", filepath.Join(b.apps(), "tiny-c"), filepath.Join(dir, "rootfs")); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(spec); err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	return []string{program, "--root", dir, "run", "--bundle", dir, "--preserve-fds", "1", filepath.Base(dir)}, err
}
