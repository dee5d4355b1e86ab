package e2e

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write docs/isolation.md anew from what the escape suite finds")

// fewestProbes is how many attempts must be shown to work where nothing is in
// their way; one that does not work there says nothing elsewhere.
const fewestProbes = 60

// ordinary is a user that nobody else is.
const ordinary = 54322

// column is what one attacker found, by the name of the attempt.
type column map[string]attempted

// enclosure is a level that promises something.
type enclosure struct {
	level   string
	open    map[string]string // what it leaves open nevertheless, and why
	inner   []string          // what the tenant's own kernel does for it, where it has one
	unaimed []string          // what cannot be seen from outside, even by root
}

// enclosures are held to their promises. Tenants, the daemon and its API are
// never open. gVisor gives its tenants devices, priorities and user namespaces
// that exist inside it alone: that its kernel answered, and not the machine's,
// is what the probe looks at.
var enclosures = []enclosure{
	{level: "namespace", unaimed: privateToAll},
	{
		level: "sandbox",
		inner: []string{
			"device nodes beyond the harmless ones", "/dev/fuse", "own lower oom_score_adj", "dmesg", "nice below zero", "keyctl",
			"unshare, user", "unshare, user and mount", "unshare, time", "clone, user", "clone, mount", "clone, user and network", "clone3, user", "clone3, mount",
		},
		unaimed: append(slices.Clone(privateToAll), "cmdline of another's process", "environ of another's process", "memory map of another's process",
			"memory of another's process, by /proc", "process_vm_readv of another's process", "abstract socket of another", "System V shared memory of another",
			"System V semaphores of another", "System V message queue of another", "POSIX message queue of another", "record locks of another, by /proc/locks"),
	},
}

// privateToAll are the attempts that even root outside cannot show to have an
// aim: root would have to enter the victim's file system, an enclosed victim can
// make no keys, users differ, and limits need CAP_SYS_RESOURCE.
var privateToAll = []string{
	"own user", "limits of another's process", "Unix socket of another",
	"POSIX shared memory of another", "files in /tmp of another", "files in other writable places of another",
	"keys of another, by /proc/keys", "keyring of another",
}

// protected are the areas in which nothing may be open.
var protected = []string{"tenants", "daemon", "api"}

func TestEscape_NothingGetsOut(t *testing.T) {
	t.Parallel()
	requireRoot(t, "it makes network namespaces, and shows what root could do")
	sheet := newSheet()
	t.Run("process", func(t *testing.T) {
		a := newArena(t, "process")
		sheet.add("root", a.check(a.fromOutside(a.scratch("control", 0))))
		sheet.add("process", a.check(a.fromTenant()))
		sheet.add("bwrap", a.check(a.fromBubblewrap()))
	})
	if t.Failed() {
		return
	}
	if n := len(sheet.shown()); n < fewestProbes {
		t.Errorf("only %d attempts work for root, want %d", n, fewestProbes)
	}
	for _, e := range enclosures {
		t.Run(e.level, func(t *testing.T) {
			needsLevel(t, e.level)
			a := newArena(t, e.level)
			a.checkTargets(sheet, e.unaimed)
			found := a.check(a.inside(a.fromTenant(), e.inner))
			sheet.add(e.level, found)
			a.checkOpen(found, e.open)
		})
	}
	if t.Failed() {
		return
	}
	sheet.compare(t, filepath.Join(repo, "docs", "isolation.md"))
	sheet.compareReadme(t, filepath.Join(repo, "README.md"))
}

// fromBubblewrap runs the probe as an ordinary user behind the command line of
// bubblewrap's manual, without the network.
func (a *arena) fromBubblewrap() []attempted {
	a.t.Helper()
	if _, err := exec.LookPath("bwrap"); err != nil {
		a.t.Skipf("bubblewrap is not installed: %v", err)
	}
	data := a.scratch("bwrap", ordinary)
	return a.fromOutside(data, "setpriv", fmt.Sprintf("--reuid=%d", ordinary), fmt.Sprintf("--regid=%d", ordinary), "--clear-groups", "--",
		"bwrap", "--ro-bind", "/usr", "/usr", "--dir", "/tmp", "--dir", "/var", "--symlink", "../tmp", "var/tmp", "--proc", "/proc", "--dev", "/dev",
		"--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--unshare-all", "--die-with-parent",
		"--ro-bind", a.app, a.app, "--bind", data, data, "--chdir", data, "--")
}

// check files what an attacker found, and fails the test for every attempt that
// failed in a way that no barrier explains.
func (a *arena) check(all []attempted) []attempted {
	a.t.Helper()
	open := 0
	for _, r := range all {
		if r.Broken {
			a.t.Errorf("%q says nothing: %s", r.Name, r.Detail)
		}
		if r.Open {
			open++
			a.t.Logf("open: %s | %s | %s", r.Area, r.Name, r.Detail)
		}
	}
	a.t.Logf("%d of %d open", open, len(all))
	return all
}

// inside closes the doors that lead only about in the tenant's own kernel. What
// such a kernel does not do it refuses with errors of its own.
func (a *arena) inside(all []attempted, inner []string) []attempted {
	a.t.Helper()
	for i, r := range all {
		machine := r.Area == "kernel" || r.Area == "privileges" || r.Area == "network"
		switch {
		case slices.Contains(inner, r.Name) && (!r.Open || !r.Own):
			a.t.Errorf("%q is said to be answered by the tenant's own kernel: %+v", r.Name, r)
		case slices.Contains(inner, r.Name):
			all[i].Open, all[i].Inner = false, true
		case r.Broken && r.Own && machine:
			all[i].Broken = false
		}
	}
	return all
}

// checkOpen holds a level to its promise.
func (a *arena) checkOpen(found []attempted, allowed map[string]string) {
	a.t.Helper()
	if len(allowed) > 2 {
		a.t.Errorf("%d are allowed to be open, want at most 2", len(allowed))
	}
	for _, r := range found {
		switch why, expected := allowed[r.Name]; {
		case r.Open && slices.Contains(protected, r.Area):
			a.t.Errorf("%s: %q is open: %s", r.Area, r.Name, r.Detail)
		case r.Open && !expected:
			a.t.Errorf("%q is open: %s", r.Name, r.Detail)
		case !r.Open && expected:
			a.t.Errorf("%q is closed (%s), and still allowed: %s", r.Name, r.Detail, why)
		}
	}
}

// checkTargets shows that what a level keeps from its tenants is there to be
// had: root finds it, from the machine or from inside the victim's namespaces.
func (a *arena) checkTargets(s *sheet, unaimed []string) {
	a.t.Helper()
	data := a.scratch("control", 0)
	victim := fmt.Sprint(a.instances()["victim:one"].Pid)
	outside := a.fromOutside(data)
	beside := a.fromOutside(data, "nsenter", "--target", victim, "--net", "--ipc", "--")
	for i, r := range outside {
		aims := slices.Contains(append(protected, "network"), r.Area)
		if aims && s.columns["root"][r.Name].Open && !r.Open && !beside[i].Open && !slices.Contains(unaimed, r.Name) {
			a.t.Errorf("%q aims at nothing: %s; from beside the victim: %s", r.Name, r.Detail, beside[i].Detail)
		}
	}
}

// kernel names the machine's.
func kernel() string {
	var names unix.Utsname
	unix.Uname(&names)
	return unix.ByteSliceToString(names.Release[:]) + " " + unix.ByteSliceToString(names.Version[:])
}

// kernelRelease is the first two numbers of the kernel's version.
func kernelRelease() string {
	parts := strings.SplitN(kernel(), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
