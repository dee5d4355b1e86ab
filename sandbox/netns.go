package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tenement/sandbox/egress"
)

// netPoolSize is how many network namespaces are kept ready: making one takes
// half a millisecond and 100 to 200 KB of the kernel's memory.
const netPoolSize = 24

// netns is a network namespace that the daemon holds open. Whoever has it can
// make sockets that live inside.
type netns struct {
	file *os.File

	// What leads out of it; nil without.
	link  *egress.Link
	dns   *egress.DNS
	ports *egress.Ports
}

// hostNet is the daemon's own network namespace.
var hostNet = sync.OnceValues(func() (*netns, error) { return openNetns("/proc/self/ns/net") })

func openNetns(path string) (*netns, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open a network namespace: %w", reason(err))
	}
	return &netns{file: file}, nil
}

// makeNetns puts the calling thread, which is thrown away later, into a new
// network namespace: loopback up, ports below 1024 for everybody, ping allowed.
func makeNetns() (*netns, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("cannot make a network namespace: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return nil, err
	}
	for file, text := range map[string]string{
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "0",
		"/proc/sys/net/ipv4/ping_group_range":           "0 2147483647",
	} {
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			return nil, fmt.Errorf("cannot set up a network namespace: %w", err)
		}
	}
	return openNetns("/proc/thread-self/ns/net")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot set up a network namespace: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	}
	if err != nil {
		return fmt.Errorf("cannot bring up the loopback of a network namespace: %w", err)
	}
	return nil
}

func (n *netns) close() {
	n.cut()
	n.file.Close()
}

// use calls f with the namespace's descriptor, which cannot be closed meanwhile.
func (n *netns) use(f func(fd int) error) error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	closed := raw.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(closed, err)
}

// enter moves the calling thread into the namespace; nil is where it is.
func (n *netns) enter() error {
	if n == nil {
		return nil
	}
	return n.use(func(fd int) error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter a network namespace: %w", err)
		}
		return nil
	})
}

// socket makes a socket that lives in the namespace, nil being the host's. The
// thread goes there and comes back; nothing else runs on it meanwhile, and Go
// makes no new thread out of one that is locked.
func (n *netns) socket(family, kind, protocol int) (int, error) {
	if n == nil {
		return unix.Socket(family, kind, protocol)
	}
	home, err := hostNet()
	if err != nil {
		return -1, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := n.enter(); err != nil {
		return -1, err
	}
	fd, err := unix.Socket(family, kind, protocol)
	for home.enter() != nil { // out of kernel memory: no request may go on in a tenant's network
		time.Sleep(time.Millisecond)
	}
	return fd, err
}

// dial connects to a loopback address of the namespace.
func (n *netns) dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	family, address := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		family, address = unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	fd, err := n.socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), at.String())
	defer file.Close() // FileConn has a descriptor of its own
	err = unix.Connect(fd, address)
	if err == unix.EINPROGRESS {
		err = awaitConnect(ctx, file)
	}
	if err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(file)
}

// awaitConnect waits for a connect that is under way, as long as ctx lasts.
func awaitConnect(ctx context.Context, file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Now()) })
	defer stop()
	var result error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err == nil {
			if _, unconnected := unix.Getpeername(int(fd)); unconnected != nil {
				return false
			}
		}
		result = err
		return true
	})
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return errors.Join(err, result)
}

// netPool keeps network namespaces ready, off the path of a wake.
type netPool struct {
	outfit func(*netns) error // what every one of them gets
	ready  chan *netns
	stop   chan struct{}
	done   chan struct{}
}

// newNetPool starts the goroutine that fills it; close ends it.
func newNetPool(outfit func(*netns) error) *netPool {
	p := &netPool{outfit: outfit, ready: make(chan *netns, netPoolSize-1), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = onThread(p.fill) // its errors come again in take
	}()
	return p
}

// refillAfter is how long a pool that is more than half full waits before it makes
// up for one that was taken: to make it at once would cost the start that took it.
const refillAfter = 20 * time.Millisecond

// fill makes namespaces until the pool is closed. After a failure (out of
// memory, or of namespaces) it tries again in a second.
func (p *netPool) fill() error {
	for {
		if len(p.ready) > cap(p.ready)/2 {
			select {
			case <-time.After(refillAfter):
			case <-p.stop:
				return nil
			}
		}
		n, err := p.make()
		if err != nil {
			select {
			case <-time.After(time.Second):
				continue
			case <-p.stop:
				return nil
			}
		}
		select {
		case p.ready <- n:
		case <-p.stop:
			n.close()
			return nil
		}
	}
}

// take gives a namespace that nobody has used; the caller closes it.
func (p *netPool) take() (n *netns, err error) {
	select {
	case n := <-p.ready:
		return n, nil
	default:
	}
	err = onThread(func() error {
		n, err = p.make()
		return err
	})
	return n, err
}

// make needs a thread that is thrown away.
func (p *netPool) make() (*netns, error) {
	n, err := makeNetns()
	if err != nil {
		return nil, err
	}
	if err := p.outfit(n); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (p *netPool) close() {
	close(p.stop)
	<-p.done
	for {
		select {
		case n := <-p.ready:
			n.close()
		default:
			return
		}
	}
}
