package sandbox

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Level is how a tenant is enclosed.
type Level string

// The levels. LevelProcess is the host's own view: a clean environment, a
// session and a cgroup of its own. LevelNamespace shows a read-only system and
// nothing of anybody else's; LevelSandbox the same, through gVisor's kernel.
const (
	LevelProcess   Level = "process"
	LevelNamespace Level = "namespace"
	LevelSandbox   Level = "sandbox"
)

// Listen says where the process is expected to listen.
type Listen string

// The ways a tenant can listen; see Process.Ready.
const (
	ListenAuto Listen = "auto" // PORT or SOCKET_PATH, whichever accepts first
	ListenUnix Listen = "unix"
	ListenTCP  Listen = "tcp"
	ListenFD   Listen = "fd" // a listening socket is passed in (systemd's convention)
)

// Spec is everything needed to start one generation of a tenant.
type Spec struct {
	Name       string // "notes:alice": in messages and in the cgroup's name
	Generation uint64 // of the tenant; higher with every start
	Level      Level
	Argv       []string // Argv[0] is a path, or a name looked up in Env's PATH
	Env        []string // complete; only TENEMENT_RUN and the LISTEN_* variables of ListenFD are added
	Dir        string   // working directory
	RunDir     string   // the tenant's own directory, made 0700: socket and FIFOs
	Listen     Listen
	Socket     string            // path to listen on; "" when Listen is tcp
	Port       int               // loopback port to listen on; 0 when Listen is unix or fd
	Limits     Limits            // those that this host cannot keep are left out: see Engine.Enforces
	Secrets    map[string][]byte // by file name; placed in SecretsDir(RunDir) until Release
	User       *User             // who runs it at LevelProcess; nil = the daemon's user

	// The rest is for LevelNamespace and LevelSandbox.

	Network   Network
	HostPorts []uint16         // ports of the host's loopback that appear on the process's own
	Allow     []netip.AddrPort // TCP ports beside the internet; at NetworkPrivate

	UID      uint32   // the tenant's own user and group
	Hostname string   // what uname says
	DataDir  string   // the tenant's own directory, writable; "" = none
	Hidden   []string // directories of the daemon's: absent but for the tenant's own
	Mounts   []Mount
	Rootfs   string // root directory instead of the host's; "" = the host's
}

// User is somebody whom the system knows.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Network is the network that a process lives in.
type Network string

// NetworkPrivate and NetworkNone are a loopback of the tenant's own, where it
// can have any port; NetworkHost is the host's network.
const (
	NetworkPrivate Network = "private"
	NetworkNone    Network = "none"
	NetworkHost    Network = "host"
)

// user is who runs the process and owns its files; nil = the daemon's user.
func (s Spec) user() *User {
	if s.Level == LevelProcess {
		return s.User
	}
	return &User{UID: s.UID, GID: s.UID}
}

// owner is the number of user.
func (s Spec) owner() int {
	if u := s.user(); u != nil {
		return int(u.UID)
	}
	return os.Geteuid()
}

// dirOwner is who owns the run directory: at LevelProcess who binds a socket in
// it. Elsewhere nobody but the daemon has to do with it; the tenant sees one of
// its own in its place.
func (s Spec) dirOwner() int {
	if s.Level == LevelProcess {
		return s.owner()
	}
	return os.Geteuid()
}

// hostSocket is the socket's path if it is the host's: at the other levels only
// one that is passed in is.
func (s Spec) hostSocket() string {
	if s.Level == LevelProcess || s.Listen == ListenFD {
		return s.Socket
	}
	return ""
}

// Endpoint is where a process accepts connections; it belongs to one generation.
type Endpoint struct {
	Network string // "unix" or "tcp"
	Address string // path, or host:port

	inside *inside // where that is to be found; nil on the host
}

// Stream is one of a process's two output streams.
type Stream uint8

// The streams, in the order of their file descriptors.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// Status is how a process ended.
type Status struct {
	Code   int // exit code, -1 when a signal ended it
	Signal int // 0 when it exited by itself
	// Unknown: it was a former daemon's child, so nobody could be told how it
	// ended. Code is -1 then.
	Unknown bool
	Hit     Limit // what it had run into, when it did not end well; "" = nothing
}

// Clean reports an exit with code 0.
func (s Status) Clean() bool { return s.Code == 0 && s.Signal == 0 }

func (s Status) String() string {
	if s.Unknown {
		return "ended while nobody watched"
	}
	how := fmt.Sprintf("exit status %d", s.Code)
	if s.Signal != 0 {
		how = "killed by " + signalName(s.Signal)
	}
	switch s.Hit {
	case LimitMemory:
		how += ", out of memory (oom)"
	case LimitPids:
		how += ", after a fork was refused at its limit of processes (pids)"
	}
	return how
}

// Events are a process's news. They are called from the engine's one loop, in
// order, and must not block; Exited comes last and exactly once.
type Events struct {
	Output func(stream Stream, chunk []byte) // chunk is valid during the call only
	Hit    func(Limit)                       // it ran into a limit and lives on; once a generation and limit
	Exited func(Status)
}

// signalName gives SIGKILL for 9 and "signal 64" for what has no name.
func signalName(n int) string {
	if name := unix.SignalName(syscall.Signal(n)); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(n)
}
