package egress

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// hop is an rtnexthop with an attribute behind it.
func hop(link uint32, length uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, length)
	b = append(b, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, link)
	return append(b, make([]byte, max(0, int(length)-8))...)
}

func TestRtnetlink_ARouteLeadsOutOfItsLinks(t *testing.T) {
	header := make([]byte, routeHeader)
	header[0], header[1], header[4], header[7] = unix.AF_INET, 8, unix.RT_TABLE_MAIN, unix.RTN_UNICAST
	several := append(hop(2, 16), hop(5, 8)...)
	for name, c := range map[string]struct {
		fill func(*netlink.AttributeEncoder)
		want route
	}{
		"one": {func(ae *netlink.AttributeEncoder) {
			ae.Bytes(unix.RTA_DST, []byte{10, 0, 0, 0})
			ae.Uint32(unix.RTA_OIF, 3)
		}, route{netip.MustParsePrefix("10.0.0.0/8"), []int{3}}},
		"several":  {func(ae *netlink.AttributeEncoder) { ae.Bytes(unix.RTA_MULTIPATH, several) }, route{netip.MustParsePrefix("0.0.0.0/0"), []int{2, 5}}},
		"cut":      {func(ae *netlink.AttributeEncoder) { ae.Bytes(unix.RTA_MULTIPATH, several[:20]) }, route{netip.MustParsePrefix("0.0.0.0/0"), []int{2}}},
		"too long": {func(ae *netlink.AttributeEncoder) { ae.Bytes(unix.RTA_MULTIPATH, hop(2, 16)[:8]) }, route{netip.MustParsePrefix("0.0.0.0/0"), []int{2}}},
		"no end":   {func(ae *netlink.AttributeEncoder) { ae.Bytes(unix.RTA_MULTIPATH, append(hop(2, 0), hop(3, 8)...)) }, route{netip.MustParsePrefix("0.0.0.0/0"), []int{2}}},
	} {
		got, ok, err := parseRoute(message(unix.RTM_NEWROUTE, slices.Clone(header), c.fill))
		if err != nil || !ok || got.to != c.want.to || !slices.Equal(got.links, c.want.links) {
			t.Errorf("%s: got %v, %v, %v", name, got, ok, err)
		}
	}
}

func TestRtnetlink_WhatIsNoRouteOfOursIsLeftOut(t *testing.T) {
	for at, value := range map[int]byte{0: unix.AF_INET6, 4: unix.RT_TABLE_LOCAL, 7: unix.RTN_BLACKHOLE} {
		header := make([]byte, routeHeader)
		header[0], header[4], header[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_UNICAST
		header[at] = value
		if _, ok, err := parseRoute(netlink.Message{Data: header}); ok || err != nil {
			t.Errorf("%d: got %v, %v", at, ok, err)
		}
	}
	if _, _, err := parseRoute(netlink.Message{Data: make([]byte, 3)}); err == nil || err.Error() != "a message of 3 bytes" {
		t.Errorf("got %v", err)
	}
}

// Errors are the kernel's own, for whoever called to put into a sentence.
func TestRtnetlink_ErrorsAreTheKernels(t *testing.T) {
	needRoot(t)
	must(t, inCurrent(func(c rtnetlink) error {
		if _, err := c.index("nosuch"); err != error(unix.ENODEV) {
			t.Errorf("got %#v", err)
		}
		if err := c.up(1 << 20); err != error(unix.ENODEV) {
			t.Errorf("got %#v", err)
		}
		if err := c.addAddress(1<<20, netip.MustParsePrefix("10.0.0.1/31")); err != error(unix.ENODEV) {
			t.Errorf("got %#v", err)
		}
		return nil
	}))
}
