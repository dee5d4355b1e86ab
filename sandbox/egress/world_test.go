package egress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// The stand-ins: addresses that "the host" reaches by its uplinks.
const (
	hostPublic  = "203.0.113.2" // the host's own
	public      = "198.51.100.7"
	metadata    = "169.254.169.254"
	azure       = "168.63.129.16"
	carrier     = "100.64.0.9"
	hostPrivate = "10.0.0.1" // the host's own
	database    = "10.0.0.5"
	neighbour   = "10.0.0.6" // of the database
)

// patience is how long a test waits for what must come, a while for what must
// not.
const (
	patience = 10 * time.Second
	aWhile   = 200 * time.Millisecond
)

// world is a host between an internet and a private network.
type world struct {
	internet, lan int
}

// newWorld makes the host's uplinks, with ip_forward as given, and what is
// beyond them. Every stand-in answers on TCP 80, TCP 5432 and UDP 53.
func newWorld(t *testing.T, forward bool) world {
	t.Helper()
	needRoot(t)
	w := world{internet: newNetns(t), lan: newNetns(t)}
	setIPForward(t, forward)
	connect(t, w.internet, "up0", hostPublic+"/24", "203.0.113.1/24", public+"/32", metadata+"/32", azure+"/32", carrier+"/32")
	connect(t, w.lan, "lan0", hostPrivate+"/24", database+"/24", neighbour+"/24")
	must(t, inCurrent(func(c rtnetlink) error { return c.addDefaultRoute(netip.MustParseAddr("203.0.113.1")) }))
	for address, netns := range map[string]int{
		public: w.internet, metadata: w.internet, azure: w.internet, carrier: w.internet, database: w.lan, neighbour: w.lan,
	} {
		answer(t, netns, address+":80")
		answer(t, netns, address+":5432")
		echo(t, netns, address+":53")
	}
	return w
}

func setIPForward(t *testing.T, on bool) {
	t.Helper()
	must(t, setSwitch("/proc/sys/net/ipv4/ip_forward", map[bool]string{true: "1", false: "0"}[on]))
}

// connect joins a namespace to the host: name is the host's end. The link goes
// with the test; the kernel takes its time with one that ends by itself.
func connect(t *testing.T, netns int, name, host string, theirs ...string) {
	t.Helper()
	must(t, inCurrent(func(c rtnetlink) error {
		if err := c.addVeth(name, "eth0", netns); err != nil {
			return err
		}
		t.Cleanup(func() { removeLink(t, name) })
		return configure(c, name, netip.MustParsePrefix(host))
	}))
	must(t, inside(netns, func() error {
		return inCurrent(func(c rtnetlink) error {
			index, err := c.index("eth0")
			for _, p := range theirs {
				err = errors.Join(err, c.addAddress(index, netip.MustParsePrefix(p)))
			}
			// Masqueraded or not: what the host lets out gets an answer.
			return errors.Join(err, c.up(index), c.addDefaultRoute(netip.MustParsePrefix(host).Addr()))
		})
	}))
}

func removeLink(t *testing.T, name string) {
	must(t, inCurrent(func(c rtnetlink) error {
		index, err := c.index(name)
		if err != nil {
			return err
		}
		return c.remove(index)
	}))
}

// answer says "hello" to every connection, until the test ends.
func answer(t *testing.T, netns int, address string) {
	t.Helper()
	var l net.Listener
	must(t, inside(netns, func() (err error) { l, err = net.Listen("tcp", address); return err }))
	serveAll(t, l, func(c net.Conn) { _, _ = io.WriteString(c, "hello") })
}

// serveAll serves every connection to a listener, until the test ends.
func serveAll(t testing.TB, l net.Listener, serve func(net.Conn)) {
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() { // ended by the cleanup
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ended by the client, or by what it is served
				defer c.Close()
				serve(c)
			}()
		}
	})
}

