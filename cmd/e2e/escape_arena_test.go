package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// network is a network namespace that lives as long as the test.
type network struct{ file *os.File }

func newNetwork(t *testing.T) network {
	t.Helper()
	var n network
	err := onThread(func() error {
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer home.Close()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if n.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return unix.Setns(int(home.Fd()), unix.CLONE_NEWNET)
	})
	if err != nil {
		t.Fatalf("cannot make a network namespace: %v", err)
	}
	t.Cleanup(func() { n.file.Close() })
	return n
}

// onThread runs f on an operating system's thread of its own. One that f left
// astray does not come back.
func onThread(f func() error) error {
	done := make(chan error)
	go func() { // ends with f
		runtime.LockOSThread()
		err := f()
		if err == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// do runs f inside.
func (n network) do(f func() error) error {
	return onThread(func() error {
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer home.Close()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		failed := f()
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return failed
	})
}

// path names the namespace to other processes.
func (n network) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// enter is the beginning of a command line that runs inside.
func (n network) enter() []string { return []string{"nsenter", "--net=" + n.path(), "--"} }

// ip runs commands of the ip tool inside.
func (n network) ip(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		args := append(n.enter(), "ip")
		args = append(args, strings.Fields(line)...)
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}

// greet says the nonce to everybody who connects, until the test ends.
func (n network) greet(t *testing.T, kind, address, nonce string) {
	t.Helper()
	var l net.Listener
	err := n.do(func() (err error) {
		l, err = net.Listen(kind, address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, nonce)
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); ended.Wait() })
}

// The world that an arena shows: the daemon's machine, and what answers beyond it.
const (
	machineAddress = "198.51.100.1"
	machinePort    = 5432
	apiPort        = 61080
)

var elsewhere = map[string]string{
	"metadata": "169.254.169.254:80", "10/8": "10.1.2.3:80", "172.16/12": "172.16.5.5:80",
	"192.168/16": "192.168.7.7:80", "100.64/10": "100.127.9.9:80",
}

// arena is a daemon in a network namespace that stands for its machine, with a
// victim and an attacker among its tenants. Beyond lies another namespace, which
// stands for the networks that a machine can reach.
type arena struct {
	*daemon
	machine network
	app     string // folder of the probe and its setuid copies
	nonce   string
	sent    map[string]any // what the attackers are told
}

func newArena(t *testing.T, level string) *arena {
	t.Helper()
	a := &arena{machine: newNetwork(t), nonce: fmt.Sprintf("n%08x", rand.Uint32())}
	a.furnish(t)
	service := func(name, command, more string) string {
		return fmt.Sprintf("[service.%s]\ncommand = %q\nworkdir = \"DIR/app\"\nisolation = %q\napex = \"none\"\nrequest_timeout = 120\n%s\n", name, command, level, more)
	}
	a.daemon = prepare(t, setup{
		wrap: a.machine.enter(), env: []string{"SECRET_OF_THE_MACHINE=" + a.daemonSecret()},
		services: service("victim", "./probe victim "+a.nonce, "env = { SECRET = \""+a.secret()+"\" }") + service("probe", "./probe serve", ""),
	})
	a.app = filepath.Join(a.dir, "app")
	a.installProbe()
	text, err := os.ReadFile(a.config)
	if err == nil { // listens on every address, so that only the network keeps a tenant out
		err = os.WriteFile(a.config, bytes.Replace(text, []byte(`bind = "127.0.0.1"`), []byte(`bind = "0.0.0.0"`), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.client.Transport = &http.Transport{DialContext: func(context.Context, string, string) (c net.Conn, err error) {
		err = a.machine.do(func() error {
			c, err = net.DialTimeout("tcp", a.address(), 5*time.Second)
			return err
		})
		return c, err
	}}
	a.port = apiPort
	a.spawn()
	if !a.answers() {
		t.Fatalf("the daemon does not answer:\n%s", a.output)
	}
	a.must("token-gen")
	a.want(200, "probe", "one", "/")
	a.want(200, "victim", "one", "/")
	a.noteCgroups()
	a.describe()
	return a
}

func (a *arena) secret() string       { return "secret-of-" + a.nonce }
func (a *arena) daemonSecret() string { return "daemon-of-" + a.nonce }

// furnish makes the networks and what answers on them.
func (a *arena) furnish(t *testing.T) {
	t.Helper()
	beyond := newNetwork(t)
	a.machine.ip(t, "link set lo up", "link add up0 type veth peer name down0", "link set down0 netns "+beyond.path(),
		"address add "+machineAddress+"/24 dev up0", "link set up0 up")
	beyond.ip(t, "link set lo up", "address add 198.51.100.254/24 dev down0", "link set down0 up", "route add default via "+machineAddress)
	a.machine.ip(t, "route add default via 198.51.100.254")
	for _, address := range elsewhere {
		host, _, _ := net.SplitHostPort(address)
		beyond.ip(t, "address add "+host+"/32 dev lo")
	}
	beyond.greet(t, "tcp", "0.0.0.0:80", a.nonce)
	a.machine.greet(t, "tcp", fmt.Sprintf("0.0.0.0:%d", machinePort), a.nonce)
	a.machine.greet(t, "unix", "@machine-"+a.nonce, a.nonce)
	a.machine.greet(t, "unix", a.machineSocket(), a.nonce)
	os.Chmod(a.machineSocket(), 0o777)
}

// machineSocket is a socket as those of D-Bus and of databases: open to everybody.
func (a *arena) machineSocket() string { return "/run/e2e-" + a.nonce + ".sock" }

// installProbe puts the probe into the app's folder, with copies that would
// make whoever runs them root.
func (a *arena) installProbe() {
	a.t.Helper()
	program, err := os.ReadFile(probeApp)
	if err == nil {
		err = os.Mkdir(a.app, 0o755)
	}
	for name, mode := range map[string]uint32{"probe": 0o755, "setuid": 0o4755, "capable": 0o755} {
		path := filepath.Join(a.app, name)
		if err == nil {
			err = os.WriteFile(path, program, 0o755)
		}
		if err == nil {
			err = unix.Chmod(path, mode)
		}
	}
	if err == nil { // CAP_SYS_ADMIN, permitted and effective
		attribute := []byte{1, 0, 0, 2, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		err = unix.Setxattr(filepath.Join(a.app, "capable"), "security.capability", attribute, 0)
	}
	for _, dir := range []string{root, a.dir} { // ordinary users get as far as the app
		if err == nil {
			err = os.Chmod(dir, 0o755)
		}
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// describe collects what attackers are told: everything but how to get in.
func (a *arena) describe() {
	a.t.Helper()
	r := a.want(200, "victim", "one", "/targets")
	var found struct{ Missing map[string]string }
	var all any
	if json.Unmarshal([]byte(r.body), &found) != nil || json.Unmarshal([]byte(r.body), &all) != nil {
		a.t.Fatalf("the victim says %q", r.body)
	}
	if len(found.Missing) > 0 {
		a.t.Logf("what the victim could not make: %v", found.Missing)
	}
	victim := a.instances()["victim:one"]
	devices := map[string]uint64{a.dir: 0, "/etc": 0, "/usr/local/bin": 0}
	for dir := range devices {
		var s unix.Stat_t
		if err := unix.Stat(dir, &s); err != nil {
			a.t.Fatal(err)
		}
		devices[dir] = s.Dev
	}
	a.sent = map[string]any{
		"Kernel": kernel(), "Nonce": a.nonce, "Secret": a.secret(), "DaemonSecret": a.daemonSecret(),
		"Daemon": identity(a.cmd.Process.Pid), "Victim": identity(victim.Pid), "Init": identity(1),
		"DataDir": a.data, "RunDir": a.runDir, "Config": a.config, "AppDir": a.app,
		"VictimGroups": cgroupDirs(victim.Pid), "Found": all, "APIPort": apiPort, "HostPort": machinePort,
		"HostAddress": machineAddress, "Elsewhere": elsewhere, "HostSocket": a.machineSocket(),
		"HostAbstract": "machine-" + a.nonce, "Disk": devices[a.dir], "Devices": devices,
	}
}

// identity is a pid with the start time that makes it one process.
func identity(pid int) map[string]any {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := bytes.LastIndexByte(text, ')') + 1
	return map[string]any{"Pid": pid, "Start": string(text[bytes.IndexByte(text, '('):end]) + strings.Fields(string(text[end:]))[19]}
}

// cgroupDirs are the directories of a process's own cgroups.
func cgroupDirs(pid int) (dirs []string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) < 3 || part[2] == "/" || part[2] == cgroupOf(1) {
			continue
		}
		for _, mount := range []string{"/sys/fs/cgroup/" + part[1], "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
			if _, err := os.Stat(filepath.Join(mount, part[2], "cgroup.procs")); err == nil {
				dirs = append(dirs, filepath.Join(mount, part[2]))
				break
			}
		}
	}
	return dirs
}

// attempted is one line of what the probe reports.
type attempted struct {
	Name, Area, Detail string
	Open, Broken, Own  bool
	Inner              bool // open, and leads only about in a kernel of the tenant's own
}

// fromTenant lets the attacker among the tenants try everything.
func (a *arena) fromTenant() []attempted {
	a.t.Helper()
	body, err := json.Marshal(a.sent)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := a.try("POST", a.host("probe", "one"), "/run", string(body))
	if err != nil || r.status != 200 {
		a.t.Fatalf("the attacker: %v %d %s\n%s", err, r.status, r.body, a.why("probe:one"))
	}
	return a.parse([]byte(r.body))
}

// fromOutside runs the probe beside the daemon, behind a wrapper or none, with
// what a careless daemon would let its children inherit.
func (a *arena) fromOutside(data string, wrapper ...string) []attempted {
	a.t.Helper()
	body, err := json.Marshal(a.sent)
	if err != nil {
		a.t.Fatal(err)
	}
	args := append(append(a.machine.enter(), wrapper...), filepath.Join(a.app, "probe"), "run")
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdin = a.dir, bytes.NewReader(body)
	cmd.Env = append(os.Environ(), "DATA_DIR="+data, "SECRET_OF_THE_MACHINE="+a.daemonSecret())
	inherited, err := os.Open(a.config)
	if err != nil {
		a.t.Fatal(err)
	}
	defer inherited.Close()
	cmd.ExtraFiles = []*os.File{inherited}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		a.t.Fatalf("%q: %v: %s", args, err, errs.String())
	}
	return a.parse(out)
}

func (a *arena) parse(text []byte) (all []attempted) {
	a.t.Helper()
	if err := json.Unmarshal(text, &all); err != nil {
		a.t.Fatalf("the probe says %.200q: %v", text, err)
	}
	return all
}

// scratch makes a directory that somebody may write in.
func (a *arena) scratch(name string, uid int) string {
	a.t.Helper()
	dir := filepath.Join(a.dir, name)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chown(dir, uid, uid)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return dir
}
