package edge

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

func TestUsageRoute_ATenantSeesItsOwnDays(t *testing.T) {
	d := newAsker(t)
	for token, want := range map[string][]string{
		"admin": {"notes:alice", "notes:bob", "shop:alice"}, "local": {"notes:alice", "notes:bob", "shop:alice"},
		"alice": {"notes:alice", "shop:alice"}, "notes-bob": {"notes:bob"},
	} {
		list := decodedReply[[]UsageJSON](t, d.ask(token, "GET", "/api/usage?since=2026-11-01&until=2026-11-01", ""))
		var names []string
		for _, row := range list {
			names = append(names, row.Instance)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s sees %q, want %q", token, names, want)
		}
		if len(list) > 0 && list[0] != (UsageJSON{
			Day: "2026-11-01", Instance: want[0], CPUSeconds: 1.235, MemoryGBSeconds: 2.5, AwakeSeconds: 60, Requests: 7, BytesIn: 100, BytesOut: 2000, Wakes: 3,
		}) {
			t.Errorf("%+v", list[0])
		}
	}
	d.ask("notes-bob", "GET", "/api/usage?id=alice", "").wants(t, 403, "another tenant")
}

func TestUsageRoute_DaysAreReadAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(40 * 24 * time.Hour) // 2000-02-10
		d := newAsker(t)
		for query, want := range map[string]string{
			"":                                   "usage 2000-01-12 2000-02-10",
			"?since=1d":                          "usage 2000-02-10 2000-02-10",
			"?since=30d&until=2d":                "usage 2000-01-12 2000-02-09",
			"?since=1999-12-31&until=1999-12-31": "usage 1999-12-31 1999-12-31",
		} {
			d.ask("admin", "GET", "/api/usage"+query, "").wants(t, 200, "[")
			if deeds := d.host.deeds(); deeds[len(deeds)-1] != want {
				t.Errorf("%q asks for %q, want %q", query, deeds[len(deeds)-1], want)
			}
		}
		for query, says := range map[string]string{
			"?since=yesterday": `since=\"yesterday\": a day like 2026-11-01 or a number of days like 30d`,
			"?since=0d":        "since=", "?since=-1d": "since=", "?since=99999d": "since=", "?until=2026-02-30": "until=", "?since=d": "since=",
			"?since=2000-02-02&until=2000-02-01": "since=2000-02-02 is after until=2000-02-01",
			"?process=..":                        "process=",
		} {
			d.ask("admin", "GET", "/api/usage"+query, "").wants(t, 400, says)
		}
		d.host.fail = errors.New("no registry")
		d.ask("admin", "GET", "/api/usage", "").wants(t, 500, "cannot tell what tenants used: no registry")
		d.ask("admin", "GET", "/api/usage/now", "").wants(t, 500, "cannot tell what tenants use: no registry")
	})
}

func TestUsageNow_ShowsWhoIsAwake(t *testing.T) {
	d := newAsker(t)
	got := decodedReply[UsageNowJSON](t, d.ask("admin", "GET", "/api/usage/now", ""))
	if got.Timestamp != 5000 || len(got.Instances) != 1 {
		t.Fatalf("%+v", got)
	}
	if one := got.Instances[0]; one.Instance != "notes:alice" || one.MemoryBytes != 64e6 || one.CPUSeconds != 1.235 || one.Requests != 7 || one.State != "running" {
		t.Errorf("%+v", one)
	}
	if none := decodedReply[UsageNowJSON](t, d.ask("notes-bob", "GET", "/api/usage/now", "")); none.Instances == nil || len(none.Instances) != 0 {
		t.Errorf("bob sees %+v", none)
	}
}

func TestUsageRoute_AnAnswerIsBounded(t *testing.T) {
	d := newAsker(t)
	reply := NewAPI(APIOptions{Host: manyRows{d.host}, Log: d.log}).Serve(t.Context(), apiCall("admin", "GET", "/api/usage", ""))
	reply.wants(t, 400, "200001 days of tenants match, an answer has 200000 at most")
}

// manyRows is a host with more than one answer holds.
type manyRows struct{ *apiHost }

func (manyRows) Usage(context.Context, string, string, func(conf.Instance) bool) ([]ledger.UsageRow, error) {
	return make([]ledger.UsageRow, maxUsageRows+1), nil
}
