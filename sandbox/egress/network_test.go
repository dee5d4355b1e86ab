package egress

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

func TestNetwork_TheInternetIsReachedAndNothingElse(t *testing.T) {
	for name, forward := range map[string]bool{"ip_forward off": false, "ip_forward on": true} {
		t.Run(name, func(t *testing.T) {
			newWorld(t, forward)
			n, host := openNetwork(t, Options{}), home(t)
			tenant, _ := attach(t, n)
			reached(t, tenant, "tcp4", public+":80")
			reached(t, tenant, "udp4", public+":53")

			for _, address := range []string{metadata, azure, carrier, database, neighbour} {
				reached(t, host, "tcp4", address+":80")
				refused(t, tenant, "tcp4", address+":80")
				reached(t, host, "udp4", address+":53")
				another, _ := attach(t, n) // the kernel sends few ICMP errors to one address
				refused(t, another, "udp4", address+":53")
			}
			own, _ := pair(n.Range(), 0)
			for _, address := range []string{hostPublic, hostPrivate, own.Addr().String()} {
				answer(t, host, address+":8080") // the API, say
				reached(t, host, "tcp4", address+":8080")
				refused(t, tenant, "tcp4", address+":8080")
				another, _ := attach(t, n)
				refused(t, another, "udp4", address+":8080")
			}
		})
	}
}

func TestNetwork_NobodyReachesATenant(t *testing.T) {
	w := newWorld(t, true)
	n := openNetwork(t, Options{})
	tenant, link := attach(t, n)
	other, _ := attach(t, n)
	answer(t, tenant, "0.0.0.0:80")
	address := link.Addr().String() + ":80"
	reached(t, tenant, "tcp4", address)
	refused(t, other, "tcp4", address)
	refused(t, home(t), "tcp4", address)
	refused(t, w.internet, "tcp4", address) // the host is their gateway
	refused(t, w.lan, "tcp4", address)
}

func TestNetwork_AllowOpensExactlyThat(t *testing.T) {
	newWorld(t, false)
	n := openNetwork(t, Options{})
	tenant, link := attach(t, n)
	other, _ := attach(t, n)
	answer(t, home(t), hostPrivate+":5432")
	answer(t, home(t), hostPrivate+":80")
	refused(t, tenant, "tcp4", database+":5432")
	must(t, link.Allow([]netip.AddrPort{netip.MustParseAddrPort(database + ":5432"), netip.MustParseAddrPort(hostPrivate + ":5432")}))
	reached(t, tenant, "tcp4", database+":5432")
	reached(t, tenant, "tcp4", hostPrivate+":5432")
	for _, closed := range []string{database + ":80", neighbour + ":5432", hostPrivate + ":80", metadata + ":5432"} {
		refused(t, tenant, "tcp4", closed)
	}
	refused(t, tenant, "udp4", database+":5432")
	refused(t, other, "tcp4", database+":5432")
	refused(t, other, "tcp4", hostPrivate+":5432")

	link.Drop()
	refused(t, tenant, "tcp4", database+":5432")
	link.Drop() // of nothing
}

func TestNetwork_AllowSaysWhatTheKernelRefused(t *testing.T) {
	newWorld(t, false)
	n := openNetwork(t, Options{})
	_, link := attach(t, n)
	must(t, link.Allow(nil))
	gone := &Link{network: &Network{table: newTable("00000", "tnm-00000-", testRange)}, addr: link.addr}
	targets := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:5432")}
	err := gone.Allow(targets)
	if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "cannot open [10.0.0.5:5432] to 10.208.0.1: ") {
		t.Errorf("got %v", err)
	}
	var log strings.Builder
	gone.network.log = zerolog.New(&log)
	gone.allowed = true
	gone.Drop()
	if got := log.String(); !strings.Contains(got, `"tenant":"10.208.0.1"`) || !strings.Contains(got, "stays open to the address until the daemon ends") {
		t.Errorf("got %s", got)
	}
}

// Somebody who got out of his own limits and into his network's.
func TestNetwork_AForgedSenderIsDropped(t *testing.T) {
	w := newWorld(t, true)
	n := openNetwork(t, Options{})
	tenant, link := attach(t, n)
	must(t, inside(tenant, func() error {
		return inCurrent(func(c rtnetlink) error {
			index, err := c.index(inner)
			return errors.Join(err, c.addAddress(index, netip.MustParsePrefix("10.0.0.7/32")))
		})
	}))
	received := receive(t, w.internet, public+":9")
	send := func(from string) {
		must(t, inside(tenant, func() error { return sendFrom(from, public+":9") }))
	}
	send("10.0.0.7")
	send(link.Addr().String())
	if from := <-received; from.Addr().String() != hostPublic {
		t.Errorf("the internet sees %s, want %s and nothing before it", from, hostPublic)
	}
}

