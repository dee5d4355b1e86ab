package edge

import (
	"net/netip"
	"testing"

	"tenement/conf"
)

type configOnly struct {
	Host
	config *conf.Config
}

func (c configOnly) Config() *conf.Config { return c.config }

func TestVisit_AStrangerWhoSaysLocalhostCreatesNobody(t *testing.T) {
	for _, c := range []struct {
		create conf.CreateOnRequest
		from   string
		want   bool
	}{
		{conf.CreateAuto, "127.0.0.1", true},
		{conf.CreateAuto, "::1", true},
		{conf.CreateAuto, "192.0.2.7", false},
		{conf.CreateAlways, "192.0.2.7", true},
	} {
		v := visitor{host: configOnly{config: &conf.Config{Services: map[string]*conf.Service{"notes": {Name: "notes", CreateOnRequest: c.create}}}}}
		x := &exchange{request: request{remote: netip.MustParseAddr(c.from)}}
		if got := v.mayCreate(x, "notes"); got != c.want {
			t.Errorf("%s from %s: %v, want %v", c.create, c.from, got, c.want)
		}
	}
}
