package edge

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"tenement/actors"
)

func TestInstances_TheListHasTheRunningOnesAndOnRequestAll(t *testing.T) {
	d := newAsker(t)
	for _, c := range []struct{ token, target, want string }{
		{"admin", "/api/instances", "notes:alice"},
		{"local", "/api/instances?all=false", "notes:alice"},
		{"admin", "/api/instances?all=true", "notes:alice notes:bob shop:alice"},
		{"alice", "/api/instances?all=true", "notes:alice shop:alice"},
		{"notes-bob", "/api/instances", ""},
	} {
		var names []string
		for _, i := range decodedReply[[]InstanceJSON](t, d.ask(c.token, "GET", c.target, "")) {
			names = append(names, i.ID)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.token, c.target, got, c.want)
		}
	}
	d.ask("notes-bob", "GET", "/api/instances", "").wants(t, 200, "[]") // not null
}

func TestInstances_ARowTellsUnitsAsTheContractHasThem(t *testing.T) {
	used := int64(5)
	row, err := json.Marshal(instanceJSON(actors.Info{
		Name: apiName("notes:alice"), Socket: "/s", Uptime: 90 * time.Second, Idle: 1999 * time.Millisecond, Restarts: 2,
		Health: "healthy", Weight: 7, State: "running", QuotaBytes: 9,
	}, &used))
	want := `{"id":"notes:alice","socket":"/s","uptime_secs":90,"idle_secs":1,"restarts":2,"health":"healthy",` +
		`"storage_used_bytes":5,"storage_quota_bytes":9,"weight":7,"state":"running"}`
	if err != nil || string(row) != want {
		t.Errorf("%s\nwant %s (%v)", row, want, err)
	}
}

func TestInstances_ActionsReachTheHostAndAnswerAsTheContractHasIt(t *testing.T) {
	for _, c := range []struct {
		method, target, body string
		status               int
		says, deed           string
	}{
		{"POST", "/api/instances/spawn", `{"process":"Notes","id":"Dave"}`, 200, `{"instance":"notes:dave","socket":"/run/x.sock","port":20002,"listen":"127.0.0.1:20002"}`, "spawn notes:dave"},
		{"POST", "/api/instances/register", `{"process":"notes","id":"dave"}`, 201, `{"instance":"notes:dave","added":1}`, "register notes:dave"},
		{"POST", "/api/instances/register", `{"process":"notes","id":"alice"}`, 200, `{"instance":"notes:alice","added":0}`, "register notes:alice"},
		{"POST", "/api/instances/register", `{"instances":["NOTES:x","notes:alice"]}`, 201, `{"instances":["notes:x","notes:alice"],"added":1}`, "register notes:x,register notes:alice"},
		{"POST", "/api/instances/forget", `{"process":"notes","id":"bob"}`, 204, "", "forget notes:bob false"},
		{"POST", "/api/instances/forget", `{"process":"notes","id":"bob","delete_data":true}`, 204, "", "forget notes:bob true"},
		{"DELETE", "/api/instances/Notes:Alice", "", 204, "", "stop notes:alice"},
		{"POST", "/api/instances/notes:alice/restart", "", 200, `{"instance":"notes:alice","socket":"/run/a.sock","port":20001,"listen":"127.0.0.1:20001"}`, "restart notes:alice"},
		{"POST", "/api/instances/notes:alice/hold", "", 204, "", "hold notes:alice"},
		{"POST", "/api/instances/notes:alice/unhold", "", 204, "", "unhold notes:alice"},
		{"POST", "/api/deploy", `{"process":"notes","version":"v2"}`, 200, `{"instance":"notes:v2","socket":"/run/x.sock","weight":100,"status":"healthy"}`, "deploy notes:v2 100 30s"},
		{"POST", "/api/deploy", `{"process":"notes","version":"v2","weight":0,"timeout":7}`, 200, `{"instance":"notes:v2","socket":"/run/x.sock","weight":0,"status":"healthy"}`, "deploy notes:v2 0 7s"},
		{"POST", "/api/route", `{"process":"notes","from":"v1","to":"v2"}`, 200, `{"from_instance":"notes:v1","to_instance":"notes:v2","from_weight":0,"to_weight":100}`, "route notes:v1 notes:v2"},
		{"PUT", "/api/instances/notes:alice/weight", `{"weight":0}`, 200, `{"instance":"notes:alice","weight":0}`, "weight notes:alice 0"},
		{"GET", "/api/instances/notes:alice/health", "", 200, `{"instance":"notes:alice","health":"healthy"}`, ""},
		{"GET", "/health", "", 200, `{"status":"ok"}`, ""},
	} {
		d := newAsker(t)
		r := d.ask("admin", c.method, c.target, c.body)
		if r.Status != c.status || string(r.Body) != c.says {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.target, r.Status, r.Body, c.status, c.says)
		}
		if got := strings.Join(d.host.deeds(), ","); got != c.deed {
			t.Errorf("%s %s made the host do %q, want %q", c.method, c.target, got, c.deed)
		}
	}
}

func TestInstances_WhyTellsStateHoldsAndWhatComesNext(t *testing.T) {
	d := newAsker(t)
	alice := d.host.tenants[apiName("notes:alice")]
	alice.Since, alice.Reason = time.Now().Add(-time.Minute), "woken by a request"
	d.host.tenants[alice.Name] = alice
	w := decodedReply[WhyJSON](t, d.ask("alice", "GET", "/api/instances/notes:alice/why", ""))
	if w.State != "running" || w.Pid != 4711 || w.SinceSecs != 60 || w.Since != alice.Since.UnixMilli() || w.Reason != alice.Reason ||
		w.Next != "sleeps 300 s after its last use" || !slices.Equal(w.Holds, []string{"one request is inside"}) {
		t.Errorf("%+v", w)
	}
	if w := whyJSON(actors.Explanation{}); w.Since != 0 || w.Holds == nil {
		t.Errorf("of nobody: %+v", w)
	}
}

func TestInstances_TheFrontPageNamesNobody(t *testing.T) {
	r := newAsker(t).ask("", "GET", "/", "")
	if r.Status != 200 || !strings.HasPrefix(r.ContentType, "text/html") || !strings.Contains(string(r.Body), "ten ps") || strings.Contains(string(r.Body), "notes") {
		t.Errorf("%d %s %s", r.Status, r.ContentType, r.Body)
	}
}
