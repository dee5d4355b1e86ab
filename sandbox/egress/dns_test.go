package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// upstream is a resolver of the host's. It knows one name, and counts.
type upstream struct {
	address string
	asked   atomic.Int32
	hold    chan struct{} // until it is closed there are no replies; nil: at once
	forges  bool          // sends wrong replies before the right one
	large   bool          // answers more over UDP than anybody asked for
}

// startUpstream listens on an address of the host on UDP and TCP 53, until the
// test ends.
func startUpstream(t testing.TB, u *upstream, answer string) *upstream {
	t.Helper()
	at := netip.AddrPortFrom(netip.MustParseAddr(u.address), 53)
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	must(t, err)
	l, err := net.Listen("tcp", at.String())
	must(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() { c.Close(); l.Close(); running.Wait() })
	running.Go(func() { // ended by the cleanup
		for b := make([]byte, 4096); ; {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			q := bytes.Clone(b[:n])
			running.Go(func() { // ended by the test, which closes hold
				for _, reply := range u.replies(q, answer) {
					_, _ = c.WriteToUDPAddrPort(reply, from)
				}
			})
		}
	})
	running.Go(func() { // ended by the cleanup
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if q, err := readFrame(c); err == nil {
				all := u.replies(q, answer)
				end, _ := question(q)
				_ = writeFrame(c, all[len(all)-1][:end+16])
			}
			c.Close()
		}
	})
	return u
}

// replies answer a question for www.example.org with an address.
func (u *upstream) replies(q []byte, answer string) (all [][]byte) {
	u.asked.Add(1)
	if u.hold != nil {
		<-u.hold
	}
	end, _ := question(q)
	reply := append([]byte(nil), q[:end]...)
	reply[2], reply[3], reply[7], reply[11] = 0x81, 0x80, 1, 0
	reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
	reply = append(reply, netip.MustParseAddr(answer).AsSlice()...)
	if u.forges {
		all = append(all, with(reply, 1, reply[1]+1), with(reply, 13, 'x'), []byte("junk"))
	}
	if u.large {
		reply = append(reply, make([]byte, maxReply)...)
	}
	return append(all, reply)
}

// resolverWorld is a host with a resolver, and a tenant that has ours.
func resolverWorld(t *testing.T, servers ...string) (tenant int, path string) {
	t.Helper()
	needRoot(t)
	path = filepath.Join(t.TempDir(), "resolv.conf")
	writeServers(t, path, servers...)
	tenant = newNetns(t)
	d, err := serve(tenant, path)
	must(t, err)
	t.Cleanup(d.Close)
	return tenant, path
}

// serve is ServeDNS for a test that outlasts no timeout.
func serve(netns int, path string) (*DNS, error) {
	u := newUpstreams(path)
	u.timeout = 10 * patience
	return ServeDNS(netns, u)
}

func writeServers(t testing.TB, path string, servers ...string) {
	t.Helper()
	var text strings.Builder
	for _, s := range servers {
		fmt.Fprintln(&text, "nameserver", s)
	}
	replace(t, path, text.String())
}

// lookUp asks as a program in the namespace does.
func lookUp(netns int, name string) (string, error) {
	r := net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, _ string) (c net.Conn, err error) {
		err = inside(netns, func() error { c, err = net.Dial(network, Resolver+":53"); return err })
		return c, err
	}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addrs, err := r.LookupNetIP(ctx, "ip4", name)
	return strings.Trim(fmt.Sprint(addrs), "[]"), err
}

// exchange sends one message and gives the reply.
func exchange(t testing.TB, netns int, network string, q []byte) []byte {
	t.Helper()
	var c net.Conn
	must(t, inside(netns, func() (err error) { c, err = net.Dial(network, Resolver+":53"); return err }))
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	if network == "tcp" {
		must(t, writeFrame(c, q))
		reply, err := readFrame(c)
		must(t, err)
		return reply
	}
	_, err := c.Write(q)
	must(t, err)
	b := make([]byte, 65536)
	n, err := c.Read(b)
	must(t, err)
	return b[:n]
}

// The host's resolver is systemd-resolved's, which no route leads to.
func TestDNS_AHostsStubIsReachedFromATenant(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.53")
	startUpstream(t, &upstream{address: "127.0.0.53"}, "198.51.100.7")
	if got, err := lookUp(tenant, "www.example.org."); got != "198.51.100.7" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	q := query(9, "www", "example", "org")
	if reply := exchange(t, tenant, "tcp", q); !bytes.HasSuffix(reply, netip.MustParseAddr("198.51.100.7").AsSlice()) {
		t.Errorf("over TCP: got %x", reply)
	}
}

func TestDNS_TheNextServerIsAskedWhenOneIsDead(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.77", "127.0.0.78")
	live := startUpstream(t, &upstream{address: "127.0.0.78"}, "198.51.100.8")
	if got, err := lookUp(tenant, "www.example.org."); got != "198.51.100.8" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if live.asked.Load() != 1 {
		t.Errorf("asked %d times", live.asked.Load())
	}
}

