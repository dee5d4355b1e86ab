package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// controlDial is how long somebody has to answer on a control socket that is
// already there before it counts as left over by a daemon that died.
const controlDial = time.Second

// ListenControl listens on the control socket at path, mode 0600. Connections
// of anybody but root and the daemon's own user are closed unread, so that what
// Accept gives has been checked. A socket that nobody answers on is replaced;
// one with a daemon behind it, or anything that is not a socket, is an error.
// Closing the listener removes the file.
func ListenControl(path string) (net.Listener, error) {
	l, err := listenControl(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the control socket: %w", err)
	}
	return l, nil
}

func listenControl(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	// The directory is 0700: nobody else comes between bind and chmod.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return &controlListener{UnixListener: l, own: uint32(os.Geteuid())}, nil
}

// removeStale clears the way for a new socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is not a socket: remove it", path)
	}
	conn, err := net.DialTimeout("unix", path, controlDial)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another daemon answers on %s: stop it first", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // a full backlog is a living daemon's
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Remove(path)
}

// controlListener lets in whoever the kernel says is root or the daemon's user.
type controlListener struct {
	*net.UnixListener
	own uint32
}

// Accept waits for the next connection that is allowed in.
func (l *controlListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(conn); err == nil && (uid == 0 || uid == l.own) {
			return conn, nil
		}
		conn.Close()
	}
}

// peerUID is who connected, as the kernel recorded it at connect (unix(7), SO_PEERCRED).
func peerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}
