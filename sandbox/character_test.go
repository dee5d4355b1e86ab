package sandbox

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Characters are what the test binary plays when it is started with
// TEST_CHARACTER set: tenants of every temper.
var characters map[string]func()

func init() { characters = cast() } // not a literal: characters start each other

func cast() map[string]func() {
	return map[string]func(){
		"crashes":     func() { os.Exit(3) },
		"hangs":       func() { hang() },
		"killsItself": func() { _ = unix.Kill(os.Getpid(), unix.SIGKILL); hang() },
		"ignoresTERM": func() { signal.Ignore(unix.SIGTERM); say("deaf"); hang() },
		"handlesTERM": handlesTERM,
		"listensUnix": func() { serve("unix", os.Getenv("SOCKET_PATH")) },
		"listensRelative": func() {
			must(os.Chdir(filepath.Dir(os.Getenv("SOCKET_PATH"))))
			serve("unix", filepath.Base(os.Getenv("SOCKET_PATH")))
		},
		"renamesSocket":     renamesSocket,
		"listensTCP4":       func() { serve("tcp4", "127.0.0.1:"+os.Getenv("PORT")) },
		"listensAny4":       func() { serve("tcp4", "0.0.0.0:"+os.Getenv("PORT")) },
		"listensAny6":       func() { serve("tcp", "[::]:"+os.Getenv("PORT")) },
		"listensOnly6":      func() { serve("tcp6", "[::1]:"+os.Getenv("PORT")) },
		"listensFD":         listensFD,
		"childListens":      func() { child("listensTCP4"); hang() },
		"bindsOnly":         bindsOnly,
		"slowStart":         func() { time.Sleep(60 * time.Millisecond); serve("unix", os.Getenv("SOCKET_PATH")) },
		"forksAway":         forksAway,
		"awayDeaf":          awayDeaf,
		"leavesZombies":     leavesZombies,
		"exitsAtOnce":       func() {},
		"floods":            floods,
		"talks":             func() { say("to stdout\x00\xff"); fmt.Fprint(os.Stderr, "to stderr"); syscall.Exit(0) },
		"lastWords":         lastWords,
		"showsItself":       showsItself,
		"closesOutput":      closesOutput,
		"daemon":            daemon,
		"reaps":             reaps,
		"callsTheForbidden": callsTheForbidden,
		"forkBomb":          forkBomb,
		"eatsMemory":        func() { eat(); hang() },
		"childEats":         func() { child("eatsMemory"); hang() },
		"burnsCPU":          func() { burn() },
		"showsLimits":       showsLimits,
		"showsSecrets":      showsSecrets,
	}
}

func hang() { select {} }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}

func say(line string) { fmt.Println(line) }

func handlesTERM() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGTERM)
	say("ready")
	<-c
	say("goodbye")
	os.Exit(0)
}

func serve(network, address string) {
	l, err := net.Listen(network, address)
	must(err)
	serveOn(l)
}

func serveOn(l net.Listener) {
	for {
		c, err := l.Accept()
		must(err)
		fmt.Fprintf(c, "%d", os.Getpid())
		c.Close()
	}
}

func renamesSocket() {
	path := os.Getenv("SOCKET_PATH")
	l, err := net.Listen("unix", path+".new")
	must(err)
	must(os.Rename(path+".new", path))
	serveOn(l)
}

func listensFD() {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" || os.Getenv("LISTEN_FDNAMES") != "http" {
		must(fmt.Errorf("wrong LISTEN_*: %q", os.Environ()))
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	must(err)
	serveOn(l)
}

// bindsOnly leaves a socket file on which nobody listens.
func bindsOnly() {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: os.Getenv("SOCKET_PATH")}))
	say("bound")
	hang()
}

// child starts another character with this one's environment and output.
func child(name string) *os.Process {
	exe, err := os.Executable()
	must(err)
	p, err := os.StartProcess(exe, []string{exe}, &os.ProcAttr{
		Env: append([]string{"TEST_CHARACTER=" + name}, os.Environ()...), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: sessionOfItsOwn(name == "awayDeaf"),
	})
	must(err)
	return p
}

// forksAway double-forks: a child in a session of its own starts the survivor
// and dies.
func forksAway() {
	if os.Getenv("TEST_STEP") == "2" {
		child("awayDeaf")
		os.Exit(0)
	}
	must(os.Setenv("TEST_STEP", "2"))
	p := child("forksAway")
	_, err := p.Wait()
	must(err)
	if os.Getenv("TEST_THEN") == "exit" {
		os.Exit(0)
	}
	hang()
}

