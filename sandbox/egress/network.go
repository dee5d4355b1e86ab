package egress

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

const (
	// anyTenant begins the name of every tenant's interface on the host, of
	// whatever daemon: `tnm-+` in iptables, "tnm-*" in nftables.
	anyTenant = "tnm-"
	// idLength is what IFNAMSIZ leaves of an id: tnm-12345-zzzzz.
	idLength = 5
	// inner is the tenant's end.
	inner = "eth0"
	// lingering is how long Close waits for the kernel to take apart namespaces
	// that were dropped.
	lingering = 5 * time.Second
)

// Options are a network's settings.
type Options struct {
	ID    string       // hexadecimal, tells this daemon's table and links from another's
	Range netip.Prefix // private, at most a /24; the tenants' addresses are the first free /16 of it
	Log   zerolog.Logger
}

// Network is the way out of the network namespaces of one daemon.
type Network struct {
	log     zerolog.Logger
	prefix  string // of our links' names
	own     netip.Prefix
	claimed net.Listener
	table   *table
	keeper  *keeper
	forward *forwarding
	next    atomic.Uint32

	checking sync.WaitGroup
}

// Link is one namespace's way out. It ends with the namespace; Drop gives back
// what it has beside that.
type Link struct {
	network *Network
	addr    netip.Addr
	allowed bool // something beside the internet
}

// Open makes the host ready: range, table, forwarding. Its error says what the
// host lacks; nothing is left behind then.
func Open(o Options) (*Network, error) {
	if len(o.ID) < idLength {
		return nil, fmt.Errorf("the id %q is too short", o.ID)
	}
	n := &Network{log: o.Log, prefix: anyTenant + o.ID[:idLength] + "-"}
	if err := n.takeRange(o.Range); err != nil {
		return nil, err
	}
	n.table = newTable(o.ID, n.prefix, n.own)
	if err := n.table.install(); err != nil {
		return nil, errors.Join(err, n.claimed.Close())
	}
	var err error
	if n.keeper, err = keepTable(n.table, o.Log); err != nil {
		return nil, errors.Join(err, n.table.remove(), n.claimed.Close())
	}
	if n.forward, err = watchForwarding(n.table, o.Log); err != nil {
		n.keeper.close()
		return nil, errors.Join(err, n.table.remove(), n.claimed.Close())
	}
	n.checking.Go(n.checkFirewall) // ends by itself within seconds; Close waits for it
	return n, nil
}

// checkFirewall says what only the operator can mend.
func (n *Network) checkFirewall() {
	if f := tryFirewall(); !f.OK {
		n.log.Warn().Str("seen", f.Detail).Str("fix", f.HowToGet).Msg("tenants may not reach the internet")
	}
}

// takeRange claims the first share of a range that nobody has.
func (n *Network) takeRange(of netip.Prefix) error {
	c, err := dialRtnetlink()
	if err != nil {
		return err
	}
	defer c.Close()
	routes, err := c.routes()
	if err != nil {
		return fmt.Errorf("cannot read the host's routes: %w", err)
	}
	names, err := c.links()
	if err != nil {
		return fmt.Errorf("cannot read the host's links: %w", err)
	}
	ours := func(link int) bool { return strings.HasPrefix(names[link], n.prefix) }
	for _, p := range shares(of) {
		if err = n.take(p, routes, ours); err == nil {
			return nil
		}
	}
	if of.Bits() < share {
		err = fmt.Errorf("no /%d of %s is free; the last one: %w", share, of, err)
	}
	return fmt.Errorf("%w: set private_network to a network that is free", err)
}

// take claims a range.
func (n *Network) take(p netip.Prefix, routes []route, ours func(int) bool) error {
	if other, found := collision(p, routes, ours); found {
		return fmt.Errorf("%s overlaps %s, which this host has a route to", p, other)
	}
	claimed, err := claim(p)
	if err != nil {
		return fmt.Errorf("%s is another daemon's (%w)", p, err)
	}
	n.own, n.claimed = p, claimed
	return nil
}

// Range is where the tenants' addresses are taken from.
func (n *Network) Range() netip.Prefix { return n.own }

// Attach connects a network namespace. It takes milliseconds: do it before a
// tenant needs it. The link is the namespace's and goes with it.
func (n *Network) Attach(netns int) (l *Link, err error) {
	done := make(chan struct{})
	go func() { // the caller's thread may be in a namespace itself
		defer close(done)
		l, err = n.attach(netns)
	}()
	<-done
	if err != nil {
		return nil, fmt.Errorf("cannot connect a network namespace: %w", err)
	}
	return l, nil
}

