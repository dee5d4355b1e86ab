package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// peerDescriptor is where an attempt finds the daemon's pidfd, if peerVariable
// says that there is one.
const (
	peerDescriptor = 3
	peerVariable   = "PROBE_PEER"
)

// peerProbes use what the daemon itself brings: it connects to the tenant's
// socket, and the kernel tells who is at the other end by a pidfd, which leads
// into any pid namespace.
var peerProbes = []probe{
	{"signal to the daemon, by its connection", "daemon", byPeer(func(fd int) error { return unix.PidfdSendSignal(fd, 0, nil, 0) })},
	{"descriptors of the daemon, by its connection", "daemon", byPeer(func(fd int) error {
		stolen, err := unix.PidfdGetfd(fd, 1, 0)
		if err == nil {
			unix.Close(stolen)
		}
		return err
	})},
	{"namespaces of the daemon, by its connection", "daemon", byPeer(func(fd int) error {
		return inChild(unix.SYS_SETNS, uintptr(fd), unix.CLONE_NEWNET)
	})},
	{"network namespace of the daemon, by its connection", "daemon", byPeer(func(fd int) error {
		const getNetwork = 0xff04 // PIDFD_GET_NET_NAMESPACE, since Linux 6.11
		network, err := unix.IoctlRetInt(fd, getNetwork)
		if err == nil {
			unix.Close(network)
		}
		return err
	})},
}

// peerOf gives a pidfd of the daemon by a connection that it made, or, for who
// runs beside it, by one to its control socket. Nil where there is none.
func peerOf(c net.Conn, targets []byte) *os.File {
	if c == nil {
		var t target
		if json.Unmarshal(targets, &t) != nil {
			return nil
		}
		own, err := net.Dial("unix", filepath.Join(t.RunDir, "ctl.sock"))
		if err != nil {
			return nil
		}
		defer own.Close()
		c = own
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	fd := -1
	if raw.Control(func(s uintptr) { fd, err = unix.GetsockoptInt(int(s), unix.SOL_SOCKET, unix.SO_PEERPIDFD) }) != nil || err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "daemon")
}

func byPeer(try func(fd int) error) func(*target) result {
	return func(*target) result {
		if os.Getenv(peerVariable) == "" {
			return closed("no connection tells of the daemon")
		}
		// EINVAL: its pid namespace is not below ours. ESRCH and ENOTTY: the same, or an older kernel.
		return attempt(try(peerDescriptor), unix.EINVAL, unix.ESRCH, unix.ENOTTY)
	}
}