// A packet that belongs to no connection is not masqueraded: it would tell the
// world a tenant's address.
func TestNetwork_AStrayPacketIsDropped(t *testing.T) {
	w := newWorld(t, true)
	n := openNetwork(t, Options{})
	tenant, link := attach(t, n)
	var receiver, sender int
	raw := func(fd *int) func() error {
		return func() (err error) { *fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP); return err }
	}
	must(t, inside(w.internet, raw(&receiver)))
	defer unix.Close(receiver)
	must(t, inside(tenant, raw(&sender)))
	defer unix.Close(sender)
	stray := make([]byte, 20)
	stray[12], stray[13] = 5<<4, 0x06 // SYN and RST at once
	must(t, unix.Sendto(sender, stray, 0, &unix.SockaddrInet4{Addr: netip.MustParseAddr(public).As4()}))
	reached(t, tenant, "tcp4", public+":80")
	_, from, err := unix.Recvfrom(receiver, make([]byte, 128), 0)
	must(t, err)
	if got := netip.AddrFrom4(from.(*unix.SockaddrInet4).Addr); got.String() != hostPublic {
		t.Errorf("the internet sees %s (the tenant is %s), want %s and nothing before it", got, link.Addr(), hostPublic)
	}
}

// Should the switches of IPv6 be thrown again, by a tool of the operator's, say.
func TestNetwork_IPv6IsRefusedWhereThereIsSome(t *testing.T) {
	newWorld(t, true)
	n := openNetwork(t, Options{})
	tenant, _ := attach(t, n)
	outer := n.prefix + "0"
	give := func(name string) error {
		return errors.Join(setSwitch(ipv6Conf+name+"/accept_dad", "0"), setSwitch(ipv6Conf+name+"/disable_ipv6", "0"))
	}
	must(t, give(outer))
	must(t, inside(tenant, func() error { return give(inner) }))
	answer(t, home(t), "[::]:8080")
	i, err := net.InterfaceByName(outer)
	must(t, err)
	addrs, err := i.Addrs()
	must(t, err)
	var target string
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()); p.Addr().Is6() {
			target = net.JoinHostPort(p.Addr().WithZone("2").String(), "8080") // eth0, after lo
		}
	}
	eventually(t, "an IPv6 address of the tenant's", func() bool {
		var names []string
		must(t, inside(tenant, func() (err error) { names, err = interfacesWithIPv6(); return err }))
		return slices.Contains(names, inner)
	})
	if call(tenant, "tcp6", target, aWhile) == nil { // not so much as the neighbour is found
		t.Errorf("%s is reached", target)
	}
	n.keeper.close()
	must(t, n.table.remove())
	eventually(t, "the control, reached without our table", func() bool { return call(tenant, "tcp6", target, aWhile) == nil })
	must(t, n.table.install()) // for Close
}

func TestNetwork_ThereIsNoIPv6ButTheLoopback(t *testing.T) {
	newWorld(t, true)
	n := openNetwork(t, Options{})
	tenant, _ := attach(t, n)
	for where, netns := range map[string]int{"the tenant": tenant, "the host": home(t)} {
		must(t, inside(netns, func() error {
			interfaces, err := interfacesWithIPv6()
			for _, name := range interfaces {
				if name == inner || strings.HasPrefix(name, n.prefix) {
					t.Errorf("%s has an IPv6 address on %s", where, name)
				}
			}
			return err
		}))
	}
}

func TestNetwork_TwoDaemonsDoNotMeet(t *testing.T) {
	newWorld(t, false)
	one, two := openNetwork(t, Options{}), openNetwork(t, Options{})
	if one.Range() == two.Range() {
		t.Fatalf("both have %s", one.Range())
	}
	first, _ := attach(t, one)
	second, link := attach(t, two)
	answer(t, second, "0.0.0.0:80")
	reached(t, first, "tcp4", public+":80")
	reached(t, second, "tcp4", public+":80")
	refused(t, first, "tcp4", link.Addr().String()+":80")
}

