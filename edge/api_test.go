package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tenement/actors"
)

func TestAPI_RefusalsSayWhatAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		about, token, method, target, body string
		status                             int
		says                               string
	}{
		{"no route", "admin", "GET", "/api/nothing", "", 404, `no such route: \"/api/nothing\"`},
		{"routes of later issues", "admin", "POST", "/api/rollout", "{}", 404, "no such route"},
		{"metrics without a token", "", "GET", "/metrics", "", 401, "no token"},
		{"telemetry without a token", "", "GET", "/api/telemetry", "", 401, "no token"},
		{"an encoded slash", "admin", "GET", "/api/instances/notes:a/b/health", "", 404, "no such route"},
		{"an empty segment", "admin", "GET", "/api/instances//health", "", 404, "no such route"},
		{"wrong method", "admin", "PATCH", "/api/instances", "", 405, "use GET"},
		{"wrong method without a token", "", "POST", "/health", "", 405, "use GET"},
		{"no token", "", "GET", "/api/instances", "", 401, "no token"},
		{"wrong token", "wrong", "GET", "/api/instances", "", 401, "unknown or expired token"},
		{"wrong token, wrong name", "wrong", "GET", "/api/instances/../health", "", 401, "unknown"},
		{"tenant on an admin route", "alice", "POST", "/api/tokens", "{}", 403, "admin token"},
		{"bad name", "admin", "GET", "/api/instances/notes:../health", "", 400, `\"..\"`},
		{"no colon", "admin", "DELETE", "/api/instances/notes", "", 400, "SERVICE:ID"},
		{"dot", "admin", "GET", "/api/instances/notes:./why", "", 400, "not a valid name"},
		{"still encoded", "admin", "GET", "/api/instances/notes:%2f/why", "", 400, "not a valid name"},
		{"NUL", "admin", "GET", "/api/instances/notes:\x00/why", "", 400, "not a valid name"},
		{"64 bytes", "admin", "GET", "/api/instances/notes:" + strings.Repeat("a", 64) + "/why", "", 400, "63 characters"},
		{"unknown tenant", "admin", "GET", "/api/instances/notes:zoe/why", "", 404, "ten ps --all"},
		{"no body", "admin", "POST", "/api/instances/spawn", "", 400, "JSON object is expected"},
		{"no JSON", "admin", "POST", "/api/instances/spawn", "{", 400, "JSON object"},
		{"a list", "admin", "POST", "/api/instances/spawn", "[]", 400, "JSON object"},
		{"wrong type", "admin", "POST", "/api/instances/spawn", `{"process":1,"id":"x"}`, 400, `field \"process\": a string is expected, not a number`},
		{"wrong type of a flag", "admin", "POST", "/api/instances/forget", `{"delete_data":"yes"}`, 400, `field \"delete_data\": a true or false is expected`},
		{"field missing", "admin", "POST", "/api/instances/spawn", `{"process":"notes"}`, 400, `field \"id\" is missing`},
		{"other field missing", "admin", "POST", "/api/instances/spawn", `{"id":"x"}`, 400, `field \"process\" is missing`},
		{"bad id in a body", "admin", "POST", "/api/instances/spawn", `{"process":"notes","id":"a/b"}`, 400, "not a valid name"},
		{"bad name among many", "admin", "POST", "/api/instances/register", `{"instances":["notes:a","notes"]}`, 400, "SERVICE:ID"},
		{"deploy without a version", "admin", "POST", "/api/deploy", `{"process":"notes"}`, 400, `field \"version\" is missing`},
		{"deploy of a path", "admin", "POST", "/api/deploy", `{"process":"notes","version":"../x"}`, 400, "not a valid name"},
		{"deploy too heavy", "admin", "POST", "/api/deploy", `{"process":"notes","version":"v","weight":101}`, 400, "0 to 100"},
		{"deploy for a day", "admin", "POST", "/api/deploy", `{"process":"notes","version":"v","timeout":86400}`, 400, "1 to 3600 seconds"},
		{"route to itself", "admin", "POST", "/api/route", `{"process":"notes","from":"v","to":"V"}`, 400, "two instances"},
		{"route from nowhere", "admin", "POST", "/api/route", `{"process":"notes","to":"v"}`, 400, `field \"from\" is missing`},
		{"weight missing", "admin", "PUT", "/api/instances/notes:alice/weight", `{}`, 400, "0 to 100"},
		{"weight too large", "admin", "PUT", "/api/instances/notes:alice/weight", `{"weight":101}`, 400, "0 to 100"},
		{"weight negative", "admin", "PUT", "/api/instances/notes:alice/weight", `{"weight":-1}`, 400, "0 to 100"},
		{"weight a half", "admin", "PUT", "/api/instances/notes:alice/weight", `{"weight":0.5}`, 400, `field \"weight\"`},
		{"flag", "admin", "GET", "/api/instances?all=maybe", "", 400, "all="},
		{"too large", "admin", "POST", "/api/instances/register", strings.Repeat(" ", maxBody+1), 413, "larger than 1048576 bytes"},
	} {
		t.Run(c.about, func(t *testing.T) {
			d := newAsker(t)
			d.ask(c.token, c.method, c.target, c.body).wants(t, c.status, c.says)
			if deeds := d.host.deeds(); len(deeds) > 0 {
				t.Errorf("the host was asked all the same: %q", deeds)
			}
		})
	}
}

