package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func aNetns(t *testing.T) *netns {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	p := newNetPool(alone)
	t.Cleanup(p.close)
	n, err := p.take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// listenIn makes a listener inside, with the backlog given.
func listenIn(t *testing.T, n *netns, at netip.AddrPort, backlog int) int {
	t.Helper()
	fd, err := n.socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}), unix.Listen(fd, backlog))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

var somewhere = netip.MustParseAddrPort("127.0.0.1:80")

func TestNetns_DialsInsideAndNowhereElse(t *testing.T) {
	t.Parallel()
	n, other := aNetns(t), aNetns(t)
	fd := listenIn(t, n, somewhere, 1)
	c, err := n.dial(t.Context(), somewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(accepted)
	if c.RemoteAddr().String() != somewhere.String() {
		t.Error(c.RemoteAddr())
	}
	if _, isTCP := c.(*net.TCPConn); !isTCP {
		t.Errorf("%T", c)
	}
	if _, err := other.dial(t.Context(), somewhere); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("next door: %v", err)
	}
	if _, err := n.dial(t.Context(), netip.MustParseAddrPort("[::1]:80")); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("IPv6: %v", err)
	}
}

func TestNetns_SocketComesHome(t *testing.T) {
	t.Parallel()
	n := aNetns(t)
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		fd, err := n.socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		if here, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || here != home {
			t.Fatalf("in %s: %v", here, err)
		}
	}
	if _, err := n.socket(-1, 0, 0); err == nil {
		t.Error("a socket of no family")
	}
}

func TestNetns_DialWaitsAsLongAsItMay(t *testing.T) {
	t.Parallel()
	n := aNetns(t)
	listenIn(t, n, somewhere, 0)
	for range 2 { // a backlog of none takes one or two
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if c, err := n.dial(ctx, somewhere); err == nil {
			defer c.Close()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := n.dial(ctx, somewhere); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestNetns_AClosedOneSaysSo(t *testing.T) {
	t.Parallel()
	n := aNetns(t)
	n.close()
	if _, err := n.dial(t.Context(), somewhere); err == nil {
		t.Error("dialled into nothing")
	}
	if err := onThread(n.enter); err == nil {
		t.Error("entered nothing")
	}
	if _, err := openNetns("/proc/self/ns/none"); err == nil {
		t.Error("opened nothing")
	}
}

func TestNetPool_GivesEachOnce(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	p := newNetPool(alone)
	seen := map[uint64]bool{}
	for range 2 * netPoolSize { // more than are ready
		n, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		var st unix.Stat_t
		if err := unix.Fstat(int(n.file.Fd()), &st); err != nil || seen[st.Ino] {
			t.Fatalf("given twice, or %v", err)
		}
		seen[st.Ino] = true
	}
	p.close()
	if len(p.ready) > 0 {
		t.Error("a closed pool keeps some")
	}
}

func TestNetPool_MakesUpForOneWhenTheStartThatTookItIsOver(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	made := make(chan time.Time, 10*netPoolSize)
	p := newNetPool(func(*netns) error { made <- time.Now(); return nil })
	for range netPoolSize { // one is in the hand of who fills it
		<-made
	}
	begin := time.Now()
	n, err := p.take()
	if err != nil {
		t.Fatal(err)
	}
	n.close()
	if waited := (<-made).Sub(begin); waited < refillAfter {
		t.Errorf("after %v", waited)
	}
	for range netPoolSize { // more than there are
		n, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		n.close()
	}
	p.close() // whether it waits or makes one
}
