package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tenement/actors"
)

// tableHost has the three tenants of newAPIHost and four more.
func tableHost(t *testing.T) asker {
	d := newAsker(t)
	since := time.UnixMilli(7000)
	d.host.add("notes:carol", actors.Info{State: "failed", Health: "failed", Reason: "Exit status 3 <b>", Restarts: 5, Since: since, Weight: 10, Weighted: true})
	d.host.add("notes:dave", actors.Info{State: "starting", Pid: 4, Uptime: time.Second, Weight: 20, Weighted: true})
	d.host.add("notes:erin", actors.Info{State: "running", Pid: 5, Uptime: time.Hour, Requests: 9, Inflight: 1, Idle: time.Minute})
	d.host.add("notes:frank", actors.Info{State: "held", Weight: 20})
	return d
}

func TestTenants_ArePagedSearchedAndSorted(t *testing.T) {
	d := tableHost(t)
	for _, c := range []struct {
		query, want     string
		matching, total int
	}{
		{"", "notes:alice notes:bob notes:carol notes:dave notes:erin notes:frank shop:alice", 7, 7},
		{"?limit=2", "notes:alice notes:bob", 7, 7},
		{"?limit=2&offset=5", "notes:frank shop:alice", 7, 7},
		{"?offset=7", "", 7, 7},
		{"?offset=1000000", "", 7, 7},
		{"?search=LICE", "notes:alice shop:alice", 2, 7},
		{"?search=+status+3+", "notes:carol", 1, 7},
		{"?search=%3Cb%3E", "notes:carol", 1, 7},
		{"?search=nobody", "", 0, 7},
		{"?process=shop", "shop:alice", 1, 1},
		{"?process=notes&id=erin", "notes:erin", 1, 1},
		{"?state=awake", "notes:alice notes:dave notes:erin", 3, 7},
		{"?state=running", "notes:alice notes:erin", 2, 7},
		{"?state=held", "notes:frank", 1, 7},
		{"?weighted=true&sort=-weight", "notes:dave notes:carol", 2, 7},
		{"?sort=-requests&limit=1", "notes:erin", 7, 7},
		{"?sort=-restarts&limit=1", "notes:carol", 7, 7},
		{"?sort=-uptime&limit=2", "notes:erin notes:dave", 7, 7},
		{"?sort=-idle&limit=1", "notes:erin", 7, 7},
		{"?sort=-since&limit=1", "notes:carol", 7, 7},
		{"?sort=-name&limit=2", "shop:alice notes:frank", 7, 7},
		{"?sort=state&limit=3", "notes:bob shop:alice notes:carol", 7, 7},
	} {
		list := decodedReply[TenantsJSON](t, d.ask("admin", "GET", "/api/tenants"+c.query, ""))
		var ids []string
		for _, row := range list.Tenants {
			ids = append(ids, row.ID)
		}
		if got := strings.Join(ids, " "); got != c.want || list.Matching != c.matching || list.Total != c.total {
			t.Errorf("%s: %q, %d of %d", c.query, got, list.Matching, list.Total)
		}
	}
}

func TestTenants_ARowIsWhole(t *testing.T) {
	d := tableHost(t)
	list := decodedReply[TenantsJSON](t, d.ask("admin", "GET", "/api/tenants", ""))
	i := slices.IndexFunc(list.Tenants, func(r TenantRowJSON) bool { return r.ID == "notes:erin" })
	erin := list.Tenants[i]
	if erin.State != "running" || erin.UptimeSecs != 3600 || erin.IdleSecs != 60 || erin.Inflight != 1 || erin.Requests != 9 ||
		erin.MemoryBytes == nil || *erin.MemoryBytes != 1<<20 || erin.CPUSecs == nil || *erin.CPUSecs != 1 || erin.Since != 0 {
		t.Errorf("%+v", erin)
	}
	carol := list.Tenants[2]
	if carol.Reason != "Exit status 3 <b>" || carol.Since != 7000 || carol.MemoryBytes != nil || carol.CPUSecs != nil || !carol.Weighted || carol.Weight != 10 || carol.Restarts != 5 {
		t.Errorf("%+v", carol)
	}
}

func TestTenants_RefusalsNameTheParameter(t *testing.T) {
	d := tableHost(t)
	for query, says := range map[string]string{
		"?limit=0": "limit=", "?limit=1001": "from 1 to 1000", "?limit=x": `\"x\"`, "?offset=-1": "offset=", "?offset=1e3": "offset=",
		"?state=dead": "one of awake, asleep", "?sort=colour": "sort=", "?sort=-": "sort=", "?weighted=maybe": "weighted=", "?process=..": "process=", "?id=a/b": "id=",
	} {
		d.ask("admin", "GET", "/api/tenants"+query, "").wants(t, 400, says)
	}
}

// Every state that a tenant can be in can be asked for.
func TestTenants_KnowEveryState(t *testing.T) {
	for s := actors.Asleep; s < actors.Ended; s++ {
		if !slices.Contains(tableStates, s.String()) {
			t.Errorf("%s is missing", s)
		}
	}
}

func TestTenants_AThousandRowsAtMost(t *testing.T) {
	d := newAsker(t)
	for i := range 1500 {
		d.host.add(fmt.Sprintf("notes:n%04d", i), actors.Info{State: "asleep"})
	}
	list := decodedReply[TenantsJSON](t, d.ask("admin", "GET", "/api/tenants?limit=1000&sort=name", ""))
	if len(list.Tenants) != 1000 || list.Total != 1503 {
		t.Errorf("%d of %d", len(list.Tenants), list.Total)
	}
}
