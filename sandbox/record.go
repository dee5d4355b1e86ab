package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Record is what a later daemon needs to know a running process again. It names
// things of this boot only.
type Record struct {
	Name       string   `json:"name"`
	Generation uint64   `json:"generation"`
	Pid        int      `json:"pid"`
	Start      uint64   `json:"start"` // clock ticks after boot
	Boot       string   `json:"boot"`
	Level      Level    `json:"level"`
	UID        uint32   `json:"uid,omitempty"`        // the tenant's own; 0 at process
	Init       int      `json:"init,omitempty"`       // PID 1 of its pid namespace, as the host numbers it
	InitStart  uint64   `json:"init_start,omitempty"` // clock ticks after boot
	Cgroup     string   `json:"cgroup,omitempty"`     // directory; "" when there was none
	Limits     []string `json:"limits,omitempty"`     // directories of its version 1 cgroups
	Marker     string   `json:"marker"`               // in the environment of all its processes
	RunDir     string   `json:"run_dir"`
	Stdout     string   `json:"stdout"` // FIFOs
	Stderr     string   `json:"stderr"`
	Listen     Listen   `json:"listen"`
	Socket     string   `json:"socket,omitempty"`
	Port       int      `json:"port,omitempty"`
	Endpoint   Endpoint `json:"endpoint"` // zero before it was ready
}

// Record describes the process as it is now; with an endpoint once Ready has
// returned one.
func (p *Process) Record() Record {
	p.mu.Lock()
	endpoint := p.endpoint
	p.mu.Unlock()
	s := p.spec
	fifos := fifoNames(s.Generation)
	r := Record{
		Name: s.Name, Generation: s.Generation, Pid: p.pid, Start: p.start, Boot: p.engine.boot,
		Marker: p.marker(), RunDir: s.RunDir,
		Stdout: filepath.Join(s.RunDir, fifos[0]), Stderr: filepath.Join(s.RunDir, fifos[1]),
		Listen: s.Listen, Socket: s.Socket, Port: s.Port, Endpoint: endpoint,
		Limits: p.cage.dirs(),
	}
	r.Level, r.UID, r.Init, r.InitStart = s.Level, s.UID, p.init.pid, p.init.start
	if l, isLeaf := p.tree.(*leaf); isLeaf {
		r.Cgroup = l.dir
	}
	return r
}

// spec is as much of the process's Spec as matters after its start.
func (r Record) spec() Spec {
	level := r.Level
	if level == "" { // written by a daemon that had no other
		level = LevelProcess
	}
	return Spec{
		Name: r.Name, Generation: r.Generation, Level: level, UID: r.UID,
		RunDir: r.RunDir, Listen: r.Listen, Socket: r.Socket, Port: r.Port,
	}
}

// check refuses a record that does not hold together. Whatever is signalled or
// removed later on is found by these fields.
func (r Record) check() error {
	fifos := fifoNames(r.Generation)
	for _, rule := range []struct {
		field string
		ok    bool
	}{
		{"name", r.Name != ""},
		{"pid", r.Pid > 1},
		{"start", r.Start > 0},
		{"boot", r.Boot != ""},
		{"level", r.Level == "" || slices.Contains(allLevels, r.Level)},
		{"init", r.Init == 0 && r.Level != LevelNamespace || r.Init > 1 && r.InitStart > 0},
		{"run_dir", filepath.IsAbs(r.RunDir) && filepath.Clean(r.RunDir) == r.RunDir && r.RunDir != "/"},
		{"marker", r.Marker == marker(r.RunDir, r.Generation)},
		{"stdout", r.Stdout == filepath.Join(r.RunDir, fifos[0])},
		{"stderr", r.Stderr == filepath.Join(r.RunDir, fifos[1])},
		{"socket", r.Socket == "" || filepath.IsAbs(r.Socket)},
		{"port", r.Port >= 0 && r.Port <= 65535},
		{"cgroup", r.Cgroup == "" || r.cgroupIsOurs(r.Cgroup)},
		{"limits", !slices.ContainsFunc(r.Limits, func(dir string) bool { return !r.cgroupIsOurs(dir) })},
	} {
		if !rule.ok {
			return fmt.Errorf("the record of %q makes no sense: %s", r.Name, rule.field)
		}
	}
	return nil
}

// cgroupIsOurs accepts only what newCgroupRoot and leaf make of these names. The
// daemon that wrote it may have lived in another cgroup than this one.
func (r Record) cgroupIsOurs(path string) bool {
	dir, name := filepath.Split(path)
	return filepath.IsAbs(path) && filepath.Clean(path) == path &&
		name == leafName(r.Name, r.Generation) && strings.HasPrefix(filepath.Base(dir), rootPrefix)
}
