package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func sessionOfItsOwn(own bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: own} }

// nobody has a command of a root's run by nobody.
func nobody() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

var engineCount atomic.Int64

// cgroupName is unique on this machine: tests of other runs may be at work.
func cgroupName() string {
	return fmt.Sprintf("test-%d-%d", os.Getpid(), engineCount.Add(1))
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.CgroupName == "" {
		o.CgroupName = cgroupName()
	}
	o.Log = zerolog.Nop()
	e, err := NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// kinds are the two ways of knowing a tree.
func eachKind(t *testing.T, test func(t *testing.T, e *Engine)) {
	for name, o := range map[string]Options{"cgroup": {}, "family": {NoCgroup: true}} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, o)
			if e.root == nil && !o.NoCgroup {
				t.Skip("no writable cgroup2 tree here: run as root or under a delegated cgroup")
			}
			test(t, e)
		})
	}
}

// character is the spec of a test character.
func character(t testing.TB, name string, env ...string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{
		Name: "notes:alice", Generation: 1, Level: LevelProcess, Argv: []string{exe},
		Env: append([]string{"PATH=/usr/bin:/bin", "TEST_CHARACTER=" + name, "GORACE=atexit_sleep_ms=0"}, env...),
		Dir: "/", RunDir: filepath.Join(shortDir(t), "run"), Listen: ListenUnix,
	}
}

// shortDir is a temporary directory whose sockets' paths fit.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func withSocket(s Spec) Spec {
	s.Socket = filepath.Join(s.RunDir, "1.sock")
	s.Env = append(s.Env, "SOCKET_PATH="+s.Socket)
	return s
}

func withPort(t testing.TB, e *Engine, s Spec) Spec {
	t.Helper()
	port, err := e.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s.Listen, s.Port = ListenTCP, port
	s.Env = append(s.Env, "PORT="+strconv.Itoa(port))
	return s
}

// tenant is a process under test and what was heard of it.
type tenant struct {
	*Process
	t      testing.TB
	mu     sync.Mutex
	out    [3]bytes.Buffer
	exited chan Status
	ends   atomic.Int64
}

func (n *tenant) events() Events {
	return Events{
		Output: func(s Stream, chunk []byte) {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.ends.Load() > 0 {
				n.t.Error("output after the end")
			}
			n.out[s].Write(chunk)
		},
		Exited: func(s Status) {
			if n.ends.Add(1) > 1 {
				n.t.Error("two ends")
			}
			n.exited <- s
		},
	}
}

func start(t testing.TB, e *Engine, s Spec) *tenant {
	t.Helper()
	n := &tenant{t: t, exited: make(chan Status, 2)}
	p, err := e.Start(s, n.events())
	if err != nil {
		t.Fatal(err)
	}
	n.Process = p
	t.Cleanup(n.finish)
	return n
}

// finish ends what a test left running.
func (n *tenant) finish() {
	if err := n.Kill(); err != nil {
		n.t.Error(err)
	}
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Error("a killed process did not end")
	}
	if err := n.Release(); err != nil {
		n.t.Error(err)
	}
}

func (n *tenant) wait() Status {
	n.t.Helper()
	select {
	case s := <-n.exited:
		return s
	case <-time.After(patience):
		n.t.Fatal("the process did not end")
		return Status{}
	}
}

func (n *tenant) output(s Stream) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.out[s].String()
}

// says waits until text was written to stdout and gives all of it.
func (n *tenant) says(text string) string {
	n.t.Helper()
	eventually(n.t, "the process to say "+text, func() bool { return strings.Contains(n.output(Stdout), text) })
	return n.output(Stdout)
}

// eventually waits for a condition that other processes bring about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for start := time.Now(); !condition(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// alive reports a process that is there and no zombie.
func alive(pid int) bool {
	s, err := readStat(pid)
	return err == nil && s.state != 'Z'
}

// ask connects and gives the answer: the pid of who serves.
func ask(t testing.TB, at Endpoint) string {
	t.Helper()
	c, err := at.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// net127 connects to a port of the host's loopback.
func net127(t testing.TB, port int) (net.Conn, error) {
	t.Helper()
	return net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
}

// leftovers are processes, zombies, cgroups and files of this run.
func leftovers() []string {
	var left []string
	exe, _ := os.Executable()
	pids, _ := processes()
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if target, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); target == exe || s.parent == os.Getpid() {
			left = append(left, fmt.Sprintf("process %d, state %c", pid, s.state))
		}
	}
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	own, _ := os.ReadFile("/proc/self/cgroup")
	if dir, err := findCgroup(mountinfo, own); err == nil {
		cgroups, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%stest-%d-*", rootPrefix, os.Getpid())))
		left = append(left, cgroups...)
	}
	for _, c := range allControllers {
		if dir := findLegacy(mountinfo, own, c); dir != "" {
			cgroups, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%stest-%d-*", rootPrefix, os.Getpid())))
			left = append(left, cgroups...)
		}
	}
	return left
}

// patient is a context that ends before the test run does.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// writeProgram writes what is to be executed at once. No fork of a test beside
// this one may come in between: its child would hold the file open for writing,
// and the kernel executes no such file (golang.org/issue/22315).
func writeProgram(path string, program []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, program, 0o755)
}
