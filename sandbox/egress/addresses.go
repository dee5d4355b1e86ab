package egress

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// share is what one daemon takes of a range: a /16 holds more namespaces than a
// host does.
const share = 16

// shares are the parts of a range that a daemon may take, in order.
func shares(of netip.Prefix) []netip.Prefix {
	if of.Bits() >= share {
		return []netip.Prefix{of}
	}
	all := make([]netip.Prefix, 1<<(share-of.Bits()))
	first := of.Addr().As4()
	for i := range all {
		high := binary.BigEndian.Uint16(first[:]) + uint16(i)
		all[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(high >> 8), byte(high)}), share)
	}
	return all
}

// pairs is how many namespaces a range holds.
func pairs(p netip.Prefix) uint32 { return 1 << (31 - p.Bits()) }

// pair gives the host's and the tenant's address of the namespace number i.
func pair(p netip.Prefix, i uint32) (host, tenant netip.Prefix) {
	first := p.Addr().As4()
	var a [4]byte
	base := binary.BigEndian.Uint32(first[:]) + 2*(i%pairs(p))
	binary.BigEndian.PutUint32(a[:], base)
	host = netip.PrefixFrom(netip.AddrFrom4(a), 31)
	return host, netip.PrefixFrom(host.Addr().Next(), 31)
}

// collision finds a route of somebody else's that overlaps a range.
func collision(p netip.Prefix, routes []route, ours func(link int) bool) (netip.Prefix, bool) {
	for _, r := range routes {
		if r.to.Bits() > 0 && r.to.Overlaps(p) && !allOurs(r.links, ours) {
			return r.to, true
		}
	}
	return netip.Prefix{}, false
}

func allOurs(links []int, ours func(int) bool) bool {
	for _, l := range links {
		if !ours(l) {
			return false
		}
	}
	return len(links) > 0
}

// claim takes a range for this daemon among those of this network namespace.
// The claim is an abstract socket: it is the namespace's, and ends with us
// however we end.
func claim(p netip.Prefix) (net.Listener, error) {
	return net.Listen("unix", "@tenement/"+p.String())
}
