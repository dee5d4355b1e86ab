package edge

import (
	"slices"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

// releasesHost is a host whose notes have the releases v1 and v2, and one tenant at a
// release that the file has no more; the fake's rollout leads to v2.
func releasesHost(t *testing.T) asker {
	d := newAsker(t)
	d.host.config.Services["notes"].Releases = map[string]*conf.Service{"v2": {}, "v1": {}}
	d.host.add("notes:carol", actors.Info{State: "running", Pid: 7, Release: "v1", Awaits: "v2"})
	d.host.add("notes:dave", actors.Info{State: "asleep", Release: "v2"})
	d.host.add("notes:erin", actors.Info{State: "asleep", Release: "v2"})
	d.host.add("notes:frank", actors.Info{State: "asleep", Release: "gone"})
	d.host.add("lost:one", actors.Info{State: "asleep"})
	d.host.service("of-notes", "notes")
	return d
}

func TestReleases_CountWhoIsAtEach(t *testing.T) {
	d := releasesHost(t)
	notes := []ReleaseJSON{
		{Process: "notes", Release: "base", Configured: true, Current: true, Tenants: 2, Awake: 1},
		{Process: "notes", Release: "gone", Tenants: 1},
		{Process: "notes", Release: "v1", Configured: true, Tenants: 1, Awake: 1, Leaving: 1},
		{Process: "notes", Release: "v2", Configured: true, Tenants: 2},
	}
	shop := ReleaseJSON{Process: "shop", Release: "base", Configured: true, Current: true, Tenants: 1}
	for _, c := range []struct {
		token, query string
		want         []ReleaseJSON
	}{
		{"admin", "", append(slices.Clone(notes), shop)},
		{"admin", "?process=shop", []ReleaseJSON{shop}},
		{"admin", "?process=nothing", []ReleaseJSON{}},
		{"of-notes", "", notes},
		{"of-notes", "?process=shop", []ReleaseJSON{}},
		{"alice", "", []ReleaseJSON{}},
		{"notes-bob", "?process=notes", []ReleaseJSON{}},
	} {
		got := decodedReply[[]ReleaseJSON](t, d.ask(c.token, "GET", "/api/releases"+c.query, ""))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s%s:\n%+v\nwant\n%+v", c.token, c.query, got, c.want)
		}
	}
	d.ask("admin", "GET", "/api/releases?process=a/b", "").wants(t, 400, "process")
}

// New tenants begin at the release of a rollout that has proved itself.
func TestReleases_TheCurrentOneIsTheRollouts(t *testing.T) {
	d := releasesHost(t)
	d.host.proved = true
	for _, r := range decodedReply[[]ReleaseJSON](t, d.ask("admin", "GET", "/api/releases?process=notes", "")) {
		if r.Current != (r.Release == "v2") {
			t.Errorf("%+v", r)
		}
	}
}
