package egress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The kernel's structs before the attributes, in the machine's byte order; see
// rtnetlink(7).
const (
	linkHeader    = unix.SizeofIfInfomsg
	addressHeader = unix.SizeofIfAddrmsg
	routeHeader   = unix.SizeofRtMsg
	vethPeer      = 1 // VETH_INFO_PEER, linux/veth.h
)

// rtnetlink is a connection to one network namespace's links, addresses and
// routes: that of the thread which opened it.
type rtnetlink struct{ *netlink.Conn }

func dialRtnetlink() (rtnetlink, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return rtnetlink{}, fmt.Errorf("cannot talk to the kernel's routing: %w", err)
	}
	return rtnetlink{c}, nil
}

// do sends one request: the header, then what fill adds.
func (c rtnetlink) do(kind netlink.HeaderType, flags netlink.HeaderFlags, header []byte, fill func(*netlink.AttributeEncoder)) ([]netlink.Message, error) {
	ae := netlink.NewAttributeEncoder()
	if fill != nil {
		fill(ae)
	}
	attributes, err := ae.Encode()
	if err != nil {
		return nil, err
	}
	replies, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | flags},
		Data:   append(header, attributes...),
	})
	var op *netlink.OpError
	if errors.As(err, &op) {
		err = op.Err // the operation is said by whoever called
	}
	return replies, err
}

// link is an ifinfomsg.
func link(index int, flags, change uint32) []byte {
	b := make([]byte, linkHeader)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

// addVeth makes a pair: name here, peer in the namespace netns.
func (c rtnetlink) addVeth(name, peer string, netns int) error {
	_, err := c.do(unix.RTM_NEWLINK, netlink.Acknowledge|netlink.Create|netlink.Excl, link(0, 0, 0), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.IFLA_IFNAME, name)
		oneQueue(ae)
		ae.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
			info.String(unix.IFLA_INFO_KIND, "veth")
			info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
				data.Do(vethPeer, func() ([]byte, error) {
					other := netlink.NewAttributeEncoder()
					other.String(unix.IFLA_IFNAME, peer)
					other.Uint32(unix.IFLA_NET_NS_FD, uint32(netns))
					oneQueue(other)
					attributes, err := other.Encode()
					return append(link(0, 0, 0), attributes...), err
				})
				return nil
			})
			return nil
		})
	})
	return err
}

// oneQueue keeps a link from having a queue for each CPU, which takes memory.
func oneQueue(ae *netlink.AttributeEncoder) {
	ae.Uint32(unix.IFLA_NUM_TX_QUEUES, 1)
	ae.Uint32(unix.IFLA_NUM_RX_QUEUES, 1)
}

// index finds a link by its name.
func (c rtnetlink) index(name string) (int, error) {
	replies, err := c.do(unix.RTM_GETLINK, 0, link(0, 0, 0), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.IFLA_IFNAME, name)
	})
	if err != nil {
		return 0, err
	}
	if len(replies) != 1 || len(replies[0].Data) < linkHeader {
		return 0, fmt.Errorf("an answer of %d messages", len(replies))
	}
	return int(binary.NativeEndian.Uint32(replies[0].Data[4:])), nil
}

// links are the names of all links, by index.
func (c rtnetlink) links() (map[int]string, error) {
	replies, err := c.do(unix.RTM_GETLINK, netlink.Dump, link(0, 0, 0), nil)
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(replies))
	for _, m := range replies {
		attributes, err := attributesOf(m, linkHeader)
		if err != nil {
			return nil, err
		}
		for attributes.Next() {
			if attributes.Type() == unix.IFLA_IFNAME {
				names[int(binary.NativeEndian.Uint32(m.Data[4:]))] = attributes.String()
			}
		}
	}
	return names, nil
}

func attributesOf(m netlink.Message, header int) (*netlink.AttributeDecoder, error) {
	if len(m.Data) < header {
		return nil, fmt.Errorf("a message of %d bytes", len(m.Data))
	}
	return netlink.NewAttributeDecoder(m.Data[header:])
}

// up brings a link up.
func (c rtnetlink) up(index int) error {
	_, err := c.do(unix.RTM_NEWLINK, netlink.Acknowledge, link(index, unix.IFF_UP, unix.IFF_UP), nil)
	return err
}

// remove deletes a link, and its peer wherever that is.
func (c rtnetlink) remove(index int) error {
	_, err := c.do(unix.RTM_DELLINK, netlink.Acknowledge, link(index, 0, 0), nil)
	return err
}

// addAddress gives a link an IPv4 address and the route to its network.
func (c rtnetlink) addAddress(index int, p netip.Prefix) error {
	header := make([]byte, addressHeader)
	header[0], header[1] = unix.AF_INET, byte(p.Bits())
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	_, err := c.do(unix.RTM_NEWADDR, netlink.Acknowledge|netlink.Create|netlink.Excl, header, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		ae.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	})
	return err
}

// addDefaultRoute sends everything that has no better route to gateway.
func (c rtnetlink) addDefaultRoute(gateway netip.Addr) error {
	header := make([]byte, routeHeader)
	header[0], header[4], header[5], header[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RTN_UNICAST
	_, err := c.do(unix.RTM_NEWROUTE, netlink.Acknowledge|netlink.Create|netlink.Excl, header, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.RTA_GATEWAY, gateway.AsSlice())
	})
	return err
}

// route is one IPv4 unicast route of the host.
type route struct {
	to    netip.Prefix
	links []int // that it leads out of
}

// routes are the IPv4 unicast routes of every table but the local one.
func (c rtnetlink) routes() ([]route, error) {
	header := make([]byte, routeHeader)
	header[0] = unix.AF_INET
	replies, err := c.do(unix.RTM_GETROUTE, netlink.Dump, header, nil)
	if err != nil {
		return nil, err
	}
	var all []route
	for _, m := range replies {
		r, ok, err := parseRoute(m)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r)
		}
	}
	return all, nil
}

func parseRoute(m netlink.Message) (route, bool, error) {
	attributes, err := attributesOf(m, routeHeader)
	if err != nil {
		return route{}, false, err
	}
	if m.Data[0] != unix.AF_INET || m.Data[4] == unix.RT_TABLE_LOCAL || m.Data[7] != unix.RTN_UNICAST {
		return route{}, false, nil
	}
	r := route{to: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.RTA_DST:
			if addr, ok := netip.AddrFromSlice(attributes.Bytes()); ok {
				r.to = netip.PrefixFrom(addr, int(m.Data[1]))
			}
		case unix.RTA_OIF:
			r.links = append(r.links, int(attributes.Uint32()))
		case unix.RTA_MULTIPATH:
			r.links = append(r.links, hops(attributes.Bytes())...)
		}
	}
	return r, true, attributes.Err()
}

// hops are the links of a route with several: each an rtnexthop, whose first
// field is its whole length.
func hops(b []byte) []int {
	var links []int
	for len(b) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(b))
		links = append(links, int(binary.NativeEndian.Uint32(b[4:])))
		next := (n + 3) &^ 3
		if n < unix.SizeofRtNexthop || next > len(b) {
			break
		}
		b = b[next:]
	}
	return links
}
