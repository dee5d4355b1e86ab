package egress

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestAddresses_PairsFillARangeWithoutOverlap(t *testing.T) {
	p := netip.MustParsePrefix("10.208.0.0/24")
	seen := map[netip.Addr]bool{}
	for i := range pairs(p) {
		host, tenant := pair(p, i)
		if seen[host.Addr()] || seen[tenant.Addr()] || !p.Contains(host.Addr()) || !p.Contains(tenant.Addr()) {
			t.Errorf("%d: %s and %s", i, host, tenant)
		}
		if host.Masked() != tenant.Masked() || host.Addr().Next() != tenant.Addr() || host.Bits() != 31 {
			t.Errorf("%d: %s and %s are no pair", i, host, tenant)
		}
		seen[host.Addr()], seen[tenant.Addr()] = true, true
	}
	if len(seen) != 256 {
		t.Errorf("%d addresses", len(seen))
	}
	if host, _ := pair(p, 128); host.Addr() != p.Addr() {
		t.Errorf("the number after the last one is %s", host)
	}
}

func TestAddresses_ADaemonTakesAShare(t *testing.T) {
	for text, want := range map[string]string{
		"10.208.0.0/12": "16: 10.208.0.0/16 10.209.0.0/16 … 10.223.0.0/16",
		"10.0.0.0/8":    "256: 10.0.0.0/16 10.1.0.0/16 … 10.255.0.0/16",
		"10.7.0.0/16":   "1: 10.7.0.0/16",
		"10.7.8.0/24":   "1: 10.7.8.0/24",
	} {
		all := shares(netip.MustParsePrefix(text))
		got := fmt.Sprintf("%d: %s", len(all), all[0])
		if len(all) > 1 {
			got += fmt.Sprintf(" %s … %s", all[1], all[len(all)-1])
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestAddresses_ACollisionIsSomebodyElsesRoute(t *testing.T) {
	p := netip.MustParsePrefix("10.208.0.0/16")
	ours := func(link int) bool { return link == 7 }
	for text, c := range map[string]struct {
		links []int
		want  bool
	}{
		"10.0.0.0/8":     {[]int{2}, true},
		"10.208.3.0/24":  {[]int{2}, true},
		"10.208.3.4/31":  {[]int{7}, false},
		"10.208.3.6/31":  {[]int{7, 2}, true},
		"10.208.3.8/31":  {nil, true}, // by a next hop object: whose is unknown
		"10.209.0.0/16":  {[]int{2}, false},
		"0.0.0.0/0":      {[]int{2}, false},
		"192.168.0.0/16": {[]int{2}, false},
	} {
		to := netip.MustParsePrefix(text)
		if other, got := collision(p, []route{{to, c.links}}, ours); got != c.want || got && other != to {
			t.Errorf("%s: got %v", text, got)
		}
	}
}
