package edge

import (
	"net/http"
	"testing"
)

// onlyAlice knows one name.
type onlyAlice struct{}

func (onlyAlice) known(host string) bool {
	return host == "alice.notes.example.com" || host == "al_ice.notes.example.com"
}
func (onlyAlice) wildcards() []string { return nil }

func TestAskTLS_AProxyGetsCertificatesForKnownNamesOnly(t *testing.T) {
	d := newAsker(t)
	d.ask("", "GET", "/api/tls/ask?domain=alice.notes.example.com", "").wants(t, http.StatusNotFound, "nobody here") // before there is a server
	d.names = onlyAlice{}
	d.ask("", "GET", "/api/tls/ask?domain=alice.notes.example.com", "").wants(t, http.StatusOK, `"ok"`)
	for _, name := range []string{"", "bob.notes.example.com", "al_ice.notes.example.com", "192.0.2.1", "a%00b"} {
		d.ask("", "GET", "/api/tls/ask?domain="+name, "").wants(t, http.StatusNotFound, "nobody here")
	}
}

func TestAskTLS_TheServerLendsItsAPIItsNames(t *testing.T) {
	d := newAsker(t)
	w := newWorld(t, func(o *ServerOptions) { o.API = d.API })
	w.tenant(saying(t, "fine"))
	for name, want := range map[string]int{"example.test": 200, "alice.notes.example.test": 200, "bob.notes.example.test": 404, "elsewhere.org": 404} {
		if r := d.ask("", "GET", "/api/tls/ask?domain="+name, ""); r.Status != want {
			t.Errorf("%s: %d, want %d", name, r.Status, want)
		}
	}
}
