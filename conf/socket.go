package conf

import (
	"fmt"
	"strings"
)

// checkSockets refuses sockets whose path cannot fit, as far as that is known
// before there are tenants: with the shortest id there could be, and with every
// id of [instances].
func checkSockets(c *Config, v value) {
	for _, f := range v.fields() {
		s := c.Services[strings.ToLower(f.name)]
		if s == nil || s.Socket == "" || s.Line != f.at.line {
			continue
		}
		c.checkSocket(f.field("socket"), s)
	}
}

func (c *Config) checkSocket(v value, s *Service) {
	if path := c.socket(s, "i"); len(path) > MaxSocketPath {
		v.fail("comes to %d bytes even with an id of one letter: a socket's path has at most %d", len(path), MaxSocketPath)
		return
	}
	fits := true
	for _, name := range c.Instances {
		if path := c.socket(s, name.ID); name.Service == s.Name && len(path) > MaxSocketPath {
			v.fail("comes to %d bytes for %s: a socket's path has at most %d", len(path), name, MaxSocketPath)
			fits = false
		}
	}
	longest := strings.Repeat("i", maxName)
	if over := len(c.socket(s, longest)) - MaxSocketPath; fits && over > 0 && strings.Contains(s.Socket, "{id}") {
		v.remark("fits only while ids are short: the longest would make it %d bytes too long", over)
	}
}

// socket is the path that a service's own template gives to one tenant.
func (c *Config) socket(s *Service, id string) string {
	v := Vars{Name: s.Name, ID: id, DataDir: c.Settings.DataDir, Port: 1}
	v.InstanceDir = fmt.Sprintf("%s/%s/%s", v.DataDir, s.Name, id)
	return s.Expand(v).Socket
}
