package edge

import (
	"slices"
	"strings"

	"tenement/conf"
)

// names says which hosts are somebody's. *Server is one.
type names interface {
	// known reports whether a visitor of a host would be served.
	known(host string) bool
	// wildcards are the names that cover every tenant's, and the domain itself.
	wildcards() []string
}

// known: DOMAIN, a service whose apex serves somebody, a registered tenant, or a
// customer's domain.
func (s *Server) known(host string) bool {
	h, err := parseHost(host)
	if err != nil || h.ip {
		return false
	}
	switch r := s.routeTo(h, "/"); r.to {
	case toAPI:
		return h.name == s.domain
	case toApex:
		service := s.o.Host.Config().Services[r.name.Service]
		return service != nil && (h.name == s.domain || service.Apex != conf.ApexNone)
	case toTenant:
		return s.o.Host.Door(r.name.Service, r.name.ID) != nil
	}
	return false
}

// wildcards: one for each label below DOMAIN, one for the labels, and DOMAIN. They
// are made once for each configuration.
func (s *Server) wildcards() []string {
	config := s.o.Host.Config()
	if made := s.wild.Load(); made != nil && made.of == config {
		return made.names
	}
	made := &wildcards{of: config, names: wildcardsOf(config, s.domain)}
	s.wild.Store(made)
	return made.names
}

// wildcards are those of one configuration.
type wildcards struct {
	of    *conf.Config
	names []string
}

func wildcardsOf(config *conf.Config, domain string) []string {
	labels := config.ServiceNames()
	for label := range config.Routing.Subdomain {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	all := []string{domain, "*." + domain}
	for _, label := range slices.Compact(labels) {
		if !strings.Contains(label, "_") { // no authority certifies an underscore
			all = append(all, "*."+label+"."+domain)
		}
	}
	return all
}

// routeTo is routeFor with this server's configuration and customers' domains.
func (s *Server) routeTo(h hostname, path string) route {
	r := routeFor(&s.o.Host.Config().Routing, s.domain, h, path)
	if r.to == toNobody {
		if name, ok := s.o.Host.Domain(h.name); ok {
			return route{to: toTenant, name: name}
		}
	}
	return r
}
