package edge

import (
	"strings"

	"tenement/conf"
)

// place is the kind of thing that a request is for.
type place uint8

// The places. The zero value is nobody's: 404.
const (
	toNobody place = iota
	toAPI          // DOMAIN itself, and addresses without a name
	toApex         // S.DOMAIN: the host picks a tenant of route.name.Service
	toTenant       // I.S.DOMAIN: route.name
)

// route says where a request goes.
type route struct {
	to   place
	name conf.Instance
}

// ownPaths are tenement's own on DOMAIN, whatever [routing] says.
var ownPaths = [...]string{"/api", "/health", "/metrics", "/_tenement"}

// routeFor reads the contract's routing table. domain is lower-case; path is
// decoded and counts on DOMAIN itself only.
func routeFor(routing *conf.Routing, domain string, h hostname, path string) route {
	if h.name == domain {
		return routeDomain(routing, path)
	}
	if h.ip || h.name == "localhost" {
		return route{to: toAPI}
	}
	labels, found := strings.CutSuffix(h.name, domain)
	labels, dotted := strings.CutSuffix(labels, ".")
	if !found || !dotted {
		return route{}
	}
	id, label, two := strings.Cut(labels, ".")
	if !two {
		id, label = "", labels
	}
	service, err := conf.Name(label)
	if err != nil {
		return route{}
	}
	if mapped := routing.Subdomain[service]; mapped != "" {
		service = mapped
	}
	if !two {
		return route{to: toApex, name: conf.Instance{Service: service}}
	}
	if id, err = conf.Name(id); err != nil {
		return route{}
	}
	return route{to: toTenant, name: conf.Instance{Service: service, ID: id}}
}

// routeDomain serves DOMAIN itself: our own paths, then the longest prefix of
// [routing].path, then the default service, then our front page.
func routeDomain(routing *conf.Routing, path string) route {
	for _, own := range ownPaths {
		if within(path, own) {
			return route{to: toAPI}
		}
	}
	best, service := -1, routing.Default
	for prefix, s := range routing.Path {
		if prefix = strings.TrimSuffix(prefix, "/"); len(prefix) > best && within(path, prefix) {
			best, service = len(prefix), s
		}
	}
	if service == "" {
		return route{to: toAPI}
	}
	return route{to: toApex, name: conf.Instance{Service: service}}
}

// within reports whether path is prefix or lies below it, by whole segments.
func within(path, prefix string) bool {
	rest, found := strings.CutPrefix(path, prefix)
	return found && (rest == "" || rest[0] == '/')
}
