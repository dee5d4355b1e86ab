package conf

import (
	"net/netip"
	"slices"
	"strings"
)

// TenantPort is the PORT of every tenant that has a network of its own.
const TenantPort = 8080

// maxHostPorts keeps what a daemon listens on for one tenant within bounds.
const maxHostPorts = 16

// minPrivateBits is the smallest private network that is worth having: 128
// tenants that are awake.
const minPrivateBits = 24

// defaultPrivate is no network that Docker (172.17 to 172.31, 192.168), podman
// (10.88), k3s (10.42, 10.43), flannel (10.244) or the clouds' first networks
// (10.0, 10.128, 172.31) take, and, unlike 100.64.0.0/10, none that Tailscale's
// firewall drops.
var defaultPrivate = netip.MustParsePrefix("10.208.0.0/12")

// privateRanges are what a private network may be taken from; tenants reach
// nothing in them unless they are allowed to.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
}

// privateNetwork reads the range of tenants' addresses.
func privateNetwork(v value) (netip.Prefix, bool) {
	s, ok := text(v)
	if !ok {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || !p.Addr().Is4():
		v.fail("%q is no IPv4 network like 10.208.0.0/16", clip(s))
	case p != p.Masked():
		v.fail("%q has bits set beyond its length: write %q", s, p.Masked())
	case p.Bits() > minPrivateBits:
		v.fail("%q is too small: at least a /%d", s, minPrivateBits)
	case !slices.ContainsFunc(privateRanges, func(r netip.Prefix) bool { return p.Bits() >= r.Bits() && r.Contains(p.Addr()) }):
		v.fail("%q is of none of the private ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10", s)
	default:
		return p, true
	}
	return netip.Prefix{}, false
}

// hostPort reads a port of the host's loopback.
func hostPort(v value) (uint16, bool) {
	n, ok := whole[int](1, 65535)(v)
	return uint16(n), ok
}

// allowed reads an address with a port.
func allowed(v value) (netip.AddrPort, bool) {
	s, ok := text(v)
	if !ok {
		return netip.AddrPort{}, false
	}
	to, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		v.fail("%q is no address with a port like 10.0.0.5:5432 (names are not looked up)", clip(s))
	case !to.Addr().Is4():
		v.fail("%q: tenants have no IPv6, write an IPv4 address", s)
	case to.Port() == 0:
		v.fail("%q: there is no port 0", s)
	case to.Addr().IsLoopback():
		v.fail("%q is the tenant's own loopback: a port of the host's is host_ports = [%d]", s, to.Port())
	case to.Addr().IsUnspecified() || to.Addr().IsMulticast() || to.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		v.fail("%q is nobody's address", s)
	default:
		return to, true
	}
	return netip.AddrPort{}, false
}

// settleEgress settles what depends on the network that a tenant lives in.
func (s *Service) settleEgress(v value) {
	ports, allow := v.field("host_ports"), v.field("allow")
	if len(s.Allow) > 0 && s.Network != NetworkPrivate {
		allow.fail("needs network = %q, not %q", NetworkPrivate, s.Network)
	}
	if len(s.HostPorts) > 0 && s.Network == NetworkHost {
		ports.remark("not needed at network = %q: its loopback is the host's", NetworkHost)
	}
	if len(s.HostPorts) > maxHostPorts {
		ports.fail("%d ports are too many: at most %d", len(s.HostPorts), maxHostPorts)
	}
	for i, port := range s.HostPorts {
		switch {
		case port == TenantPort && s.Network != NetworkHost:
			ports.fail("%d is the PORT of the tenant itself", port)
		case slices.Contains(s.HostPorts[:i], port):
			ports.fail("%d is given twice", port)
		}
	}
	for i, to := range s.Allow {
		if slices.Contains(s.Allow[:i], to) {
			allow.fail("%q is given twice", to)
		}
	}
}

// checkAllowed refuses to open addresses of tenants' own.
func checkAllowed(c *Config, v value) {
	for _, f := range v.fields() {
		s := c.Services[strings.ToLower(f.name)]
		if s == nil || s.Line != f.at.line {
			continue
		}
		for _, to := range s.Allow {
			if own := c.Settings.PrivateNetwork; own.Contains(to.Addr()) {
				f.field("allow").fail("%q lies in %s, which tenants' own addresses are taken from: set settings.private_network to another network", to, own)
			}
		}
	}
}
