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

// wildcards: one for each label below DOMAIN, one for the labels, and DOMAIN.
func (s *Server) wildcards() []string {
	all := []string{s.domain, "*." + s.domain}
	config := s.o.Host.Config()
	labels := config.ServiceNames()
	for label := range config.Routing.Subdomain {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	for _, label := range slices.Compact(labels) {
		if strings.Contains(label, "_") { // no authority certifies an underscore
			continue
		}
		all = append(all, "*."+label+"."+s.domain)
	}
	return all
}