// awayDeaf tells its pid in a file too, for those whose pipe is closed.
func awayDeaf() {
	signal.Ignore(unix.SIGTERM)
	pid := strconv.Itoa(os.Getpid())
	if file := os.Getenv("TEST_PIDFILE"); file != "" {
		must(os.WriteFile(file+"~", []byte(pid), 0o600))
		must(os.Rename(file+"~", file))
	}
	say("away " + pid)
	hang()
}

func leavesZombies() {
	n, err := strconv.Atoi(os.Getenv("TEST_COUNT"))
	must(err)
	for range n {
		exe := "/bin/true"
		_, err := os.StartProcess(exe, []string{exe}, &os.ProcAttr{})
		must(err)
	}
	say("littered")
	hang()
}

func floods() {
	chunk := strings.Repeat("x", 1<<16)
	for {
		_, _ = io.WriteString(os.Stdout, chunk)
	}
}

// lastWords fills the pipe and dies, while a child of its holds it open.
func lastWords() {
	child("hangs")
	_, _ = io.WriteString(os.Stdout, strings.Repeat("w", 200<<10)+"end")
	os.Exit(7)
}

// showsItself prints what it was born with.
func showsItself() {
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.Contains(link, "anon_inode:") && !strings.HasPrefix(link, "/sys/fs/cgroup/") { // the Go runtime's own
			say("fd " + e.Name() + " " + link)
		}
	}
	wd, err := os.Getwd()
	must(err)
	say("dir " + wd)
	for _, entry := range os.Environ() {
		say("env " + entry)
	}
	say("end")
}

func closesOutput() {
	_ = unix.Close(1)
	_ = unix.Close(2)
	serve("unix", os.Getenv("SOCKET_PATH"))
}

// daemon runs an engine itself, in the surroundings that it was started in, and
// prints what its tenant prints; then it dies without a goodbye, or ends well.
func daemon() {
	e, err := NewEngine(Options{CgroupName: os.Getenv("TEST_CGROUP"), NoCgroup: os.Getenv("TEST_NOCGROUP") != "", Subreaper: true})
	must(err)
	exited := make(chan struct{})
	p, err := e.Start(Spec{
		Name: "notes:alice", Generation: 1, Level: LevelProcess, Argv: []string{"/bin/sh", "-c", os.Getenv("TEST_COMMAND")},
		Env: os.Environ(), Dir: "/", RunDir: os.Getenv("TEST_RUNDIR"), Listen: ListenAuto,
	}, Events{
		Output: func(_ Stream, chunk []byte) { _, _ = os.Stdout.Write(chunk) },
		Exited: func(Status) { close(exited) },
	})
	must(err)
	if dir := os.Getenv("TEST_RECORDS"); dir != "" {
		must(WriteRecord(dir, p.Record()))
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	<-exited
	must(p.Release())
	must(e.Close())
}

// reaps is a daemon whose tenants litter. It says how many zombies it has when
// they are gone.
func reaps() {
	e, err := NewEngine(Options{CgroupName: os.Getenv("TEST_CGROUP"), NoCgroup: os.Getenv("TEST_NOCGROUP") != "", Subreaper: true})
	must(err)
	exe, err := os.Executable()
	must(err)
	own, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{}) // another part of the daemon waits for this one
	must(err)
	exited, heard := make(chan struct{}), make(chan struct{}, 1)
	p, err := e.Start(Spec{
		Name: "notes:alice", Generation: 1, Level: LevelProcess, Argv: []string{exe}, Dir: "/", RunDir: os.Getenv("TEST_RUNDIR"), Listen: ListenUnix,
		Env: []string{"TEST_CHARACTER=" + os.Getenv("TEST_TENANT"), "TEST_COUNT=" + os.Getenv("TEST_COUNT")},
	}, Events{Output: func(Stream, []byte) { heard <- struct{}{} }, Exited: func(Status) { close(exited) }})
	must(err)
	<-heard
	must(p.Kill())
	<-exited
	must(p.Release())
	if state, err := own.Wait(); err != nil || !state.Success() {
		must(fmt.Errorf("a child of the daemon's own was reaped by somebody else: %v", err))
	}
	zombies := -1
	for start := time.Now(); zombies != 0 && time.Since(start) < patience; time.Sleep(10 * time.Millisecond) {
		zombies = len(children())
	}
	say(fmt.Sprintf("%d zombies", zombies))
	must(e.Close())
}

func TestMain(m *testing.M) {
	if name := os.Getenv("TEST_CHARACTER"); name != "" {
		characters[name]()
		os.Exit(0)
	}
	code := m.Run()
	if left := leftovers(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "the tests left behind:", strings.Join(left, "\n"))
		code = 1
	}
	os.Exit(code)
}
