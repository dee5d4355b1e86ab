package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// grace is how long a tenant has to end by itself.
const grace = 5 * time.Second

// hostile is a tenant that does its worst.
type hostile struct {
	play  string
	cue   string // a path that makes it begin; its answer may never come
	more  string // lines of TOML
	worst func(d *daemon, group string) bool
	quick bool // nothing of it waits for the grace to end
}

// hostiles are the tenants of faults.md that want what others need. What each
// limit does by itself is said in limits_test.go.
var hostiles = map[string]hostile{
	"fork bomb": {play: "serves", cue: "/bomb", more: "pids_limit = 64\ncpu_limit = 0.5", quick: true,
		worst: func(_ *daemon, group string) bool { return len(membersOf(group)) >= 40 }},
	"memory hog": {play: "serves", cue: "/eat", more: "memory_limit_mb = 64\nrestart = \"never\"", quick: true,
		worst: func(d *daemon, _ string) bool { return d.instances()["web:one"].Pid == 0 }},
	"descriptor hog": {play: "serves", cue: "/open", more: "open_files = 64", quick: true, worst: always},
	"CPU burner":     {play: "serves", cue: "/burn?for=60s", more: "cpu_limit = 0.5", worst: always}, // its request is waited for

	"log flooder":   {play: "floods 300", quick: true, worst: noted("flooded")},
	"log chatterer": {play: "chatters 300000", quick: true, worst: noted("chattered")},
	"10 000 zombies": {play: "zombies 10000", more: "pids_limit = 12000\nstartup_timeout = 120\nrequest_timeout = 120", quick: true,
		worst: func(_ *daemon, group string) bool { return len(membersOf(group)) > 10000 }},
	"ignores SIGTERM": {play: "ignores-term", worst: always},
	"forked away":     {play: "forks-away ignores", worst: noted("lingers")},
}

func always(*daemon, string) bool { return true }

// noted waits for what a character leaves in its directory.
func noted(file string) func(*daemon, string) bool {
	return func(d *daemon, _ string) bool {
		_, err := os.Stat(filepath.Join(d.data, "web", "one", file))
		return err == nil
	}
}

// enclosed gives a service at level namespace that runs a program of APPS.
func enclosed(service, command, more string) string {
	return fmt.Sprintf("\n[service.%s]\ncommand = %q\nisolation = \"namespace\"\nworkdir = \"APPS\"\napex = \"none\"\n%s\n", service, command, more)
}

// enclosedControl is the neighbour that must never notice anything.
var enclosedControl = enclosed("control", "GOAPP", "listen = \"tcp\"")

func TestHostile_NeighboursNeverNotice(t *testing.T) {
	t.Parallel()
	requireRoot(t, "level namespace does")
	for name, h := range hostiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := launch(t, setup{services: enclosedControl + enclosed("web", "CHARACTER "+h.play, "listen = \"unix\"\n"+h.more)})
			d.meet(h)
		})
	}
}

// viewOfService is how many descriptors keep what the tenants of one service
// see of the machine.
const viewOfService = 2

// meet has the hostile tenant do its worst beside the neighbour, and ends it.
func (d *daemon) meet(h hostile) {
	d.t.Helper()
	d.restingFds()
	base := d.besideNetworks() + viewOfService
	quiet := d.neighbour()
	d.want(200, "web", "one", "/")
	group := cgroupOf(d.instances()["web:one"].Pid)
	if group == "" || group == cgroupOf(d.cmd.Process.Pid) {
		d.t.Fatalf("the tenant has no cgroup of its own: %q", group)
	}
	d.noteCgroups()
	var cue sync.WaitGroup
	defer cue.Wait() // ends with the tenant at the latest
	if h.cue != "" {
		cue.Go(func() { d.try("GET", d.host("web", "one"), h.cue, "") })
	}
	eventually(d.t, "it does its worst", 120*time.Second, func() bool { return h.worst(d, group) })
	time.Sleep(2 * time.Second) // what the neighbour sees in the meantime is what is looked at
	began := time.Now()
	d.must("stop", "web:one")
	took := time.Since(began)
	if left := membersOf(group); len(left) > 0 {
		d.t.Errorf("%d processes are left when stop has returned: %v", len(left), left)
	}
	allowed := grace + time.Second
	if h.quick {
		allowed = time.Second
	}
	d.t.Logf("stop took %v", took)
	if slack := 5 * allowed; took > slack { // the machine is shared
		d.t.Errorf("stop took %v, want %v", took, allowed)
	}
	quiet()
	d.must("stop", "control:one")
	d.client.CloseIdleConnections()
	eventually(d.t, fmt.Sprintf("the daemon has %d descriptors again: it has %d", base, d.besideNetworks()), 10*time.Second,
		func() bool { return d.besideNetworks() <= base })
	if n := zombiesOf(d.cmd.Process.Pid); n > 0 {
		d.t.Errorf("the daemon has %d zombies", n)
	}
}