func TestAPI_ErrorsOfTheHostBecomeStatuses(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		retry  time.Duration
		says   string
	}{
		{actors.ErrUnknownService, 404, 0, "ten config"},
		{actors.ErrUnknownTenant, 404, 0, "ten register"},
		{&actors.Refusal{Cause: actors.CauseFailed, RetryAfter: 7 * time.Second, Reason: "exit status 3"}, 503, 7 * time.Second, "exit status 3"},
		{&actors.Refusal{Cause: actors.CauseHeld, Reason: "held"}, 503, 0, "held"},
		{&actors.Refusal{Cause: actors.CauseStartTimeout, Reason: "never ready"}, 504, 0, "never ready"},
		{actors.ErrStopping, 503, time.Second, "the daemon is stopping"},
		{context.Canceled, 503, time.Second, "canceled"},
		{errors.New("disk on fire"), 500, 0, "disk on fire"},
	} {
		for _, route := range []struct{ method, path, body, what string }{
			{"POST", "/api/instances/spawn", `{"process":"notes","id":"alice"}`, "cannot spawn notes:alice"},
			{"POST", "/api/instances/register", `{"process":"notes","id":"alice"}`, "cannot register"},
			{"POST", "/api/instances/forget", `{"process":"notes","id":"alice"}`, "cannot forget notes:alice"},
			{"DELETE", "/api/instances/notes:alice", "", "cannot stop notes:alice"},
			{"POST", "/api/instances/notes:alice/restart", "", "cannot restart notes:alice"},
			{"POST", "/api/instances/notes:alice/hold", "", "cannot hold notes:alice"},
			{"POST", "/api/instances/notes:alice/unhold", "", "cannot unhold notes:alice"},
			{"GET", "/api/instances/notes:alice/health", "", "cannot tell the health of notes:alice"},
			{"GET", "/api/instances/notes:alice/why", "", "cannot explain notes:alice"},
			{"GET", "/api/instances/notes:alice/storage", "", "cannot measure notes:alice"},
			{"PUT", "/api/instances/notes:alice/weight", `{"weight":5}`, "cannot set the weight of notes:alice"},
			{"POST", "/api/tokens", `{}`, "cannot make a token"},
		} {
			d := newAsker(t)
			d.host.fail = c.err
			r := d.ask("admin", route.method, route.path, route.body)
			r.wants(t, c.status, route.what)
			r.wants(t, c.status, c.says)
			if r.RetryAfter != c.retry {
				t.Errorf("%v: Retry-After %s, want %s", c.err, r.RetryAfter, c.retry)
			}
		}
	}
}

func TestAPI_UnknownFieldsAreLetPass(t *testing.T) {
	newAsker(t).ask("admin", "POST", "/api/instances/spawn", `{"process":"notes","id":"new","colour":"red"}`).wants(t, 200, "notes:new")
}

func TestAPI_HeadIsAskedLikeGet(t *testing.T) {
	d := newAsker(t)
	d.ask("", "HEAD", "/health", "").wants(t, 200, `{"status":"ok"}`)
	if r := d.ask("admin", "HEAD", "/api/logs/stream", ""); r.Status != 200 || r.Stream != nil {
		t.Errorf("HEAD of the stream: status %d, streams %t", r.Status, r.Stream != nil)
	}
}

func TestAPI_LongTextOfAStrangerIsClipped(t *testing.T) {
	r := newAsker(t).ask("", "GET", "/"+strings.Repeat("x", 5000), "")
	if r.Status != http.StatusNotFound || len(r.Body) > 300 {
		t.Errorf("%d with %d bytes", r.Status, len(r.Body))
	}
}

func FuzzAPI_StrangersGetNoAnswerAndBreakNothing(f *testing.F) {
	for _, r := range apiRoutes {
		f.Add(r.Method, strings.ReplaceAll(r.Pattern, instanceSegment, "notes:alice"), `{"process":"notes","id":"alice"}`, "Bearer x", "all=1&limit=9")
	}
	f.Add("GET", "/api/instances/notes:%00/health", "[]", "bearer  ", "level=\x00")
	f.Fuzz(func(t *testing.T, method, path, body, authorization, query string) {
		d := newAsker(t)
		c := apiCall("", method, path+"?"+query, body)
		c.Path, c.Authorization = path, authorization
		if token := bearer(authorization); token == "admin" || token == "alice" || token == "notes-bob" {
			t.Skip("a valid token")
		}
		reply := d.Serve(context.Background(), c)
		route, _ := findRoute(method, path)
		if public := route != nil && route.Who == WhoPublic; reply.Status < 400 && !public {
			t.Errorf("%s %q answered %d without a token", method, path, reply.Status)
		}
		if reply.Status >= 400 && reply.errorText() == "" {
			t.Errorf("%s %q: %d without a JSON error", method, path, reply.Status)
		}
		if deeds := d.host.deeds(); len(deeds) > 0 {
			t.Errorf("a stranger made the host do %q", deeds)
		}
		c.Local = true // and with every right, whatever was sent: an answer
		if reply := d.Serve(context.Background(), c); reply.Status == 0 {
			t.Error("no answer")
		}
	})
}