func TestNetwork_ARangeIsRefusedByName(t *testing.T) {
	newWorld(t, false)
	taken := openNetwork(t, Options{Range: netip.MustParsePrefix("172.20.0.0/16")})
	if taken.Range().String() != "172.20.0.0/16" {
		t.Errorf("got %s", taken.Range())
	}
	for text, want := range map[string]string{
		"10.0.0.0/16":   "10.0.0.0/16 overlaps 10.0.0.0/24, which this host has a route to: set private_network to a network that is free",
		"172.20.0.0/16": "172.20.0.0/16 is another daemon's (listen unix @tenement/172.20.0.0/16: bind: address already in use): set private_network to a network that is free",
	} {
		_, err := Open(Options{ID: "abcdef01", Range: netip.MustParsePrefix(text)})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if _, err := Open(Options{ID: "abc", Range: testRange}); err == nil || err.Error() != `the id "abc" is too short` {
		t.Errorf("got %v", err)
	}
}

func TestNetwork_TheShareIsTheFirstWithoutARoute(t *testing.T) {
	newWorld(t, false)
	addRoute(t, netip.MustParsePrefix("10.208.7.0/24"), "lan0")
	if n := openNetwork(t, Options{}); n.Range().String() != "10.209.0.0/16" {
		t.Errorf("got %s", n.Range())
	}
	addRoute(t, netip.MustParsePrefix("10.208.0.0/12"), "lan0")
	_, err := Open(Options{ID: "abcdef01", Range: testRange})
	want := "no /16 of 10.208.0.0/12 is free; the last one: 10.223.0.0/16 overlaps 10.208.0.0/12, which this host has a route to: set private_network to a network that is free"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestNetwork_AttachSaysWhatIsWrong(t *testing.T) {
	newWorld(t, false)
	n := openNetwork(t, Options{})
	tenant, _ := attach(t, n)
	for netns, want := range map[int]string{
		tenant:  "cannot connect a network namespace: cannot make a veth pair: the namespace has an eth0 already",
		100_000: "cannot connect a network namespace: cannot make a veth pair: bad file descriptor",
	} {
		if _, err := n.Attach(netns); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if left := linksOf(t, n); left != 1 {
		t.Errorf("%d links, want the one", left)
	}
}

func TestNetwork_AFailedAttachLeavesNoLink(t *testing.T) {
	newWorld(t, false)
	n := openNetwork(t, Options{})
	netns := newNetns(t)
	must(t, inside(netns, func() error {
		return inCurrent(func(c rtnetlink) error { return c.addDefaultRoute(netip.MustParseAddr("127.0.0.1")) })
	}))
	_, err := n.Attach(netns)
	if err == nil || !strings.Contains(err.Error(), "cannot route through 10.208.0.0: file exists") {
		t.Errorf("got %v", err)
	}
	if left := linksOf(t, n); left != 0 {
		t.Errorf("%d links are left", left)
	}
}

// In a range of 128, so that numbers come round.
func TestNetwork_TwoHundredNamespacesLeaveNothing(t *testing.T) {
	newWorld(t, false)
	before := snapshot(t)
	n, err := Open(Options{ID: "abcdef01", Range: netip.MustParsePrefix("10.208.0.0/24")})
	must(t, err)
	addresses := map[netip.Addr]bool{}
	for range 200 {
		netns, err := scratch()
		must(t, err)
		l, err := n.Attach(int(netns.Fd()))
		must(t, err)
		addresses[l.Addr()] = true
		must(t, l.Allow([]netip.AddrPort{netip.MustParseAddrPort(database + ":5432")}))
		l.Drop()
		must(t, netns.Close())
	}
	if len(addresses) > 128 || len(addresses) < 100 {
		t.Errorf("%d addresses of a range of 128 were used", len(addresses))
	}
	must(t, n.Close())
	unchanged(t, before)
}

func TestNetwork_CloseCutsWhatLingers(t *testing.T) {
	newWorld(t, false)
	before := snapshot(t)
	n, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	tenant := newNetns(t)
	_, err = n.Attach(tenant)
	must(t, err)
	must(t, n.cutLinks(0))
	if left := linksOf(t, n); left != 0 {
		t.Errorf("%d links are left", left)
	}
	must(t, n.Close())
	unchanged(t, before)
}

// What a daemon that was killed leaves is the next one's.
func TestNetwork_ASuccessorTakesOver(t *testing.T) {
	newWorld(t, false)
	before := snapshot(t)
	former, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	survivor, _ := attach(t, former)
	dies(t, former)

	n, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	if n.Range() != former.Range() {
		t.Errorf("got %s, want the former's own %s", n.Range(), former.Range())
	}
	tenant, link := attach(t, n)
	if link.Addr().String() != "10.208.0.3" {
		t.Errorf("got %s, want the second address: a survivor has the first", link.Addr())
	}
	reached(t, tenant, "tcp4", public+":80")
	reached(t, survivor, "tcp4", public+":80")
	refused(t, survivor, "tcp4", metadata+":80")
	must(t, n.cutLinks(0))
	must(t, n.Close())
	unchanged(t, before)
}

func linksOf(t *testing.T, n *Network) (count int) {
	t.Helper()
	must(t, inCurrent(func(c rtnetlink) error {
		names, err := c.links()
		for _, name := range names {
			if strings.HasPrefix(name, n.prefix) {
				count++
			}
		}
		return err
	}))
	return count
}

func tablesHere(t *testing.T) (names []string) {
	t.Helper()
	c, err := nftables.New()
	must(t, err)
	tables, err := c.ListTables()
	must(t, err)
	for _, table := range tables {
		names = append(names, table.Name)
	}
	return names
}

// eventually polls for what the kernel or a goroutine does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
