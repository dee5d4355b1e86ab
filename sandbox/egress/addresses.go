package egress

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// minRange is the smallest range that is worth having: 128 namespaces.
const minRange = 24

// candidates are the ranges that are tried when none is configured: /16 of
// 10.208 to 10.223, which neither Docker (172.17 to 172.31, 192.168), podman
// (10.88), k3s (10.42, 10.43), flannel (10.244) nor the clouds' first networks
// (10.0, 10.128, 172.31) take, and which, unlike 100.64/10, Tailscale's firewall
// lets pass. One for each daemon of a host.
func candidates() []netip.Prefix {
	all := make([]netip.Prefix, 16)
	for i := range all {
		all[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(208 + i), 0, 0}), 16)
	}
	return all
}

// CheckRange says why a range cannot hold tenants' addresses, nil if it can.
func CheckRange(p netip.Prefix) error {
	switch {
	case !p.IsValid() || !p.Addr().Is4():
		return fmt.Errorf("%s is no IPv4 network", p)
	case p != p.Masked():
		return fmt.Errorf("%s has bits set beyond its length: write %s", p, p.Masked())
	case p.Bits() > minRange:
		return fmt.Errorf("%s is too small: at least a /%d", p, minRange)
	case !private(p):
		return fmt.Errorf("%s is not of a private range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10)", p)
	}
	return nil
}

func private(p netip.Prefix) bool {
	for _, of := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"} {
		if all := netip.MustParsePrefix(of); p.Bits() >= all.Bits() && all.Contains(p.Addr()) {
			return true
		}
	}
	return false
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
