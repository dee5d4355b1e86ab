package edge

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"

	"tenement/actors"
	"tenement/conf"
)

// ReleaseJSON is a release of a service, and who is at it.
type ReleaseJSON struct {
	Process    string `json:"process"`
	Release    string `json:"release"`    // "base" = the service as configured
	Configured bool   `json:"configured"` // tenants can be moved to it
	Current    bool   `json:"current"`    // tenants that are new begin at it
	Tenants    int    `json:"tenants"`    // have a process of it, or will when they wake
	Awake      int    `json:"awake"`
	Leaving    int    `json:"leaving"` // of those awake: the next process is of another release
}

// releaseCounts are the releases of one service by name.
type releaseCounts map[string]*ReleaseJSON

func (c releaseCounts) at(service, release string) *ReleaseJSON {
	release = releaseName(release)
	if c[release] == nil {
		c[release] = &ReleaseJSON{Process: service, Release: release}
	}
	return c[release]
}

func (c releaseCounts) count(i actors.Info) {
	r := c.at(i.Name.Service, i.Release)
	r.Tenants++
	if i.Awake() {
		r.Awake++
	}
	if i.Awaits != "" {
		r.Leaving++
	}
}

// inOrder is base, then the others by name.
func (c releaseCounts) inOrder() []*ReleaseJSON {
	return slices.SortedFunc(maps.Values(c), func(a, b *ReleaseJSON) int {
		if (a.Release == conf.BaseRelease) != (b.Release == conf.BaseRelease) {
			return map[bool]int{true: -1, false: 1}[a.Release == conf.BaseRelease]
		}
		return cmp.Compare(a.Release, b.Release)
	})
}

// releases answers GET /api/releases.
func (a *API) releases(_ context.Context, r *apiRequest) Reply {
	only, refused := queryName(r, "process")
	if refused != nil {
		return *refused
	}
	all := map[string]releaseCounts{}
	for name, service := range a.host.Config().Services {
		if (only == "" || only == name) && r.who.mayService(name) {
			all[name] = configuredReleases(service)
		}
	}
	for _, info := range a.host.List() {
		if counts := all[info.Name.Service]; counts != nil {
			counts.count(info)
		}
	}
	current := map[string]string{} // base, where there was no rollout
	for _, rollout := range a.host.Rollouts() {
		current[rollout.Service] = rollout.Current()
	}
	list := []ReleaseJSON{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		all[name].at(name, current[name]).Current = true
		for _, release := range all[name].inOrder() {
			list = append(list, *release)
		}
	}
	return answerJSON(http.StatusOK, list)
}

func configuredReleases(s *conf.Service) releaseCounts {
	counts := releaseCounts{}
	for _, release := range append([]string{""}, slices.Collect(maps.Keys(s.Releases))...) {
		counts.at(s.Name, release).Configured = true
	}
	return counts
}