// echo sends every datagram back, until the test ends.
func echo(t *testing.T, netns int, address string) {
	t.Helper()
	var c net.PacketConn
	must(t, inside(netns, func() (err error) { c, err = net.ListenPacket("udp4", address); return err }))
	ended := make(chan struct{})
	t.Cleanup(func() { c.Close(); <-ended })
	go func() { // ended by the cleanup
		defer close(ended)
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
}

// call connects from a namespace (the host's: home) and expects a greeting over
// TCP, an echo over UDP.
func call(netns int, network, address string, patience time.Duration) error {
	return inside(netns, func() error {
		c, err := (&net.Dialer{Timeout: patience}).Dial(network, address)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		if network[:3] == "udp" {
			if _, err := c.Write([]byte("hello")); err != nil {
				return err
			}
		}
		b := make([]byte, 16)
		n, err := c.Read(b)
		if err == nil && string(b[:n]) != "hello" {
			return fmt.Errorf("the answer is %q", b[:n])
		}
		return err
	})
}

// home is the namespace that stands for the host.
func home(t testing.TB) int {
	t.Helper()
	fd, err := unix.Open(ownNetns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// reached fails the test unless a stand-in answers; refused unless a refusal
// comes back, which is not a silence.
func reached(t *testing.T, netns int, network, address string) {
	t.Helper()
	if err := call(netns, network, address, patience); err != nil {
		t.Errorf("%s %s is not reached: %v", network, address, err)
	}
}

func refused(t *testing.T, netns int, network, address string) {
	t.Helper()
	err := call(netns, network, address, patience)
	var silence net.Error
	switch {
	case err == nil:
		t.Errorf("%s %s is reached", network, address)
	case errors.As(err, &silence) && silence.Timeout():
		t.Errorf("%s %s is not refused but dropped: %v", network, address, err)
	case !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ECONNRESET):
		t.Errorf("%s %s: %v", network, address, err)
	}
}

// testRange is the default of settings.private_network.
var testRange = netip.MustParsePrefix("10.208.0.0/12")

var ids int

func openNetwork(t testing.TB, o Options) *Network {
	t.Helper()
	ids++
	if o.ID == "" {
		o.ID = fmt.Sprintf("%05x%03x", ids, os.Getpid()&0xfff)
	}
	if !o.Range.IsValid() {
		o.Range = testRange
	}
	if o.Log.GetLevel() == zerolog.NoLevel {
		o.Log = zerolog.Nop()
	}
	n, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, n.Close()) })
	return n
}

// attach makes a tenant's namespace and connects it.
func attach(t *testing.T, n *Network) (int, *Link) {
	t.Helper()
	fd := newNetns(t)
	l, err := n.Attach(fd)
	must(t, err)
	return fd, l
}

// addRoute routes a network out of a link of the host.
func addRoute(t *testing.T, p netip.Prefix, name string) {
	t.Helper()
	must(t, inCurrent(func(c rtnetlink) error {
		index, err := c.index(name)
		if err != nil {
			return err
		}
		header := make([]byte, routeHeader)
		header[0], header[1], header[4], header[5], header[6], header[7] =
			unix.AF_INET, byte(p.Bits()), unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST
		_, err = c.do(unix.RTM_NEWROUTE, netlink.Acknowledge|netlink.Create, header, func(ae *netlink.AttributeEncoder) {
			ae.Bytes(unix.RTA_DST, p.Addr().AsSlice())
			ae.Bytes(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index)))
		})
		return err
	}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// receive tells who sends datagrams to an address, until the test ends.
func receive(t *testing.T, netns int, address string) <-chan netip.AddrPort {
	t.Helper()
	var c *net.UDPConn
	must(t, inside(netns, func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
		return err
	}))
	senders := make(chan netip.AddrPort, 16)
	t.Cleanup(func() { c.Close() })
	go func() { // ended by the cleanup
		defer close(senders)
		for {
			_, from, err := c.ReadFromUDPAddrPort(make([]byte, 16))
			if err != nil {
				return
			}
			senders <- from
		}
	}()
	return senders
}

// sendFrom sends a datagram by an address of the calling thread's namespace.
func sendFrom(from, to string) error {
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("udp4", to)
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("hello"))
	return errors.Join(err, c.Close())
}

// interfacesWithIPv6 are those of the calling thread's namespace.
func interfacesWithIPv6() ([]string, error) {
	text, err := os.ReadFile("/proc/thread-self/net/if_inet6")
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		names = append(names, fields[len(fields)-1])
	}
	return names, err
}

// dies leaves what a killed daemon leaves on the host; the kernel closes files.
func dies(t *testing.T, n *Network) {
	t.Helper()
	must(t, n.forward.news.Close())
	<-n.forward.ended
	n.keeper.close()
	n.checking.Wait()
	must(t, n.claimed.Close())
}

// unchanged fails the test if the host is not as it was.
func unchanged(t *testing.T, before string) {
	t.Helper()
	if after := snapshot(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// snapshot is all that a network may leave on the host.
func snapshot(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, "tables:", tablesHere(t))
	must(t, inCurrent(func(c rtnetlink) error {
		names, err := c.links()
		for _, name := range slices.Sorted(maps.Values(names)) {
			on, err := forwards(name)
			fmt.Fprintln(&b, "link:", name, "forwards:", on, err)
		}
		routes, err2 := c.routes()
		for _, r := range routes {
			fmt.Fprintln(&b, "route:", r.to)
		}
		return errors.Join(err, err2)
	}))
	return b.String()
}

// lines is a log that is read while others write it.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
