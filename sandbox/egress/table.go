package egress

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// closed is what no tenant reaches unless its service is allowed to: everything
// that is not the public internet (RFC 6890), and so other tenants, hosts of
// private networks and the metadata services of the clouds.
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host: keys and metadata, at a public address
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
}

// table is the one nftables table of a daemon. Its rules go by the prefix of
// interfaces' names, so they are the same for one tenant and for thousands.
type table struct {
	t       *nftables.Table
	allowed *nftables.Set // tenant . address . TCP port
	guarded *nftables.Set // interfaces whose forwarding we switched on
	closed  *nftables.Set
}

func newTable(id string) *table {
	t := &nftables.Table{Name: "tenement-" + id, Family: nftables.TableFamilyINet}
	return &table{
		t: t,
		allowed: &nftables.Set{
			Table: t, Name: "allowed", Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr, nftables.TypeInetService),
		},
		guarded: &nftables.Set{Table: t, Name: "guarded", KeyType: nftables.TypeIFName},
		closed:  &nftables.Set{Table: t, Name: "closed", KeyType: nftables.TypeIPAddr, Interval: true},
	}
}

// transact carries out in one transaction what change asks for. A connection of
// its own keeps it apart from what others ask for meanwhile.
func transact(change func(*nftables.Conn) error) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	return c.Flush()
}

// install writes the whole table, in the place of one that a former daemon of
// the same id left. What that one guarded is still guarded, and returned.
func (t *table) install(prefix string, p netip.Prefix) ([]string, error) {
	former, err := t.guards()
	if err != nil {
		return nil, fmt.Errorf("cannot read the nftables table %s: %w", t.t.Name, err)
	}
	err = transact(func(c *nftables.Conn) error {
		c.AddTable(t.t) // only what is there can be deleted
		c.DelTable(t.t)
		c.AddTable(t.t)
		for set, elements := range map[*nftables.Set][]nftables.SetElement{
			t.allowed: nil, t.guarded: names(former), t.closed: intervals(closed),
		} {
			if err := c.AddSet(set, elements); err != nil {
				return err
			}
		}
		t.addRules(chains{c, t.t}, prefix, p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot write the nftables table %s: %w", t.t.Name, err)
	}
	return former, nil
}

// addRules is the policy. What is refused gets an answer, or programs that look
// for a metadata service would wait for minutes.
func (t *table) addRules(c chains, prefix string, p netip.Prefix) {
	notFromTenant := interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, prefix)
	toTenant := interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, prefix)
	notToTenant := interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, prefix)
	accept, drop := verdict(expr.VerdictAccept), verdict(expr.VerdictDrop)

	// A reset, because the kernel sends one ICMP error a second and no more.
	refuse := c.chain("refuse")
	c.rule(refuse, protocol(unix.IPPROTO_TCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	c.rule(refuse, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}})

	// A tenant sends as itself, and anywhere that its service is allowed.
	sent := c.chain("sent")
	c.rule(sent, isIPv6(), goTo(refuse))
	c.rule(sent, source(expr.CmpOpNeq, p), drop)
	c.rule(sent, isStray(), drop)
	c.rule(sent, protocol(unix.IPPROTO_TCP), isAllowed(t.allowed), accept)

	input := c.hook("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	c.rule(input, notFromTenant, accept)
	c.rule(input, jump(sent))
	c.rule(input, goTo(refuse))

	forward := c.hook("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	c.rule(forward, inputIn(t.guarded), interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, anyTenant), drop)
	c.rule(forward, notFromTenant, notToTenant, accept)
	c.rule(forward, isReply(), accept)
	c.rule(forward, toTenant, goTo(refuse))
	c.rule(forward, jump(sent))
	c.rule(forward, destinationIn(t.closed), goTo(refuse))

	output := c.hook("output", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityFilter)
	c.rule(output, notToTenant, accept)
	c.rule(output, isReply(), accept)
	c.rule(output, goTo(refuse))

	nat := c.hook("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	c.rule(nat, isIPv4(), source(expr.CmpOpEq, p), notToTenant, []expr.Any{&expr.Masq{}})
}

// remove deletes the table.
func (t *table) remove() error {
	err := transact(func(c *nftables.Conn) error { c.DelTable(t.t); return nil })
	if err != nil {
		return fmt.Errorf("cannot delete the nftables table %s: %w", t.t.Name, err)
	}
	return nil
}

// allow opens targets to the tenant at an address.
func (t *table) allow(tenant netip.Addr, targets []netip.AddrPort) error {
	return transact(func(c *nftables.Conn) error { return c.SetAddElements(t.allowed, allowances(tenant, targets)) })
}

// disallow closes what allow opened.
func (t *table) disallow(tenant netip.Addr, targets []netip.AddrPort) error {
	return transact(func(c *nftables.Conn) error { return c.SetDeleteElements(t.allowed, allowances(tenant, targets)) })
}

// guard refuses what comes in by an interface and is not for a tenant, as the
// host itself did before its forwarding was switched on.
func (t *table) guard(interfaces []string) error {
	return transact(func(c *nftables.Conn) error { return c.SetAddElements(t.guarded, names(interfaces)) })
}

// unguard lets pass again what guard refused.
func (t *table) unguard(interfaces []string) error {
	return transact(func(c *nftables.Conn) error { return c.SetDeleteElements(t.guarded, names(interfaces)) })
}

// guards are the interfaces that are guarded now, none if there is no table.
func (t *table) guards() ([]string, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	tables, err := c.ListTablesOfFamily(t.t.Family)
	if err != nil {
		return nil, err
	}
	for _, other := range tables {
		if other.Name == t.t.Name {
			elements, err := c.GetSetElements(t.guarded)
			return namesOf(elements), err
		}
	}
	return nil, nil
}

// chains adds chains and rules to a transaction.
type chains struct {
	*nftables.Conn
	table *nftables.Table
}

func (c chains) chain(name string) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Name: name, Table: c.table})
}

