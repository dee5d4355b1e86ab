package egress

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// relayed gives a tenant a port of the host's loopback.
func relayed(t *testing.T, ports ...uint16) (tenant int, p *Ports) {
	t.Helper()
	needRoot(t)
	tenant = newNetns(t)
	p, err := RelayPorts(tenant, ports)
	must(t, err)
	t.Cleanup(p.Close)
	return tenant, p
}

// dial connects from inside; the connection has the test's patience.
func dial(t *testing.T, netns int, address string) *net.TCPConn {
	t.Helper()
	var c net.Conn
	must(t, inside(netns, func() (err error) { c, err = net.Dial("tcp", address); return err }))
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	return c.(*net.TCPConn)
}

// echoTCP sends back what it read once the client is done with sending.
func echoTCP(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	serveAll(t, l, func(c net.Conn) {
		text, _ := io.ReadAll(c)
		_, _ = c.Write(text)
	})
}

func TestPorts_APortOfTheHostsLoopbackAppears(t *testing.T) {
	tenant, _ := relayed(t, 5432, 6379)
	echoTCP(t, "127.0.0.1:5432")
	echoTCP(t, "[::1]:6379") // a host's server that listens on IPv6 only
	for _, address := range []string{"127.0.0.1:5432", "[::1]:5432", "127.0.0.1:6379", "[::1]:6379"} {
		c := dial(t, tenant, address)
		_, err := c.Write([]byte("select 1"))
		must(t, err)
		must(t, c.CloseWrite()) // arrives as such, or there is no echo
		if text, err := io.ReadAll(c); string(text) != "select 1" || err != nil {
			t.Errorf("%s: got %q, %v", address, text, err)
		}
	}
}

func TestPorts_OnlyThosePortsAndOnlyThere(t *testing.T) {
	tenant, _ := relayed(t, 5432)
	other := newNetns(t)
	echoTCP(t, "127.0.0.1:5432")
	echoTCP(t, "127.0.0.1:8080")
	refused(t, tenant, "tcp", "127.0.0.1:8080")
	refused(t, other, "tcp", "127.0.0.1:5432")
}

func TestPorts_NobodyAtTheHostsEndIsAReset(t *testing.T) {
	tenant, _ := relayed(t, 5432)
	err := call(tenant, "tcp", "127.0.0.1:5432", patience) // while it connects, or when it reads
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestPorts_CloseCutsConnections(t *testing.T) {
	needRoot(t)
	tenant := newNetns(t)
	p, err := RelayPorts(tenant, []uint16{5432})
	must(t, err)
	echoTCP(t, "127.0.0.1:5432")
	c := dial(t, tenant, "127.0.0.1:5432")
	eventually(t, "a connection that is relayed", func() bool { return len(p.slots) == 1 })
	p.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("got %v", err)
	}
	refused(t, tenant, "tcp", "127.0.0.1:5432")
}

// Connections beyond the bound wait, and get their turn.
func TestPorts_ConnectionsAreBounded(t *testing.T) {
	tenant, p := relayed(t, 5432)
	echoTCP(t, "127.0.0.1:5432")
	var all []*net.TCPConn
	for range maxRelayed + 10 {
		all = append(all, dial(t, tenant, "127.0.0.1:5432"))
	}
	eventually(t, "all slots in use", func() bool { return len(p.slots) == maxRelayed })
	last := all[len(all)-1]
	_, err := last.Write([]byte("hello"))
	must(t, err)
	must(t, last.CloseWrite())
	must(t, last.SetReadDeadline(time.Now().Add(aWhile)))
	if n, err := last.Read(make([]byte, 1)); n > 0 || !errors.Is(err, unix.EAGAIN) && !isTimeout(err) {
		t.Fatalf("one too many is served: %d, %v", n, err)
	}
	for _, c := range all[:20] {
		c.Close()
	}
	must(t, last.SetReadDeadline(time.Now().Add(patience)))
	if text, err := io.ReadAll(last); string(text) != "hello" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestPorts_APortThatIsTakenIsNamed(t *testing.T) {
	tenant, _ := relayed(t, 5432)
	_, err := RelayPorts(tenant, []uint16{6379, 5432})
	if !errors.Is(err, unix.EADDRINUSE) || !strings.HasPrefix(err.Error(), "cannot open the host's port 5432 to a network namespace: ") {
		t.Errorf("got %v", err)
	}
	refused(t, tenant, "tcp", "127.0.0.1:6379") // the half of it is gone
	if _, err := RelayPorts(-1, []uint16{1}); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v", err)
	}
}

// A host out of file descriptors is not the end of a listener.
func TestPorts_AcceptWaitsOutWhatPasses(t *testing.T) {
	l := &failing{errs: []error{unix.EMFILE, unix.ENFILE, net.ErrClosed}}
	if _, err := accept(t.Context(), l); !errors.Is(err, net.ErrClosed) || len(l.errs) != 0 {
		t.Errorf("got %v with %v to come", err, l.errs)
	}
}

type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}
