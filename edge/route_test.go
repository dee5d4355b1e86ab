package edge

import (
	"testing"

	"tenement/conf"
)

func TestRoute_FollowsTheContractsTable(t *testing.T) {
	plain := &conf.Routing{}
	routed := &conf.Routing{
		Subdomain: map[string]string{"app": "notes"},
		Default:   "front",
		Path:      map[string]string{"/blog": "blog", "/blog/old/": "archive", "/api": "notes"},
	}
	api, nobody := route{to: toAPI}, route{}
	apex := func(s string) route { return route{to: toApex, name: conf.Instance{Service: s}} }
	tenant := func(s, id string) route { return route{to: toTenant, name: conf.Instance{Service: s, ID: id}} }
	for _, c := range []struct {
		routing      *conf.Routing
		domain, host string
		path         string
		want         route
	}{
		{plain, "example.test", "alice.notes.example.test", "/", tenant("notes", "alice")},
		{plain, "example.test", "ALICE.notes.Example.test.:81", "/api/x", tenant("notes", "alice")},
		{plain, "example.test", "notes.example.test", "/", apex("notes")},
		{plain, "example.test", "example.test", "/", api},
		{plain, "example.test", "localhost", "/", api},
		{plain, "example.test", "127.0.0.1:8080", "/", api},
		{plain, "example.test", "169.254.169.254", "/latest/meta-data", api},
		{plain, "example.test", "[::1]", "/", api},
		{plain, "localhost", "alice.notes.localhost", "/", tenant("notes", "alice")},
		{plain, "localhost", "localhost", "/", api},
		{plain, "localhost", "example.test", "/", nobody},
		{plain, "example.test", "a.b.c.example.test", "/", nobody},
		{plain, "example.test", "notexample.test", "/", nobody},
		{plain, "example.test", "notes.example.test.evil", "/", nobody},
		{plain, "example.test", "test", "/", nobody},
		{plain, "example.test", "-.notes.example.test", "/", nobody},
		{plain, "example.test", "_a.notes.example.test", "/", nobody},
		{plain, "example.test", "a.notes-.example.test", "/", nobody},

		{routed, "example.test", "app.example.test", "/", apex("notes")},
		{routed, "example.test", "alice.app.example.test", "/", tenant("notes", "alice")},
		{routed, "example.test", "example.test", "/", apex("front")},
		{routed, "example.test", "example.test", "/blog", apex("blog")},
		{routed, "example.test", "example.test", "/blog/new", apex("blog")},
		{routed, "example.test", "example.test", "/blog/old", apex("archive")},
		{routed, "example.test", "example.test", "/blog/old/1", apex("archive")},
		{routed, "example.test", "example.test", "/blogger", apex("front")},
		{routed, "example.test", "example.test", "/api", api},
		{routed, "example.test", "example.test", "/api/instances", api},
		{routed, "example.test", "example.test", "/apix", apex("front")},
		{routed, "example.test", "example.test", "/health", api},
		{routed, "example.test", "example.test", "/metrics", api},
		{routed, "example.test", "example.test", "/_tenement/", api},
		{routed, "example.test", "127.0.0.1", "/blog", api},
		{routed, "localhost", "localhost", "/", apex("front")},
	} {
		h, err := parseHost(c.host)
		if err != nil {
			t.Fatal(err)
		}
		if got := routeFor(c.routing, c.domain, h, c.path); got != c.want {
			t.Errorf("%s%s under %s: got %+v, want %+v", c.host, c.path, c.domain, got, c.want)
		}
	}
}

func FuzzRoute_OnlyValidNamesComeOut(f *testing.F) {
	for _, s := range []string{"alice.notes.example.test", "-.x.example.test", "notes.example.test", "a_.b.example.test", "example.test"} {
		f.Add(s, "/")
	}
	f.Fuzz(func(t *testing.T, host, path string) {
		h, err := parseHost(host)
		if err != nil {
			return
		}
		r := routeFor(&conf.Routing{}, "example.test", h, path)
		if r.to == toTenant {
			if n, err := conf.NewInstance(r.name.Service, r.name.ID); err != nil || n != r.name {
				t.Fatalf("%q led to %v: %v", host, r.name, err)
			}
		}
		if n, err := conf.Name(r.name.Service); r.to == toApex && (err != nil || n != r.name.Service) {
			t.Fatalf("%q led to service %q", host, r.name.Service)
		}
	})
}
