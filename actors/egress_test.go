package actors

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// A service that needs no way out, one that can do without, and one that cannot.
func TestWayOut_WhereTheHostHasNone(t *testing.T) {
	lacks := errors.New("cannot write the nftables table tenement-1: operation not supported")
	const offer = `write network = "none" to do without, or network = "host" for the host's own network`
	for name, c := range map[string]struct {
		service     conf.Service
		lacks       error
		refused     string
		said, asked bool
	}{
		"none":        {conf.Service{Network: conf.NetworkNone}, lacks, "", false, false},
		"host":        {conf.Service{Network: conf.NetworkHost}, lacks, "", false, false},
		"private":     {conf.Service{Network: conf.NetworkPrivate}, lacks, "", true, true},
		"had":         {conf.Service{Network: conf.NetworkPrivate, Allow: []netip.AddrPort{{}}}, nil, "", false, true},
		"not without": {conf.Service{Network: conf.NetworkPrivate, Allow: []netip.AddrPort{{}}}, lacks, "allow needs a way out of a private network, and this host has none: " + lacks.Error() + "; " + offer, false, true},
	} {
		var log bytes.Buffer
		s := &stage{enclosed: c.lacks}
		h := &Host{launcher: s, log: zerolog.New(&log)}
		h.current.Store(&conf.Config{})
		c.service.Name = "notes"
		got := ""
		if err := h.wayOut(&c.service); err != nil {
			got = err.Error()
		}
		if got != c.refused {
			t.Errorf("%s: got %q", name, got)
		}
		if said := strings.Contains(log.String(), "to do without, or network") && strings.Contains(log.String(), lacks.Error()); said != c.said || !c.said && log.Len() > 0 {
			t.Errorf("%s: the log says %q", name, log.String())
		}
		if s.asked != c.asked {
			t.Errorf("%s: the engine was asked: %v", name, s.asked)
		}
	}
}