// besideNetworks counts the daemon's descriptors, but not those of the networks
// that it makes ready in its own time: a namespace and the two sockets of its
// resolver each.
func (d *daemon) besideNetworks() int {
	entries, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.cmd.Process.Pid))
	n := len(entries)
	for _, e := range entries {
		if to, _ := os.Readlink(e); strings.HasPrefix(to, "net:") {
			n -= 3
		}
	}
	return n
}

// membersOf lists the processes of a cgroup, zombies included.
func membersOf(group string) (members []int) {
	for _, pid := range pids() {
		if cgroupOf(pid) == group {
			members = append(members, pid)
		}
	}
	return members
}

// F14 at level namespace: a tenant fills the disk that all of them share.
func TestHostile_DiskFiller(t *testing.T) {
	t.Parallel()
	requireRoot(t, "it mounts a small tmpfs")
	d := prepare(t, setup{services: enclosedControl + enclosed("web", "CHARACTER serves", "listen = \"unix\"")})
	if err := os.MkdirAll(d.data, 0o700); err != nil {
		t.Fatal(err)
	}
	d.setup.wrap = []string{"unshare", "--mount", "--propagation", "private", "--", "sh", "-c", `mount -t tmpfs -o size=24m,mode=700 tmpfs "$0" && exec "$@"`, d.data}
	d.start()
	quiet := d.neighbour()
	d.want(200, "web", "one", "/")
	group := cgroupOf(d.instances()["web:one"].Pid)
	d.noteCgroups()
	d.want(200, "web", "one", "/fill?mb=100")
	disk := fmt.Sprintf("/proc/%d/root%s", d.cmd.Process.Pid, d.data)
	eventually(t, "the disk is full", 60*time.Second, func() bool {
		var s syscall.Statfs_t
		return syscall.Statfs(disk, &s) == nil && s.Bavail == 0
	})
	time.Sleep(time.Second) // the neighbour lives on a full disk
	d.must("stop", "web:one")
	if left := membersOf(group); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	quiet()
	d.must("forget", "web:one", "--delete-data")
	d.want(200, "web", "two", "/")
}

// F20: whatever links a tenant lays where the daemon works for it, nothing
// outside is written, owned, read or removed.
func TestHostile_LinksLeadNowhere(t *testing.T) {
	t.Parallel()
	requireRoot(t, "level namespace does")
	for _, level := range levels {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			needsLevel(t, level)
			d := prepare(t, setup{})
			folder := filepath.Join(d.dir, "precious")
			file := filepath.Join(folder, "file")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			service := enclosed("web", "CHARACTER plants "+file, "listen = \"unix\"")
			d.writeConfig(setup{settings: "backoff_base_ms = 0\nmax_restarts = 1000", services: control + strings.ReplaceAll(service, `"namespace"`, fmt.Sprintf("%q", level))})
			d.start()
			before := stateOf(t, folder) + stateOf(t, file)
			for range 3 { // it may be refused, but by the daemon, and nobody else
				if r, err := d.try("GET", d.host("web", "one"), "/", ""); err != nil || r.status != 200 && r.status != 503 && r.status != 504 {
					t.Errorf("%v %d %s", err, r.status, r.body)
				}
				if _, errs, code := d.ten("restart", "web:one"); code != 0 && !strings.Contains(errs, "is in the way") {
					t.Errorf("restart: exit %d: %s", code, errs)
				}
				d.want(200, "control", "one", "/")
			}
			d.must("stop", "web:one")
			d.must("forget", "web:one", "--delete-data")
			if after := stateOf(t, folder) + stateOf(t, file); after != before {
				t.Errorf("what is somebody else's was %s and is %s", before, after)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
				t.Errorf("it reads %q: %v", text, err)
			}
			if _, err := os.Stat(filepath.Join(d.data, "web", "one")); !os.IsNotExist(err) {
				t.Errorf("its directory is still there: %v", err)
			}
		})
	}
}

