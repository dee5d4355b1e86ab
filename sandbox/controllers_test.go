package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someMounts = `24 1 0:22 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755
25 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
26 24 0:24 /docker/abc /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory
27 24 0:25 / /sys/fs/cgroup/has\040space rw - cgroup cgroup rw,blkio
28 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,pids
short line
`

func TestControllers_AreFoundInTheVersion1Trees(t *testing.T) {
	t.Parallel()
	own := "5:cpu,cpuacct:/system.slice/x\n4:memory:/docker/abc/deep\n3:blkio:/\n2:pids:/elsewhere\n0::/\n"
	for c, want := range map[controller]string{
		cpuController:    "/sys/fs/cgroup/cpu,cpuacct/system.slice/x",
		memoryController: "/sys/fs/cgroup/memory/deep",
		ioController:     "/sys/fs/cgroup/has space",
		pidsController:   "", // named, and mounted nowhere
	} {
		if got := findLegacy([]byte(someMounts), []byte(own), c); got != want {
			t.Errorf("%s: %q, want %q", c, got, want)
		}
	}
	for _, own := range []string{"", "nonsense", "4:memory:/../outside\n", "4:memory:/other\n", "0::/\n"} {
		if got := findLegacy([]byte(someMounts), []byte(own), memoryController); got != "" {
			t.Errorf("%q: found %q", own, got)
		}
	}
}

func TestControllers_SayWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	c := noControllers()
	c.miss([]controller{memoryController}, errors.New("none here"))
	if err := c.enforces(Limits{MemoryBytes: 1}); err == nil || err.Error() != "the limit of memory cannot be kept here: none here" {
		t.Error(err)
	}
	if err := c.enforces(Limits{Pids: 5, CPUs: 1}); err != nil {
		t.Error(err)
	}
	c.leaves = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.leaves, "io.bfq.weight"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.enforces(Limits{IOWeight: 5}); err != nil {
		t.Error(err)
	}
	c.legacy[ioController] = t.TempDir()
	if err := c.enforces(Limits{IOWeight: 5}); err == nil || !strings.Contains(err.Error(), "this kernel has nothing that weighs it (BFQ, or io.cost)") {
		t.Error(err)
	}
}

func TestControllers_WithoutAnyTreeTheReasonIsToldAndNothingIsLimited(t *testing.T) {
	t.Parallel()
	c := noControllers()
	c.addUnified(allControllers, nil)
	err := c.enforces(Limits{CPUWeight: 5})
	if !errors.Is(err, errNoCgroup) || !strings.Contains(err.Error(), "the limit of CPU time cannot be kept here") {
		t.Error(err)
	}
	g, err := c.cage("notes:alice", 1, Limits{Pids: 5}, nil)
	if err != nil || len(g.dirs()) > 0 || g.pidsFile() != "" || g.cause(Status{Signal: 9}) != "" {
		t.Errorf("%v %+v", err, g)
	}
	if err := g.enter(); err != nil {
		t.Error(err)
	}
}

// unifiedRoot is a version 2 tree of plain files: what is read and written.
func unifiedRoot(t *testing.T, given, enabled string) (own string, r *cgroupRoot) {
	t.Helper()
	own = t.TempDir()
	r = &cgroupRoot{dir: filepath.Join(own, "tenement-x"), name: "tenement-x"}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"cgroup.controllers": given, "cgroup.subtree_control": enabled, "cgroup.procs": "1\n",
		"tenement-x/cgroup.subtree_control": enabled, "tenement-x/cgroup.controllers": enabled,
	} {
		if err := os.WriteFile(filepath.Join(own, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return own, r
}

func TestDelegation_WhatSomebodyEnabledIsUsedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	own, r := unifiedRoot(t, "cpu io memory pids\n", "memory pids cpu io\n")
	enabled, err := r.enable(allControllers)
	if err != nil || len(enabled) == 0 {
		t.Errorf("%v %v", enabled, err)
	}
	if text, _ := os.ReadFile(filepath.Join(own, "cgroup.subtree_control")); string(text) != "memory pids cpu io\n" {
		t.Errorf("changed to %q", text)
	}
	if _, err := os.Stat(filepath.Join(own, daemonLeaf)); err == nil {
		t.Error("the daemon moved without need")
	}
}

func TestDelegation_WhatIsNotOursIsRefusedWithTheWayOut(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user's own directory counts as delegated: run as root")
	}
	own, r := unifiedRoot(t, "memory pids\n", "")
	_, err := r.enable(allControllers)
	want := `the cgroup "` + own + `" is not delegated to this daemon: run it as a systemd service with Delegate=yes, or by ` +
		"`systemd-run --scope -p Delegate=yes ten serve`"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if text, _ := os.ReadFile(filepath.Join(own, "cgroup.subtree_control")); string(text) != "" {
		t.Errorf("written all the same: %q", text)
	}
}

func TestDelegation_AMissingControllerIsNamed(t *testing.T) {
	t.Parallel()
	_, r := unifiedRoot(t, "hugetlb\n", "hugetlb\n")
	c := noControllers()
	c.addUnified(allControllers, r)
	err := c.enforces(Limits{MemoryBytes: 1})
	if want := `the kernel gives the cgroup "` + filepath.Dir(r.dir) + `" no memory controller`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestDelegation_ADaemonThatMovedStillKnowsWhereItCameFrom(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"/sys/fs/cgroup/system.slice/t.service/tenement.daemon": "/sys/fs/cgroup/system.slice/t.service",
		"/sys/fs/cgroup/system.slice/t.service":                 "/sys/fs/cgroup/system.slice/t.service",
	} {
		if got := outOfLeaf(dir); got != want {
			t.Errorf("%s: %s", dir, got)
		}
	}
}

func TestCage_WritesTheFirstFileThatTheKernelHas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "second"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	either := []setting{{file: "sub/first", value: "1", either: true}, {file: "second", value: "2"}, {file: "sub/third", value: "3", spare: true}}
	at := func(setting) string { return dir }
	if err := write(either, at); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "second")); string(text) != "2" {
		t.Errorf("%q", text)
	}
	err := write([]setting{{file: "sub/needed", value: "9"}}, at)
	if want := `cannot limit a process: cannot write "9" to "` + dir + `/sub/needed": no such file or directory`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