func TestDNS_AChangeOfResolvConfIsFollowed(t *testing.T) {
	tenant, path := resolverWorld(t, "127.0.0.77")
	startUpstream(t, &upstream{address: "127.0.0.77"}, "198.51.100.7")
	startUpstream(t, &upstream{address: "127.0.0.78"}, "198.51.100.8")
	if got, err := lookUp(tenant, "www.example.org."); got != "198.51.100.7" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	writeServers(t, path, "127.0.0.78")
	eventually(t, "an answer of the new server's", func() bool {
		got, _ := lookUp(tenant, "www.example.org.")
		return got == "198.51.100.8"
	})
}

func TestDNS_ForgedRepliesAreNotPassedOn(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.77")
	startUpstream(t, &upstream{address: "127.0.0.77", forges: true}, "198.51.100.7")
	q := query(9, "www", "example", "org")
	reply := exchange(t, tenant, "udp", q)
	if end, _ := question(q); !answers(reply, q, end) {
		t.Errorf("got %x", reply)
	}
}

func TestDNS_ALargeReplyIsAskedForOverTCP(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.77")
	u := startUpstream(t, &upstream{address: "127.0.0.77", large: true}, "198.51.100.7")
	if got, err := lookUp(tenant, "www.example.org."); got != "198.51.100.7" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if u.asked.Load() != 2 {
		t.Errorf("asked %d times, want over UDP and over TCP", u.asked.Load())
	}
}

func TestDNS_OnlyLookupsGetThrough(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.77")
	u := startUpstream(t, &upstream{address: "127.0.0.77"}, "198.51.100.7")
	update := with(query(9, "example", "org"), 2, 5<<3)
	for _, network := range []string{"udp", "tcp"} {
		reply := exchange(t, tenant, network, update)
		if len(reply) != dnsHeader || reply[3]&15 != refusal {
			t.Errorf("%s: got %x", network, reply)
		}
	}
	if u.asked.Load() != 0 {
		t.Errorf("asked %d times", u.asked.Load())
	}
}

func TestDNS_WithoutServersItFailsAtOnce(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.77")
	q := query(9, "www", "example", "org")
	for _, network := range []string{"udp", "tcp"} {
		if reply := exchange(t, tenant, network, q); len(reply) != len(q) || reply[3]&15 != servFail {
			t.Errorf("%s: got %x", network, reply)
		}
	}
}

// A tenant that asks and asks: what is over the bound waits, and is answered.
func TestDNS_QuestionsAreBounded(t *testing.T) {
	tenant, _ := resolverWorld(t, "127.0.0.77")
	u := startUpstream(t, &upstream{address: "127.0.0.77", hold: make(chan struct{})}, "198.51.100.7")
	var c net.Conn
	must(t, inside(tenant, func() (err error) { c, err = net.Dial("udp", Resolver+":53"); return err }))
	defer c.Close()
	for i := range uint16(2 * maxQuestions) {
		_, err := c.Write(query(i, "www", "example", "org"))
		must(t, err)
	}
	eventually(t, "all slots in use", func() bool { return u.asked.Load() >= maxQuestions })
	time.Sleep(aWhile) // for one too many
	if n := u.asked.Load(); n != maxQuestions {
		t.Errorf("%d questions are under way", n)
	}
	close(u.hold)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	b := make([]byte, 512)
	for range 2 * maxQuestions {
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDNS_CloseEndsWhatIsUnderWay(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "resolv.conf")
	writeServers(t, path, "127.0.0.77")
	u := startUpstream(t, &upstream{address: "127.0.0.77", hold: make(chan struct{})}, "198.51.100.7")
	defer close(u.hold)
	tenant := newNetns(t)
	d, err := serve(tenant, path)
	must(t, err)
	var idle, asking, udp net.Conn
	must(t, inside(tenant, func() error {
		var errs [3]error
		idle, errs[0] = net.Dial("tcp", Resolver+":53")
		asking, errs[1] = net.Dial("tcp", Resolver+":53")
		udp, errs[2] = net.Dial("udp", Resolver+":53")
		return errors.Join(errs[:]...)
	}))
	defer idle.Close()
	defer asking.Close()
	defer udp.Close()
	must(t, writeFrame(asking, query(1, "a")))
	_, err = udp.Write(query(2, "a"))
	must(t, err)
	eventually(t, "two questions under way", func() bool { return u.asked.Load() == 2 })
	closed := make(chan struct{})
	go func() { d.Close(); close(closed) }() // waits for every goroutine of the resolver
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("Close waits for an answer that never comes")
	}
}

func TestDNS_ANamespaceWithoutItsAddressIsSaid(t *testing.T) {
	needRoot(t)
	tenant := newNetns(t)
	d, err := ServeDNS(tenant, NewUpstreams())
	must(t, err)
	defer d.Close()
	if _, err := ServeDNS(tenant, NewUpstreams()); !errors.Is(err, unix.EADDRINUSE) || !strings.HasPrefix(err.Error(), "cannot serve DNS to a network namespace: ") {
		t.Errorf("got %v", err)
	}
	if _, err := ServeDNS(-1, NewUpstreams()); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v", err)
	}
}