// A tenant's run directory lies where those of all others do, and the daemon's
// own records. One that fills it leaves room for them.
func TestHostile_AFullRunDirectoryIsItsOwn(t *testing.T) {
	t.Parallel()
	for _, level := range levels[1:] {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			needsLevel(t, level)
			service := enclosed("web", "CHARACTER crams", "listen = \"unix\"\nrequest_timeout = 120")
			d := prepare(t, setup{services: enclosedControl + strings.ReplaceAll(service, `"namespace"`, fmt.Sprintf("%q", level))})
			if err := os.MkdirAll(d.runDir, 0o700); err != nil {
				t.Fatal(err)
			}
			mounted := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=1000,mode=700", "e2e", d.runDir)
			if out, err := mounted.CombinedOutput(); err != nil {
				t.Fatalf("cannot mount a tmpfs: %v: %s", err, out)
			}
			defer func() {
				if d.running() {
					d.terminate()
				}
				if err := syscall.Unmount(d.runDir, 0); err != nil {
					t.Errorf("the run directory is still in use: %v", err)
					syscall.Unmount(d.runDir, syscall.MNT_DETACH)
				}
			}()
			d.start()
			quiet := d.neighbour()
			r := d.want(200, "web", "one", "/cram")
			t.Log(r.body)
			d.want(200, "control", "two", "/") // a start needs room for its pipes and its record
			d.must("restart", "control:one")
			d.want(200, "control", "one", "/")
			quiet()
			d.must("stop", "web:one")
			d.want(200, "web", "one", "/")
		})
	}
}

// The daemon may connect where a tenant must not: to the control socket, which
// asks for no token. It does not do it in a tenant's place.
func TestHostile_ASwappedSocketLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, level := range levels[1:] {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			needsLevel(t, level)
			service := enclosed("web", "CHARACTER swaps DIR/run/ctl.sock", "listen = \"unix\"\nrestart = \"always\"")
			d := launch(t, setup{settings: "backoff_base_ms = 0\nmax_restarts = 1000", services: control + strings.ReplaceAll(service, `"namespace"`, fmt.Sprintf("%q", level))})
			d.want(200, "web", "one", "/cue")
			var own, refused int
			for n := range 320 {
				if n == 300 {
					eventually(t, "a visit that meets the tenant and not its link", time.Minute, func() bool { return d.get("web", "one", "/stay").status == 200 })
				}
				r, err := d.try("GET", d.host("web", "one"), "/api/instances", "")
				switch {
				case err == nil && r.status == 200 && r.body == "my own":
					own++
				case err == nil && r.status >= 500:
					refused++
				default:
					t.Fatalf("a visitor of the tenant's got %v %d %q", err, r.status, r.body)
				}
			}
			// A process that cannot be connected to is restarted, and the visit may go to the next.
			starts := d.starts("web", "one")
			t.Logf("%d visits were served, %d met the link, %d starts", own, refused, starts)
			if refused == 0 && starts < 2 {
				t.Error("no visit met the link: nothing was tried")
			}
			d.want(200, "control", "one", "/")
		})
	}
}

// stateOf tells all that is not to change.
func stateOf(t *testing.T, path string) string {
	t.Helper()
	var s syscall.Stat_t
	if err := syscall.Lstat(path, &s); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[%o %d:%d %d links, %d bytes, changed %d.%d]", s.Mode, s.Uid, s.Gid, s.Nlink, s.Size, s.Ctim.Sec, s.Ctim.Nsec)
}
