package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// processesOf finds every process that was given dir in its environment or
// arguments: a tenant always has DATA_DIR. This process is not among them.
func processesOf(dir string) []int {
	var found []int
	for _, pid := range pids() {
		if pid == os.Getpid() {
			continue
		}
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if bytes.Contains(environ, []byte(dir+"/")) || bytes.Contains(cmdline, []byte(dir+"/")) {
			found = append(found, pid)
		}
	}
	return found
}

func pids() []int {
	entries, _ := os.ReadDir("/proc")
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// alive reports a process that exists and is no zombie.
func alive(pid int) bool {
	state, _ := processStat(pid)
	return state != "" && state != "Z" && state != "X"
}

// processStat gives the state letter and the parent's pid; "" when gone.
func processStat(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')'):]), " ")
	fields := strings.Fields(rest)
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// zombiesOf counts the dead children that a process has not waited for.
func zombiesOf(parent int) int {
	n := 0
	for _, pid := range pids() {
		if state, p := processStat(pid); state == "Z" && p == parent {
			n++
		}
	}
	return n
}

// fds counts the daemon's open descriptors.
func (d *daemon) fds() int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	return len(entries)
}

// rss is the daemon's resident memory in KB.
func (d *daemon) rss() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kb
}

// checkMemory fails the test when the daemon has grown by more than mb. A
// daemon with the race detector is not measured.
func (d *daemon) checkMemory(base, mb int) {
	d.t.Helper()
	grown := d.rss() - base
	d.t.Logf("the daemon has %d KB, %+d KB", d.rss(), grown)
	if !raceEnabled && grown > mb<<10 {
		d.t.Errorf("the daemon has grown by %d KB, want at most %d MB", grown, mb)
	}
}

// restingFds counts the daemon's descriptors when nobody is awake, but somebody
// was: what is opened once and kept is open then.
func (d *daemon) restingFds() int {
	d.t.Helper()
	d.want(200, "control", "one", "/")
	d.must("stop", "control:one")
	d.client.CloseIdleConnections()
	n := d.fds()
	for steady := 0; steady < 20; steady++ { // until no connection is closing any more
		time.Sleep(10 * time.Millisecond)
		if now := d.fds(); now != n {
			n, steady = now, 0
		}
	}
	return n
}

// checkFds puts everybody to sleep and waits until the daemon has no more
// descriptors than it had at rest.
func (d *daemon) checkFds(base int) {
	d.t.Helper()
	for name, i := range d.instances() {
		if i.Pid != 0 {
			d.must("stop", name)
		}
	}
	d.client.CloseIdleConnections()
	deadline := time.Now().Add(10 * time.Second)
	for d.fds() > base && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := d.fds(); n > base {
		links := []string{}
		entries, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.cmd.Process.Pid))
		for _, e := range entries {
			to, _ := os.Readlink(e)
			links = append(links, to)
		}
		d.t.Errorf("the daemon had %d descriptors and has %d:\n%s", base, n, strings.Join(links, "\n"))
	}
}

// noteCgroups remembers the cgroups of the tenants that are awake now.
func (d *daemon) noteCgroups() {
	own := cgroupOf(d.cmd.Process.Pid)
	for _, pid := range processesOf(d.dir) {
		if group := cgroupOf(pid); group != "" && group != "/" && group != own && group != cgroupOf(os.Getpid()) {
			d.cgroups[group] = true
		}
	}
}

func cgroupOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for _, line := range strings.Split(string(text), "\n") {
		if group, ok := strings.CutPrefix(line, "0::"); ok {
			return group
		}
	}
	return ""
}

// checkNothingLeft fails the test when an ended daemon left a process, a
// cgroup, a mount, a socket or a FIFO.
func (d *daemon) checkNothingLeft() {
	d.t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for len(processesOf(d.dir)) > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	left := processesOf(d.dir)
	if len(left) > 0 {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", left[0]))
		d.t.Errorf("%d processes are left: %v, the first of them %q", len(left), left, cmdline)
	}
	for _, pid := range left {
		own := cgroupOf(pid)
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill() // it is ours: it has this test's directory in its environment
		}
		d.cgroups[own] = own != "" && own != "/" && own != cgroupOf(os.Getpid())
	}
	for group, tenants := range d.cgroups {
		if !tenants {
			continue
		}
		for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			if _, err := os.Stat(filepath.Join(mount, group, "cgroup.procs")); err == nil {
				d.t.Errorf("cgroup %s is left", group)
				os.Remove(filepath.Join(mount, group))
				os.Remove(filepath.Join(mount, filepath.Dir(group))) // the daemon's own, when this was the last
			}
		}
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); bytes.Contains(mounts, []byte(d.dir)) {
		d.t.Errorf("a mount below %s is left", d.dir)
	}
	if files := specialFiles(d.runDir); len(files) > 0 {
		d.t.Errorf("%d sockets and FIFOs are left, the first is %s", len(files), files[0])
	}
}

// specialFiles lists the sockets and FIFOs below a directory.
func specialFiles(dir string) []string {
	var found []string
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type()&(fs.ModeSocket|fs.ModeNamedPipe) != 0 {
			found = append(found, path)
		}
		return nil
	})
	return found
}

func requireRoot(t *testing.T, why string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("needs root: %s", why)
	}
}