func (n *Network) attach(netns int) (*Link, error) {
	c, err := dialRtnetlink()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	name, host, tenant, err := n.addPair(c, netns)
	if err != nil {
		return nil, err
	}
	if err = setUp(c, name, host); err == nil {
		err = inside(netns, func() error { return setUpInside(host.Addr(), tenant) })
	}
	if err == nil {
		// The host's end was up before it had a peer, and sends nothing until the
		// kernel takes notice, a second later. Since Linux 6.15 a look makes it.
		_, err = c.index(name)
	}
	if err != nil {
		if index, gone := c.index(name); gone == nil {
			err = errors.Join(err, c.remove(index))
		}
		return nil, err
	}
	return &Link{network: n, addr: tenant.Addr()}, nil
}

// addPair takes the next number that no link has. Numbers come again only when
// all others had their turn, so that what is underway to a tenant does not reach
// the next one.
func (n *Network) addPair(c rtnetlink, netns int) (name string, host, tenant netip.Prefix, err error) {
	for range pairs(n.own) {
		i := (n.next.Add(1) - 1) % pairs(n.own)
		name = n.prefix + strconv.FormatUint(uint64(i), 36)
		if err = c.addVeth(name, inner, netns); !errors.Is(err, unix.EEXIST) {
			host, tenant = pair(n.own, i)
			break
		}
		if _, missing := c.index(name); missing != nil {
			err = fmt.Errorf("the namespace has an %s already", inner)
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("cannot make a veth pair: %w", err)
	}
	return name, host, tenant, err
}

// setUp configures the host's end. There is no IPv6: a link-local address of
// the host would be one more that a tenant could reach.
func setUp(c rtnetlink, name string, host netip.Prefix) error {
	if err := noIPv6(name); err != nil {
		return err
	}
	if err := setSwitch(ipv4Conf+name+"/forwarding", "1"); err != nil {
		return err
	}
	return configure(c, name, host)
}

// setUpInside configures the tenant's end, on a thread in its namespace.
func setUpInside(gateway netip.Addr, tenant netip.Prefix) error {
	c, err := dialRtnetlink()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := noIPv6(inner); err != nil {
		return err
	}
	if err := configure(c, inner, tenant); err != nil {
		return err
	}
	if err := c.addDefaultRoute(gateway); err != nil {
		return fmt.Errorf("cannot route through %s: %w", gateway, err)
	}
	return nil
}

func configure(c rtnetlink, name string, p netip.Prefix) error {
	index, err := c.index(name)
	if err != nil {
		return fmt.Errorf("cannot find the link %s: %w", name, err)
	}
	if err := c.addAddress(index, p); err != nil {
		return fmt.Errorf("cannot give %s the address %s: %w", name, p, err)
	}
	if err := c.up(index); err != nil {
		return fmt.Errorf("cannot bring %s up: %w", name, err)
	}
	return nil
}

func noIPv6(name string) error {
	err := setSwitch(ipv6Conf+name+"/disable_ipv6", "1")
	if errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
		return nil
	}
	return err
}

// Addr is the tenant's address.
func (l *Link) Addr() netip.Addr { return l.addr }

// Allow opens TCP ports of addresses that are closed to tenants. Call it once.
func (l *Link) Allow(targets []netip.AddrPort) error {
	if len(targets) == 0 {
		return nil
	}
	if err := l.network.table.allow(l.addr, targets); err != nil {
		return fmt.Errorf("cannot open %v to %s: %w", targets, l.addr, err)
	}
	l.allowed = true
	return nil
}

// Drop takes back what Allow opened, before the address is another tenant's.
func (l *Link) Drop() {
	if !l.allowed {
		return
	}
	if err := l.network.table.disallow(l.addr); err != nil {
		l.network.log.Error().Err(err).Stringer("tenant", l.addr).Msg("what was allowed to a tenant stays open to the address until the daemon ends")
	}
	l.allowed = false
}

// Close takes everything off the host. Every namespace was dropped before; links
// that do not end with theirs within seconds are cut, since without the table
// nothing would hold their tenants.
func (n *Network) Close() error {
	n.checking.Wait()
	err := n.cutLinks(lingering)
	n.keeper.close()
	return errors.Join(err, n.forward.close(), n.table.remove(), n.claimed.Close())
}

// cutLinks waits for our links to go and removes what is left.
func (n *Network) cutLinks(patience time.Duration) error {
	c, err := dialRtnetlink()
	if err != nil {
		return err
	}
	defer c.Close()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		names, err := c.links()
		if err != nil {
			return fmt.Errorf("cannot read the host's links: %w", err)
		}
		left := 0
		for index, name := range names {
			if !strings.HasPrefix(name, n.prefix) {
				continue
			}
			left++
			if time.Now().After(end) {
				if err := c.remove(index); err != nil && !errors.Is(err, unix.ENODEV) {
					return fmt.Errorf("cannot remove the link %s: %w", name, err)
				}
			}
		}
		if left == 0 {
			return nil
		}
	}
}
