package egress

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const ipForward = "/proc/sys/net/ipv4/ip_forward"

// A host that does not forward goes on not to, but for tenants.
func TestForwarding_WhatWasOffStaysOffForOthers(t *testing.T) {
	w := newWorld(t, false)
	across := func() error { return call(w.internet, "tcp4", database+":80", aWhile) }
	if across() == nil {
		t.Fatal("the host forwards from the start")
	}
	n := openNetwork(t, Options{})
	tenant, _ := attach(t, n)
	reached(t, tenant, "tcp4", public+":80")
	if across() == nil {
		t.Error("the host forwards for anybody")
	}
	if text, _ := os.ReadFile(ipForward); strings.TrimSpace(string(text)) != "0" {
		t.Errorf("ip_forward is %s", text)
	}
	for _, name := range []string{"up0", "lan0"} {
		if on, err := forwards(name); !on || err != nil {
			t.Errorf("%s: %v, %v", name, on, err)
		}
	}
	setIPForward(t, true) // the control: it is us who kept it from that
	eventually(t, "a host that forwards for everybody", func() bool { return across() == nil })
	reached(t, tenant, "tcp4", public+":80")
	eventually(t, "no guard", func() bool { return len(guardsHere(t, n.table)) == 0 })

	setIPForward(t, false)
	eventually(t, "a tenant that reaches the internet again", func() bool { return call(tenant, "tcp4", public+":80", aWhile) == nil })
	if across() == nil {
		t.Error("the host forwards for anybody again")
	}
}

func TestForwarding_CloseSwitchesOffWhatItSwitchedOn(t *testing.T) {
	newWorld(t, false)
	must(t, forward("lan0", true)) // the operator's
	n, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	if guarded := guardsHere(t, n.table); len(guarded) != 1 || guarded[0] != "up0" {
		t.Errorf("guarded: %v", guarded)
	}
	must(t, n.Close())
	for name, want := range map[string]bool{"up0": false, "lan0": true} {
		if on, err := forwards(name); on != want || err != nil {
			t.Errorf("%s: %v, %v", name, on, err)
		}
	}
}

func TestForwarding_CloseLeavesWhatTheOperatorSwitchedOnMeanwhile(t *testing.T) {
	newWorld(t, false)
	n, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	setIPForward(t, true)
	must(t, n.Close())
	if on, err := forwards("up0"); !on || err != nil {
		t.Errorf("%v, %v", on, err)
	}
}

// A machine that boots has no uplink yet.
func TestForwarding_AnUplinkThatComesLaterIsSeen(t *testing.T) {
	needRoot(t)
	setIPForward(t, false)
	n := openNetwork(t, Options{})
	tenant, _ := attach(t, n)
	newWorld(t, false)
	eventually(t, "a tenant that reaches the internet", func() bool { return call(tenant, "tcp4", public+":80", aWhile) == nil })
	must(t, forward("up0", false)) // as another daemon does when it ends
	eventually(t, "a tenant that reaches the internet again", func() bool { return call(tenant, "tcp4", public+":80", aWhile) == nil })
}

func TestForwarding_TheFormersGuardIsKept(t *testing.T) {
	newWorld(t, false)
	former, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	dies(t, former)
	n, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	if guarded := guardsHere(t, n.table); len(guarded) != 2 {
		t.Errorf("guarded: %v", guarded)
	}
	must(t, n.Close())
	if on, err := forwards("up0"); on || err != nil {
		t.Errorf("%v, %v", on, err)
	}
}

func TestForwarding_OnlyNewsOfTheHostMatters(t *testing.T) {
	f := &forwarding{table: &table{own: netip.MustParsePrefix("10.208.0.0/16")}, uplinks: map[int]string{2: "up0"}}
	for name, c := range map[string]struct {
		message netlink.Message
		want    bool
	}{
		"a default route":       {routeMessage(unix.RT_TABLE_MAIN, "0.0.0.0/0"), true},
		"a network":             {routeMessage(unix.RT_TABLE_MAIN, "10.9.0.0/16"), true},
		"a tenant's route":      {routeMessage(unix.RT_TABLE_MAIN, "10.208.0.4/31"), false},
		"an address":            {routeMessage(unix.RT_TABLE_LOCAL, "10.9.0.1/32"), false},
		"all interfaces":        {netconfMessage(allInterfaces, 1), true},
		"an uplink":             {netconfMessage(2, 0), true},
		"somebody else's":       {netconfMessage(7, 0), false},
		"another kind":          {netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}}, false},
		"a short message":       {netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWNETCONF}, Data: []byte{1}}, false},
		"a short route":         {netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: []byte{1}}, false},
		"netconf of other news": {netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWNETCONF}, Data: make([]byte, 4)}, false},
	} {
		if got := f.matters(c.message); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestForwarding_ASwitchThatCannotBeSetIsNamed(t *testing.T) {
	needRoot(t)
	if err := forward("nosuch", true); err != nil { // it went meanwhile
		t.Errorf("got %v", err)
	}
	err := setSwitch("/proc/sys/net/ipv4/conf/lo/forwarding", "x")
	if err == nil || err.Error() != "cannot set a switch of the kernel: write /proc/sys/net/ipv4/conf/lo/forwarding: invalid argument" {
		t.Errorf("got %v", err)
	}
}

// guardsHere are the guards that the kernel has.
func guardsHere(t *testing.T, table *table) (guarded []string) {
	t.Helper()
	c, err := nftables.New()
	must(t, err)
	elements, err := c.GetSetElements(table.guarded)
	must(t, err)
	for _, e := range elements {
		guarded = append(guarded, unix.ByteSliceToString(e.Key))
	}
	return guarded
}

func routeMessage(table byte, to string) netlink.Message {
	p := netip.MustParsePrefix(to)
	header := make([]byte, routeHeader)
	header[0], header[1], header[4], header[7] = unix.AF_INET, byte(p.Bits()), table, unix.RTN_UNICAST
	return message(unix.RTM_NEWROUTE, header, func(ae *netlink.AttributeEncoder) {
		if p.Bits() > 0 {
			ae.Bytes(unix.RTA_DST, p.Addr().AsSlice())
		}
		ae.Uint32(unix.RTA_OIF, 2)
	})
}

func netconfMessage(index, on int32) netlink.Message {
	return message(unix.RTM_NEWNETCONF, make([]byte, netconfHeader), func(ae *netlink.AttributeEncoder) {
		ae.Int32(netconfIfindex, index)
		ae.Int32(netconfForwarding, on)
	})
}

func message(kind netlink.HeaderType, header []byte, fill func(*netlink.AttributeEncoder)) netlink.Message {
	ae := netlink.NewAttributeEncoder()
	fill(ae)
	attributes, err := ae.Encode()
	if err != nil {
		panic(err)
	}
	return netlink.Message{Header: netlink.Header{Type: kind}, Data: append(header, attributes...)}
}