func (c chains) hook(name string, kind nftables.ChainType, at *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Name: name, Table: c.table, Type: kind, Hooknum: at, Priority: priority})
}

func (c chains) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	r := &nftables.Rule{Table: c.table, Chain: chain}
	for _, part := range parts {
		r.Exprs = append(r.Exprs, part...)
	}
	c.AddRule(r)
}

// allowances are the elements of the set allowed: each part of a key fills
// registers of 4 bytes.
func allowances(tenant netip.Addr, targets []netip.AddrPort) []nftables.SetElement {
	elements := make([]nftables.SetElement, len(targets))
	for i, to := range targets {
		key := append(tenant.AsSlice(), to.Addr().AsSlice()...)
		elements[i].Key = append(binary.BigEndian.AppendUint16(key, to.Port()), 0, 0)
	}
	return elements
}

// intervals are networks as elements of a set: the first address of each, and
// the first beyond it unless it is the last of all.
func intervals(networks []netip.Prefix) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, p := range networks {
		first := p.Addr().AsSlice()
		elements = append(elements, nftables.SetElement{Key: first})
		if beyond := uint64(binary.BigEndian.Uint32(first)) + 1<<(32-p.Bits()); beyond < 1<<32 {
			end := binary.BigEndian.AppendUint32(nil, uint32(beyond))
			elements = append(elements, nftables.SetElement{Key: end, IntervalEnd: true})
		}
	}
	return elements
}

// names are interfaces as elements of a set.
func names(interfaces []string) []nftables.SetElement {
	elements := make([]nftables.SetElement, len(interfaces))
	for i, name := range interfaces {
		elements[i].Key = make([]byte, unix.IFNAMSIZ)
		copy(elements[i].Key, name)
	}
	return elements
}

func namesOf(elements []nftables.SetElement) []string {
	var interfaces []string
	for _, e := range elements {
		interfaces = append(interfaces, unix.ByteSliceToString(e.Key))
	}
	return interfaces
}
