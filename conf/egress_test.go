package conf

import (
	"net/netip"
	"strings"
	"testing"
)

func TestEgress_NamesEveryProblemWithItsLine(t *testing.T) {
	const needs = `t:4: service.notes.allow[0]: `
	many := "host_ports = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]"
	for name, c := range map[string]struct{ toml, want string }{
		"a range that is none":       {"[settings]\nprivate_network = 'lan'", `t:2: settings.private_network: "lan" is no IPv4 network like 10.208.0.0/16`},
		"a range of IPv6":            {"[settings]\nprivate_network = 'fd00::/8'", `t:2: settings.private_network: "fd00::/8" is no IPv4 network like 10.208.0.0/16`},
		"a range as a number":        {"[settings]\nprivate_network = 10", "t:2: settings.private_network: must be a string, not a whole number"},
		"an address for a range":     {"[settings]\nprivate_network = '10.1.2.3/16'", `t:2: settings.private_network: "10.1.2.3/16" has bits set beyond its length: write "10.1.0.0/16"`},
		"a small range":              {"[settings]\nprivate_network = '10.1.2.0/25'", `t:2: settings.private_network: "10.1.2.0/25" is too small: at least a /24`},
		"a public range":             {"[settings]\nprivate_network = '8.8.8.0/24'", `t:2: settings.private_network: "8.8.8.0/24" is of none of the private ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10`},
		"a range beyond":             {"[settings]\nprivate_network = '172.0.0.0/8'", `t:2: settings.private_network: "172.0.0.0/8" is of none of the private ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10`},
		"a port as text":             {in("host_ports = [\n5432,\n'x']"), "t:6: service.notes.host_ports[1]: must be a whole number, not a string"},
		"a port that is none":        {in("host_ports = [0]"), "t:4: service.notes.host_ports[0]: must be at least 1, not 0"},
		"a port too high":            {in("host_ports = [65536]"), "t:4: service.notes.host_ports[0]: must be at most 65535, not 65536"},
		"a port twice":               {in("host_ports = [5432, 5432]"), "t:4: service.notes.host_ports: 5432 is given twice"},
		"the tenant's own":           {in("host_ports = [8080]"), "t:4: service.notes.host_ports: 8080 is the PORT of the tenant itself"},
		"ports without end":          {in(many), "t:4: service.notes.host_ports: 17 ports are too many: at most 16"},
		"an address without port":    {in("allow = ['10.0.0.5']"), needs + `"10.0.0.5" is no address with a port like 10.0.0.5:5432 (names are not looked up)`},
		"a name":                     {in("allow = ['db:5432']"), needs + `"db:5432" is no address with a port like 10.0.0.5:5432 (names are not looked up)`},
		"an address as a number":     {in("allow = [5432]"), needs + "must be a string, not a whole number"},
		"IPv6":                       {in("allow = ['[fd00::1]:5432']"), needs + `"[fd00::1]:5432": tenants have no IPv6, write an IPv4 address`},
		"port 0":                     {in("allow = ['10.0.0.5:0']"), needs + `"10.0.0.5:0": there is no port 0`},
		"the loopback":               {in("allow = ['127.0.0.1:5432']"), needs + `"127.0.0.1:5432" is the tenant's own loopback: a port of the host's is host_ports = [5432]`},
		"no address":                 {in("allow = ['0.0.0.0:53']"), needs + `"0.0.0.0:53" is nobody's address`},
		"multicast":                  {in("allow = ['224.0.0.1:53']"), needs + `"224.0.0.1:53" is nobody's address`},
		"broadcast":                  {in("allow = ['255.255.255.255:53']"), needs + `"255.255.255.255:53" is nobody's address`},
		"an address twice":           {in("allow = ['10.0.0.5:1', '10.0.0.5:1']"), `t:4: service.notes.allow: "10.0.0.5:1" is given twice`},
		"without a way out":          {in("network = 'none'\nallow = ['10.0.0.5:1']"), `t:5: service.notes.allow: needs network = "private", not "none"`},
		"on the host's network":      {in("isolation = 'process'\nallow = ['10.0.0.5:1']"), `t:5: service.notes.allow: needs network = "private", not "host"`},
		"an address of tenants":      {in("allow = ['10.209.0.5:1']"), `t:4: service.notes.allow: "10.209.0.5:1" lies in 10.208.0.0/12, which tenants' own addresses are taken from: set settings.private_network to another network`},
		"of tenants in another case": {strings.ReplaceAll(in("allow = ['10.1.0.5:1']"), "notes", "Notes") + "[settings]\nprivate_network = '10.1.0.0/16'", `t:4: service.Notes.allow: "10.1.0.5:1" lies in 10.1.0.0/16, which tenants' own addresses are taken from: set settings.private_network to another network`},
	} {
		_, err := Parse("t", []byte(c.toml))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v\nwant %s", name, err, c.want)
		}
	}
}

func TestEgress_WhatIsAllowed(t *testing.T) {
	c := mustParse(t, "[settings]\nprivate_network = '192.168.7.0/24'\n"+in("network = 'none'\nhost_ports = [5432]")+"[service.b]\ncommand = 'x'\nidle_timeout = 1\nallow = ['10.209.0.5:1', '10.209.0.5:2', '169.254.169.254:80']")
	same(t, c.Settings.PrivateNetwork, netip.MustParsePrefix("192.168.7.0/24"))
	same(t, c.Services["notes"].HostPorts, []uint16{5432})
	same(t, len(c.Services["b"].Allow), 3)
	same(t, len(c.Remarks), 0)
}

func TestEgress_PortsOfAnOwnLoopbackAreRemarkedOn(t *testing.T) {
	c := mustParse(t, in("network = 'host'\nhost_ports = [8080]"))
	same(t, c.Remarks, []Remark{{5, `service.notes.host_ports: not needed at network = "host": its loopback is the host's`}})
}
