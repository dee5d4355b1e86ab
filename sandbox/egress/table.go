package egress

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
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
	prefix  string        // of the tenants' interfaces
	own     netip.Prefix  // the tenants' addresses
	allowed *nftables.Set // tenant . address . TCP port
	guarded *nftables.Set // interfaces whose forwarding we switched on
	closed  *nftables.Set
	counted *nftables.Set // tenants with their connections

	mu     sync.Mutex // of what the sets hold, here and in the kernel
	open   map[netip.Addr][]netip.AddrPort
	guards map[string]bool
}

func newTable(id, prefix string, own netip.Prefix) *table {
	t := &nftables.Table{Name: "tenement-" + id, Family: nftables.TableFamilyINet}
	return &table{
		t: t, prefix: prefix, own: own, open: map[netip.Addr][]netip.AddrPort{}, guards: map[string]bool{},
		allowed: &nftables.Set{
			Table: t, Name: "allowed", Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr, nftables.TypeInetService),
		},
		guarded: &nftables.Set{Table: t, Name: "guarded", KeyType: nftables.TypeIFName},
		closed:  &nftables.Set{Table: t, Name: "closed", KeyType: nftables.TypeIPAddr, Interval: true},
		counted: &nftables.Set{Table: t, Name: "counted", KeyType: nftables.TypeIPAddr, Dynamic: true, Size: 2 * pairs(own)},
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

// install writes the table in the place of one that a former daemon of the same
// id left. What that one guarded is still guarded.
func (t *table) install() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	there, err := t.there()
	if there {
		err = t.adoptGuards()
	}
	if err != nil {
		return fmt.Errorf("cannot read the nftables table %s: %w", t.t.Name, err)
	}
	return t.write()
}

// restore writes the table again if it is gone.
func (t *table) restore() (restored bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if there, err := t.there(); there || err != nil {
		return false, err
	}
	return true, t.write()
}

// there reports that the kernel has the table.
func (t *table) there() (bool, error) {
	c, err := nftables.New()
	if err != nil {
		return false, err
	}
	tables, err := c.ListTablesOfFamily(t.t.Family)
	return slices.ContainsFunc(tables, func(other *nftables.Table) bool { return other.Name == t.t.Name }), err
}

func (t *table) adoptGuards() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	elements, err := c.GetSetElements(t.guarded)
	for _, e := range elements {
		t.guards[unix.ByteSliceToString(e.Key)] = true
	}
	return err
}

// write replaces the whole table in one transaction.
func (t *table) write() error {
	err := transact(func(c *nftables.Conn) error {
		c.AddTable(t.t) // only what is there can be deleted
		c.DelTable(t.t)
		c.AddTable(t.t)
		var allowed []nftables.SetElement
		for tenant, targets := range t.open {
			allowed = append(allowed, allowances(tenant, targets)...)
		}
		for set, elements := range map[*nftables.Set][]nftables.SetElement{
			t.allowed: allowed, t.guarded: names(slices.Collect(maps.Keys(t.guards))), t.closed: intervals(closed), t.counted: nil,
		} {
			if err := c.AddSet(set, elements); err != nil {
				return err
			}
		}
		t.addRules(chains{c, t.t})
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot write the nftables table %s: %w", t.t.Name, err)
	}
	return nil
}

// remove deletes the table.
func (t *table) remove() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := transact(func(c *nftables.Conn) error { c.DelTable(t.t); return nil })
	if err != nil {
		return fmt.Errorf("cannot delete the nftables table %s: %w", t.t.Name, err)
	}
	return nil
}

// allow opens targets to the tenant at an address.
func (t *table) allow(tenant netip.Addr, targets []netip.AddrPort) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := transact(func(c *nftables.Conn) error { return c.SetAddElements(t.allowed, allowances(tenant, targets)) })
	if err == nil {
		t.open[tenant] = targets
	}
	return err
}

// disallow closes what allow opened.
func (t *table) disallow(tenant netip.Addr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	targets := t.open[tenant]
	delete(t.open, tenant)
	return transact(func(c *nftables.Conn) error { return c.SetDeleteElements(t.allowed, allowances(tenant, targets)) })
}

// guard refuses what comes in by an interface and is not for a tenant, as the
// host itself did before its forwarding was switched on.
func (t *table) guard(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.guards[name] {
		return nil
	}
	err := transact(func(c *nftables.Conn) error { return c.SetAddElements(t.guarded, names([]string{name})) })
	if err == nil {
		t.guards[name] = true
	}
	return err
}

// unguard lets pass again all that guard refused.
func (t *table) unguard() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.guards) == 0 {
		return nil
	}
	err := transact(func(c *nftables.Conn) error { c.FlushSet(t.guarded); return nil })
	if err == nil {
		clear(t.guards)
	}
	return err
}

// guardedNames are the interfaces that are guarded now.
func (t *table) guardedNames() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.guards))
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
