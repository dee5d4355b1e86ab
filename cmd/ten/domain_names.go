package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tenement/conf"
)

// dnsPatience is how long all questions together may take.
const dnsPatience = 3 * time.Second

// askedName is a name that visitors use, and what the resolver said.
type askedName struct {
	asked   string // as it is shown
	query   string
	service string // whose tenants are below it; "" = DOMAIN itself, or an apex
	found   []netip.Addr
	err     error
}

// names asks for the domain and for a name below each service that nobody has
// made a record for: only a wildcard answers that. What ends in localhost is
// this machine by definition.
func (who patient) names(ctx context.Context) []finding {
	if who.domain == "localhost" || strings.HasSuffix(who.domain, ".localhost") {
		return nil
	}
	asked := namesOf(who.domain, who.place.config)
	ask(ctx, who.resolver, asked)
	own := machineAddresses()
	var all []finding
	for _, n := range asked {
		all = append(all, own.judge(n, len(who.place.config.Settings.TrustedProxies) > 0, acme(who.place.config)))
	}
	return all
}

func namesOf(domain string, config *conf.Config) []askedName {
	all := []askedName{{asked: domain, query: domain}}
	anybody := strings.ToLower(rand.Text()[:12])
	for _, name := range serviceNames(config) {
		apex := name + "." + domain
		if config.Services[name].Apex != conf.ApexNone {
			all = append(all, askedName{asked: apex, query: apex})
		}
		all = append(all, askedName{asked: "*." + apex, query: anybody + "." + apex, service: name})
	}
	return all
}

// ask looks all names up at once, by the resolver that the machine's programs use.
func ask(ctx context.Context, r *net.Resolver, names []askedName) {
	ctx, cancel := context.WithTimeout(ctx, dnsPatience)
	defer cancel()
	var asking sync.WaitGroup
	for i := range names {
		n := &names[i]
		asking.Go(func() { // ends with its answer, or with ctx
			n.found, n.err = r.LookupNetIP(ctx, "ip", n.query+".") // no search domains
			for i, a := range n.found {
				n.found[i] = a.Unmap()
			}
			slices.SortFunc(n.found, netip.Addr.Compare)
		})
	}
	asking.Wait()
}

// addresses are a machine's own.
type addresses []netip.Addr

func machineAddresses() (own addresses) {
	all, _ := net.InterfaceAddrs() // without them it is a machine of no address
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own
}

// sharedSpace is what providers number their customers with (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// public reports an address by which strangers may reach a machine.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}

// judge says whether a name leads here. proxied: another is known to stand in
// front. certified: certificates depend on it.
func (own addresses) judge(n askedName, proxied, certified bool) finding {
	f := finding{Name: n.asked, State: fine, Found: "leads to " + list(n.found)}
	strangers := slices.DeleteFunc(slices.Clone(n.found), func(a netip.Addr) bool { return slices.Contains(own, a) || a.IsLoopback() })
	behindNAT := !slices.ContainsFunc(own, public)
	switch {
	case len(n.found) == 0:
		return own.missing(f, n, certified)
	case !slices.ContainsFunc(n.found, func(a netip.Addr) bool { return !a.IsLoopback() }):
		f.State, f.Found = doubtful, f.Found+", as /etc/hosts or the local resolver says"
		f.Means, f.Remedy = "what visitors elsewhere are told cannot be seen from here", "remove the name from /etc/hosts, or ask from another machine: `dig +short "+n.query+"`"
	case len(strangers) == 0:
		f.Found += ", this machine"
	case proxied:
		f.Found += "; trusted_proxies says that somebody stands in front"
	case behindNAT:
		f.State, f.Found = doubtful, f.Found+"; this machine has "+list(own.outside())
		f.Means = "right if that is a router or cloud address that passes the ports on to this machine, else visitors go elsewhere"
		f.Remedy = "from elsewhere: `curl -sI http://" + n.query + "/` has to show up in the log; else forward the ports, or change the record"
	default:
		f.State, f.Found = wrong, f.Found+"; this machine has "+list(own.outside())
		f.Means = "visitors who are told " + list(strangers) + " go elsewhere" + uncertified(certified)
		f.Remedy = "set " + own.record(n.asked) + "; where a proxy stands in front, name it in [settings] trusted_proxies"
	}
	return f
}

// missing judges a name without an address.
func (own addresses) missing(f finding, n askedName, certified bool) finding {
	var unknown *net.DNSError
	if n.err != nil && !(errors.As(n.err, &unknown) && unknown.IsNotFound) {
		f.State, f.Found = doubtful, "the resolver did not say: "+n.err.Error()
		f.Means, f.Remedy = "nothing is known of it", "look at /etc/resolv.conf, then run this again"
		return f
	}
	f.State, f.Found, f.Remedy = wrong, "has no address", "add the record "+own.record(n.asked)
	f.Means = "whoever asks for it finds nobody" + uncertified(certified)
	if n.service != "" {
		f.Means = "visitors of " + n.service + "'s tenants find nobody" + uncertified(certified)
	}
	return f
}

func uncertified(certified bool) string {
	if certified {
		return ", and no certificate comes"
	}
	return ""
}

// outside are the addresses that others may know.
func (own addresses) outside() addresses {
	all := slices.DeleteFunc(slices.Clone(own), func(a netip.Addr) bool { return a.IsLoopback() || a.IsLinkLocalUnicast() })
	if known := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !public(a) }); len(known) > 0 {
		return known
	}
	return all
}

// record is the line for a zone file that leads a name here.
func (own addresses) record(name string) string {
	for _, a := range own.outside() {
		if public(a) && a.Is4() {
			return fmt.Sprintf("`%s. A %s`", name, a)
		}
	}
	for _, a := range own.outside() {
		if public(a) {
			return fmt.Sprintf("`%s. AAAA %s`", name, a)
		}
	}
	return fmt.Sprintf("`%s. A ADDRESS`, with the one that this machine is reached by", name)
}

func list[T fmt.Stringer](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	var words []string
	for _, one := range all {
		words = append(words, one.String())
	}
	return strings.Join(words, ", ")
}
