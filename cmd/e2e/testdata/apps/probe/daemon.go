package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inheritedVariable carries what strangeDescriptors found when the program began
// to the attempts that it runs.
const inheritedVariable = "PROBE_INHERITED"

// daemonProbes go for the daemon and the API, by what lies about.
var daemonProbes = []probe{
	{"environment of the daemon, inherited", "daemon", func(t *target) result {
		if contains([]byte(strings.Join(os.Environ(), "\n")), t.DaemonSecret) {
			return opened("its secret is in my environment")
		}
		return closed("not in my environment")
	}},
	{"descriptors of the daemon, inherited", "daemon", func(*target) result {
		if found := os.Getenv(inheritedVariable); found != "" {
			return opened("%s", found)
		}
		return closed("nothing but the three streams")
	}},
	{"environ of the daemon", "daemon", onProc(daemonOf, func(dir string, t *target) result { return readFile(dir+"/environ", t.DaemonSecret) })},
	{"memory of the daemon", "daemon", onProc(daemonOf, func(dir string, _ *target) result { return openFile(dir+"/mem", unix.O_RDWR) })},
	{"descriptors of the daemon, by /proc", "daemon", onProc(daemonOf, func(dir string, _ *target) result { return listed(dir + "/fd") })},
	{"root of the daemon", "daemon", onProc(daemonOf, func(dir string, _ *target) result { return listed(dir + "/root/") })},
	{"environ of anybody in sight", "daemon", anybody(func(dir string, t *target) result { return readFile(dir+"/environ", t.DaemonSecret) })},
	{"files by the root of anybody in sight", "daemon", anybody(func(dir string, t *target) result { return readFile(dir+"/root"+t.Config, "[settings]") })},
	{"mount namespace of the daemon", "daemon", onProc(daemonOf, func(dir string, _ *target) result { return join(dir+"/ns/mnt", unix.CLONE_NEWNS) })},
	{"network namespace of the daemon", "daemon", onProc(daemonOf, func(dir string, _ *target) result { return join(dir+"/ns/net", unix.CLONE_NEWNET) })},
	{"ptrace of the daemon", "daemon", func(t *target) result { return trace(t.Daemon) }},
	{"signal to the daemon", "daemon", func(t *target) result { return onProcess(t.Daemon, unix.Kill(t.Daemon.Pid, 0)) }},
	{"descriptors of the daemon, by pidfd", "daemon", func(t *target) result {
		return byPidfd(t.Daemon, func(fd int) error {
			stolen, err := unix.PidfdGetfd(fd, 1, 0)
			if err == nil {
				unix.Close(stolen)
			}
			return err
		})
	}},
	{"priority of the daemon", "daemon", func(t *target) result { return renice(t.Daemon) }},
	{"configuration of the daemon", "daemon", func(t *target) result { return readFile(t.Config, "[settings]") }},
	{"registry, read", "daemon", func(t *target) result { return openFile(filepath.Join(t.DataDir, "registry.db"), unix.O_RDONLY) }},
	{"registry, write", "daemon", func(t *target) result { return openFile(filepath.Join(t.DataDir, "registry.db"), unix.O_RDWR) }},
	{"lock of the data directory", "daemon", func(t *target) result { return openFile(filepath.Join(t.DataDir, ".lock"), unix.O_RDWR) }},
	{"logs of another", "daemon", func(t *target) result { return listed(filepath.Join(t.DataDir, ".logs")) }},
	{"run records", "daemon", func(t *target) result { return listed(filepath.Join(t.RunDir, "r")) }},
	{"new file beside the registry", "daemon", func(t *target) result { return created(filepath.Join(t.DataDir, "planted")) }},
	{"admin token", "api", func(t *target) result { return openFile(filepath.Join(t.DataDir, "api_token"), unix.O_RDONLY) }},
	{"control socket", "api", func(t *target) result {
		return greeted(dial("unix", filepath.Join(t.RunDir, "ctl.sock"), "GET /api/instances HTTP/1.0\r\nHost: localhost\r\n\r\n"), "victim:one")
	}},
	{"API on loopback", "api", func(t *target) result { return askAPI("127.0.0.1", t) }},
	{"API on the machine's own address", "api", func(t *target) result { return askAPI(t.HostAddress, t) }},
	{"API by the default gateway", "api", func(t *target) result {
		if own, _ := net.InterfaceAddrs(); slices.ContainsFunc(own, func(a net.Addr) bool { return strings.HasPrefix(a.String(), t.HostAddress+"/") }) {
			return askAPI(t.HostAddress, t) // nobody is in between: this is the machine
		}
		gateway := defaultGateway()
		if gateway == "" {
			return closed("no route leads out")
		}
		return askAPI(gateway, t)
	}},
	{"credentials of somebody else on a socket", "api", forgeCredentials},
}

// anybody tries something on every process that /proc shows, process 1 of the
// tenant's own included.
func anybody(try func(dir string, t *target) result) func(*target) result {
	return func(t *target) result {
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil || len(dirs) == 0 {
			return broken("/proc shows nobody: %v", err)
		}
		own := fmt.Sprintf("/proc/%d", os.Getpid())
		for _, dir := range dirs {
			if r := try(dir, t); r.Open && dir != own {
				return r
			}
		}
		return closed("none of %d", len(dirs))
	}
}

// strangeDescriptors lists what this program was born with besides its three
// streams. What it opened itself is closed by exec, so it bears the flag.
func strangeDescriptors() string {
	var found []string
	for fd := 3; fd < 1024; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		found = append(found, fmt.Sprintf("%d is %s", fd, name))
	}
	return strings.Join(found, ", ")
}

func askAPI(address string, t *target) result {
	return greeted(dial("tcp", fmt.Sprintf("%s:%d", address, t.APIPort), "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"), `"status"`)
}

// defaultGateway is the next hop of the default route; "" when there is none.
func defaultGateway() string {
	text, _ := os.ReadFile("/proc/net/route")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[1] == "00000000" {
			if n, err := strconv.ParseUint(fields[2], 16, 32); err == nil {
				return fmt.Sprintf("%d.%d.%d.%d", n&255, n>>8&255, n>>16&255, n>>24)
			}
		}
	}
	return ""
}

// forgeCredentials tells a peer that it is root's first process.
func forgeCredentials(*target) result {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return broken("%v", err)
	}
	if err := unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return broken("%v", err)
	}
	forged := unix.UnixCredentials(&unix.Ucred{Pid: 1})
	return attempt(unix.Sendmsg(pair[0], []byte("x"), forged, nil, 0), unix.ESRCH, unix.EINVAL)
}
