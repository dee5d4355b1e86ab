package egress

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// What the kernel has is what the table says: no network is left out, and no
// public address is taken in by a length that is wrong.
func TestTable_ClosedIntervalsAreTheNetworks(t *testing.T) {
	elements := intervals(closed)
	inside := func(addr string) bool {
		b := netip.MustParseAddr(addr).As4()
		at, in := binary.BigEndian.Uint32(b[:]), false
		for _, e := range elements { // they are in order
			if binary.BigEndian.Uint32(e.Key) > at {
				break
			}
			in = !e.IntervalEnd
		}
		return in
	}
	for addr, want := range map[string]bool{
		"0.0.0.0": true, "0.255.255.255": true, "1.0.0.0": false, "9.255.255.255": false, "10.0.0.0": true, "10.255.255.255": true,
		"11.0.0.0": false, "100.63.255.255": false, "100.64.0.0": true, "100.127.255.255": true, "100.128.0.0": false,
		"127.0.0.1": true, "168.63.129.15": false, "168.63.129.16": true, "168.63.129.17": false, "169.254.169.254": true,
		"169.255.0.0": false, "172.15.255.255": false, "172.16.0.0": true, "172.31.255.255": true, "172.32.0.0": false,
		"192.168.255.255": true, "192.169.0.0": false, "198.17.255.255": false, "198.18.0.0": true, "198.20.0.0": false,
		"198.51.100.7": false, "223.255.255.255": false, "224.0.0.1": true, "255.255.255.255": true,
	} {
		if got := inside(addr); got != want {
			t.Errorf("%s: closed is %v", addr, got)
		}
	}
}

func TestTable_OtherTablesAreNotTouched(t *testing.T) {
	newWorld(t, false)
	theirs := dropForwards(t, "filter", "FORWARD")
	before := snapshot(t)
	n, err := Open(Options{ID: "abcdef01", Range: testRange})
	must(t, err)
	must(t, n.Close())
	unchanged(t, before)
	if !strings.Contains(before, theirs.Name) {
		t.Errorf("%s is not among\n%s", theirs.Name, before)
	}
}

func TestTable_FailuresNameTheTable(t *testing.T) {
	needRoot(t)
	table := newTable("abcdef01", strings.Repeat("x", 20), testRange)
	if err := table.remove(); !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "cannot delete the nftables table tenement-abcdef01: ") {
		t.Errorf("got %v", err)
	}
	if err := table.install(); err == nil || !strings.HasPrefix(err.Error(), "cannot write the nftables table tenement-abcdef01: ") {
		t.Errorf("got %v", err)
	}
	if there, err := table.there(); there || err != nil { // nothing was written by halves
		t.Errorf("got %v, %v", there, err)
	}
}

// A tenant cannot fill the table of connections that it shares with the host.
func TestTable_ATenantsConnectionsAreCounted(t *testing.T) {
	newWorld(t, false)
	n := openNetwork(t, Options{})
	greedy, _ := attach(t, n)
	other, _ := attach(t, n)
	must(t, inside(greedy, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for port := range maxTracked {
			to := &unix.SockaddrInet4{Port: 10_000 + port, Addr: netip.MustParseAddr(public).As4()}
			if err := unix.Sendto(fd, []byte{0}, 0, to); err != nil {
				return err
			}
		}
		return nil
	}))
	refused(t, greedy, "tcp4", public+":80")
	reached(t, other, "tcp4", public+":80")
}

// dropForwards makes a chain like those of ufw and Docker, which drops whatever
// it has no rule for. It goes with the test.
func dropForwards(t *testing.T, table, chain string, more ...string) *nftables.Table {
	t.Helper()
	theirs := &nftables.Table{Name: table, Family: nftables.TableFamilyIPv4}
	drop := nftables.ChainPolicyDrop
	must(t, transact(func(c *nftables.Conn) error {
		c.AddTable(theirs)
		c.AddChain(&nftables.Chain{
			Name: chain, Table: theirs, Type: nftables.ChainTypeFilter, Policy: &drop,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		for _, name := range more {
			c.AddChain(&nftables.Chain{Name: name, Table: theirs})
		}
		return nil
	}))
	t.Cleanup(func() { must(t, transact(func(c *nftables.Conn) error { c.DelTable(theirs); return nil })) })
	return theirs
}
