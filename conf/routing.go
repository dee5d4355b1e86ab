package conf

import (
	"maps"
	"slices"
	"strings"
)

// readInstances reads [instances], in the order of the file.
func readInstances(c *Config, v value) {
	seen := map[Instance]int{}
	for _, f := range v.table() {
		service, ok := c.service(f, f.name)
		if !ok {
			continue
		}
		list(func(elem value) (string, bool) {
			id, ok := checked(text, isID)(elem)
			if ok {
				c.addInstance(elem, Instance{Service: service, ID: strings.ToLower(id)}, seen)
			}
			return id, ok
		})(f)
	}
}

// addInstance refuses to list one twice; seen has the lines of those before.
func (c *Config) addInstance(v value, name Instance, seen map[Instance]int) {
	if line, again := seen[name]; again {
		v.fail("%s is listed already, on line %d", name, line)
		return
	}
	seen[name] = v.at.line
	c.Instances = append(c.Instances, name)
}

func isID(s string) string {
	if _, err := Name(s); err != nil {
		return err.Error()
	}
	return ""
}

// readRouting reads [routing].
func readRouting(c *Config, v value) {
	c.Routing = Routing{Subdomain: map[string]string{}, Path: map[string]string{}}
	for _, f := range v.field("subdomain").table() {
		label, err := Name(f.name)
		if err != nil {
			f.fail("%v", err)
		} else if c.Routing.Subdomain[label] != "" {
			f.fail("this label is routed already: upper and lower case are one")
		} else if service, ok := c.target(f); ok {
			c.Routing.Subdomain[label] = service
		}
	}
	for _, f := range v.field("path").table() {
		if problem := isURLPath(f.name); problem != "" {
			f.fail("%s", problem)
		} else if service, ok := c.target(f); ok {
			c.Routing.Path[f.name] = service
			remarkPath(f, service)
		}
	}
	if f := v.field("default"); f.present() {
		if service, ok := c.target(f); ok {
			c.Routing.Default = service
			remarkOrigin(f, service)
		}
	}
	v.known([]string{"subdomain", "default", "path"})
}

// remarkPath warns of a path that the daemon's own pages keep from any service,
// and of any other that it shares an origin with them.
func remarkPath(v value, service string) {
	for _, own := range []string{"/api", "/health", "/metrics", "/_tenement"} {
		if v.name == own || strings.HasPrefix(v.name, own+"/") {
			v.remark("tenement's own %s comes first", own)
			return
		}
	}
	remarkOrigin(v, service)
}

// remarkOrigin warns of a service at DOMAIN itself: to a browser its pages and the
// dashboard are one site (RFC 6454), whose scripts may act for who is logged in.
func remarkOrigin(v value, service string) {
	v.remark("%s shares the dashboard's origin: a script of its pages can do there what a logged-in browser may; "+
		"leave DOMAIN itself to an app that you trust with that (docs/dashboard.md)", service)
}

// target reads the name of a service as a value.
func (c *Config) target(v value) (string, bool) {
	name, ok := text(v)
	if !ok {
		return "", false
	}
	return c.service(v, name)
}

// service finds a service of the file by the name that v gives it.
func (c *Config) service(v value, name string) (string, bool) {
	lower := strings.ToLower(name)
	if c.Services[lower] == nil {
		v.fail("there is no service %q%s", clip(name), didYouMean(lower, c.ServiceNames()))
		return "", false
	}
	return lower, true
}

// ServiceNames are the names of all services, sorted.
func (c *Config) ServiceNames() []string { return slices.Sorted(maps.Keys(c.Services)) }
