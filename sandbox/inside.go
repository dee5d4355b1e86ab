package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inside is where a process that has namespaces of its own is found from
// outside. A nil *inside is the host itself.
type inside struct {
	net  *netns
	root *os.File // its root directory; nil: the host's
	uid  uint32   // its user: whoever else's sockets are in its view are not its own
}

// netOf is nil-safe: the network that the process listens in.
func (i *inside) network() *netns {
	if i == nil {
		return nil
	}
	return i.net
}

func (i *inside) close() {
	if i == nil {
		return
	}
	if i.net != nil {
		i.net.close()
	}
	if i.root != nil {
		i.root.Close()
	}
}

// openInside finds the namespaces of a process that runs already.
func openInside(pid int, uid uint32) (*inside, error) {
	proc := "/proc/" + strconv.Itoa(pid)
	i := &inside{uid: uid}
	err := peek(uid, func() (err error) {
		if i.net, err = openNetns(proc + "/ns/net"); err != nil {
			return err
		}
		if i.root, err = openRoot(proc + "/root"); err != nil {
			i.net.close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

func openRoot(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the root directory of a tenant: %w", err)
	}
	return os.NewFile(uintptr(fd), "root"), nil
}

// open opens a path as the process sees it, for looking only. What the process
// makes of it (links, other mounts) leads nowhere but into its own view.
func (i *inside) open(path string, flags uint64) (*os.File, error) {
	raw, err := i.root.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	closed := raw.Control(func(root uintptr) {
		fd, err = unix.Openat2(int(root), strings.TrimPrefix(path, "/"), &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
	})
	if err := errors.Join(closed, err); err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// stat looks at a path as the process sees it; links at its end are not followed.
func (i *inside) stat(path string) (st unix.Stat_t, err error) {
	if i == nil || i.root == nil {
		return st, unix.Lstat(path, &st)
	}
	file, err := i.open(path, unix.O_NOFOLLOW)
	if err != nil {
		return st, err
	}
	defer file.Close()
	return st, unix.Fstat(int(file.Fd()), &st)
}

// Dial connects to the endpoint, wherever it lives.
func (e Endpoint) Dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	switch {
	case e.inside == nil:
	case e.Network == "unix" && e.inside.root != nil:
		return e.inside.dialUnix(ctx, e.Address)
	case e.Network == "tcp" && e.inside.net != nil:
		at, err := netip.ParseAddrPort(e.Address)
		if err != nil {
			return nil, fmt.Errorf("cannot connect to %q: %w", e.Address, err)
		}
		return e.inside.net.dial(ctx, at)
	}
	return d.DialContext(ctx, e.Network, e.Address)
}

// dialUnix connects to a socket of the process's own and to no other one: the
// daemon may connect where the tenant must not, and shall not do it for it.
func (i *inside) dialUnix(ctx context.Context, path string) (net.Conn, error) {
	file, err := i.open(path, unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || st.Uid != i.uid {
		return nil, fmt.Errorf("cannot connect to %q: it is no socket of the tenant's", path)
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", "/proc/self/fd/"+strconv.Itoa(int(file.Fd())))
}
