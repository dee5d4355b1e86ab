package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tenement/conf"
)

// zone is a name server on the loopback: addresses by name, "*." before a name
// stands for whatever is below it.
type zone struct {
	records map[string][]string
	silent  bool // takes questions and says nothing
	broken  bool // answers that it cannot
}

// resolver asks that server and nobody else, until the test ends.
func (z zone) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { // ended by the cleanup
		for b := make([]byte, 1500); ; {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := z.reply(b[:n]); reply != nil && !z.silent {
				_, _ = server.WriteTo(reply, from)
			}
		}
	})
	t.Cleanup(func() { server.Close(); serving.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func (z zone) reply(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := strings.TrimSuffix(q.Name.String(), ".")
	found, known := z.records[name]
	if _, parent, ok := strings.Cut(name, "."); !known && ok {
		found, known = z.records["*."+parent]
	}
	switch {
	case z.broken:
		m.RCode = dnsmessage.RCodeServerFailure
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, text := range found {
		a := netip.MustParseAddr(text)
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
		if q.Type == dnsmessage.TypeA && a.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		}
		if q.Type == dnsmessage.TypeAAAA && a.Is6() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// machine is one with a public address of each family behind an interface.
var machine = addresses{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("fe80::1")}

func namesIn(t *testing.T, z zone, own addresses, proxied bool) (all []finding) {
	t.Helper()
	config := &conf.Config{Services: map[string]*conf.Service{"notes": {Name: "notes", Apex: conf.ApexNone}, "shop": {Name: "shop", Apex: conf.ApexWeighted}}}
	asked := namesOf("example.com", config)
	ask(t.Context(), z.resolver(t), asked)
	for _, n := range asked {
		all = append(all, own.judge(n, proxied, true))
	}
	return all
}

func TestNames_AllThatVisitorsUseAreAskedForAndLeadHere(t *testing.T) {
	t.Parallel()
	here := []string{"198.51.100.7", "2001:db8::7"}
	all := namesIn(t, zone{records: map[string][]string{"example.com": here, "*.notes.example.com": here, "*.shop.example.com": here, "shop.example.com": here}}, machine, false)
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
		if f.State != fine || f.Found != "leads to 198.51.100.7, 2001:db8::7, this machine" || f.Means+f.Remedy != "" {
			t.Errorf("%+v", f)
		}
	}
	if want := []string{"example.com", "*.notes.example.com", "shop.example.com", "*.shop.example.com"}; !slices.Equal(names, want) {
		t.Errorf("asked for %q, want %q", names, want)
	}
}

func TestNames_AMissingWildcardIsSaidWithTheRecordToAdd(t *testing.T) {
	t.Parallel()
	here := []string{"198.51.100.7"}
	all := namesIn(t, zone{records: map[string][]string{"example.com": here, "*.example.com": here, "shop.example.com": here}}, machine, false)
	want := finding{"*.notes.example.com", wrong, "has no address", "visitors of notes's tenants find nobody, and no certificate comes", "add the record `*.notes.example.com. A 198.51.100.7`"}
	if all[0].State != fine || all[1] != want || failures(all) != 2 {
		t.Errorf("%+v", all)
	}
	for _, c := range []struct {
		own  string
		want string
	}{{"2001:db8::7", "`x. AAAA 2001:db8::7`"}, {"192.168.1.2", "`x. A ADDRESS`, with the one that this machine is reached by"}} {
		if got := (addresses{netip.MustParseAddr(c.own)}).record("x"); got != c.want {
			t.Errorf("%s: %s", c.own, got)
		}
	}
}

func TestNames_ThoseThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := zone{records: map[string][]string{"example.com": {"203.0.113.9", "198.51.100.7"}}}
	for about, c := range map[string]struct {
		own     addresses
		proxied bool
		state   verdict
		says    []string
	}{
		"a machine with a public address": {machine, false, wrong, []string{
			"leads to 198.51.100.7, 203.0.113.9; this machine has 198.51.100.7, 2001:db8::7",
			"visitors who are told 203.0.113.9 go elsewhere, and no certificate comes", "set `example.com. A 198.51.100.7`; where a proxy stands in front"}},
		"one behind NAT": {addresses{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("100.64.3.4")}, false, doubtful, []string{
			"this machine has 10.0.0.7, 100.64.3.4", "a router or cloud address", "curl -sI http://example.com/"}},
		"one behind a proxy": {machine, true, fine, []string{"trusted_proxies says that somebody stands in front"}},
	} {
		f := namesIn(t, elsewhere, c.own, c.proxied)[0]
		text := f.Found + "\n" + f.Means + "\n" + f.Remedy
		for _, says := range c.says {
			if f.State != c.state || !strings.Contains(text, says) {
				t.Errorf("%s: %s, %s\nwant %s, %q", about, f.State, text, c.state, says)
			}
		}
	}
	f := namesIn(t, zone{records: map[string][]string{"example.com": {"127.0.1.1"}}}, machine, false)[0]
	if f.State != doubtful || !strings.Contains(f.Found, "/etc/hosts") {
		t.Errorf("a loopback address: %+v", f)
	}
}

func TestNames_AResolverThatDoesNotAnswerIsNoMissingRecord(t *testing.T) {
	t.Parallel()
	for about, z := range map[string]zone{"silent": {silent: true}, "broken": {broken: true}} {
		for _, f := range namesIn(t, z, machine, false) {
			if f.State != doubtful || !strings.HasPrefix(f.Found, "the resolver did not say: ") || !strings.Contains(f.Remedy, "/etc/resolv.conf") {
				t.Errorf("%s: %+v", about, f)
			}
		}
	}
	if f := machine.judge(askedName{asked: "x", err: errors.New("strange")}, false, false); f.State != doubtful {
		t.Errorf("%+v", f)
	}
	if f := machine.judge(askedName{asked: "x"}, false, false); f.State != wrong || f.Means != "whoever asks for it finds nobody" {
		t.Errorf("no address and no error: %+v", f)
	}
}

func TestNames_LocalhostAsksNobody(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"localhost", "dev.localhost"} {
		if all := (patient{domain: domain, resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("somebody was asked")
			return nil, errors.New("nobody is to be asked")
		}}}).names(t.Context()); all != nil {
			t.Errorf("%+v", all)
		}
	}
}

func TestMachineAddresses_HaveTheLoopback(t *testing.T) {
	t.Parallel()
	if own := machineAddresses(); !slices.Contains(own, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%v", own)
	}
	if list([]netip.Addr{}) != "none" {
		t.Error("no address is named")
	}
}
