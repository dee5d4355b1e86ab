package edge

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// The matrix: every route of the table, asked by every kind of caller, about its
// own tenant, somebody else's, and names that are none. What must come out is
// said here once more, in other words than the code's.

// scopes are the kinds of tokens; those that may only look begin with "look-".
var scopes = map[string]ledger.Token{
	"admin":       {Scope: ledger.ScopeAdmin},
	"service":     {Scope: ledger.ScopeService, Service: "notes"},
	"tenant":      {Scope: ledger.ScopeTenant, Service: "notes", ID: "bob"},
	"id":          {Scope: ledger.ScopeTenant, ID: "bob"},
	"look-admin":  {Scope: ledger.ScopeAdmin, ReadOnly: true},
	"look-srv":    {Scope: ledger.ScopeService, Service: "notes", ReadOnly: true},
	"look-tenant": {Scope: ledger.ScopeTenant, Service: "notes", ID: "bob", ReadOnly: true},
	"look-id":     {Scope: ledger.ScopeTenant, ID: "bob", ReadOnly: true},
}

// owns is who a token is for, of the tenants that the matrix asks about.
var owns = map[string][]string{
	"admin":   {"notes:bob", "NOTES:Bob", "notes:alice", "shop:bob", "shop:alice", "notes:nobody", "nothing:bob"},
	"service": {"notes:bob", "NOTES:Bob", "notes:alice", "notes:nobody"},
	"tenant":  {"notes:bob", "NOTES:Bob"},
	"id":      {"notes:bob", "NOTES:Bob", "shop:bob", "nothing:bob"},
}

func ownedBy(scope string, name string) bool {
	kind := map[string]string{"look-admin": "admin", "look-srv": "service", "look-tenant": "tenant", "look-id": "id"}[scope]
	if kind == "" {
		kind = scope
	}
	return slices.Contains(owns[kind], name)
}

// malformed are names that nobody may have.
var malformed = []string{
	"notes:..", "notes:.", "notes:b.b", "..:bob", "notes:%2e%2e", "notes:bob%00", "notes:b%6fb", "notes:%62ob", "notes:bob ",
	"notes:bób", "notes:-bob", "notes:bob_", "notes:", ":bob", "notes", "notes:bob:", "notes:bob:alice", "notes:bob\x00", "notes:" + strings.Repeat("b", 64),
}

// naming makes a call of a route about a tenant; false: the route names none.
func naming(r Route, name string) (target, body string, names bool) {
	service, id, _ := strings.Cut(name, ":")
	target = strings.Replace(r.Pattern, instanceSegment, name, 1)
	names = target != r.Pattern
	if slices.Contains(r.Query, "process") && slices.Contains(r.Query, "id") {
		target += "?" + url.Values{"process": {service}, "id": {id}}.Encode()
		names = true
	}
	if r.Request == nil {
		return target, "", names
	}
	fields := map[string]any{}
	var whose, which bool // a tenant's service is among them, its id
	shape := reflect.TypeOf(r.Request)
	list := shape.Kind() == reflect.Slice
	if list {
		shape = shape.Elem()
	}
	for i := range shape.NumField() {
		field, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ",")
		switch field {
		case "instance":
			fields[field] = name
			whose, which = true, true
		case "process":
			fields[field] = service
			whose = true
		case "id", "version", "from", "to":
			fields[field] = id
			which = true
		case "weight", "timeout":
			fields[field] = 1
		case "domain":
			fields[field] = "new.org"
		}
	}
	var whole any = fields
	if list {
		whole = []any{fields}
	}
	text, err := json.Marshal(whole)
	if err != nil {
		panic(err)
	}
	return target, string(text), names || whose && which
}

// verdictOf is what must come out: the statuses that may be, nil for "let in".
func verdictOf(r Route, scope, name string, names, wellFormed bool) []int {
	switch {
	case r.Pattern == "/api/logout": // of a session, which no token is
		return []int{http.StatusUnauthorized}
	case r.Who == WhoPublic:
		return nil
	case scope == "":
		return []int{http.StatusUnauthorized}
	case scope == "wrong":
		return []int{http.StatusUnauthorized, http.StatusTooManyRequests}
	case strings.HasPrefix(scope, "look-") && r.Method != http.MethodGet:
		return []int{http.StatusForbidden}
	case r.Who == WhoAdmin && scope != "admin" && scope != "look-admin":
		return []int{http.StatusForbidden}
	case names && !wellFormed:
		return []int{http.StatusBadRequest, http.StatusNotFound}
	case names && !ownedBy(scope, name):
		return []int{http.StatusForbidden}
	}
	return nil
}

func TestScopes_EveryRouteByEveryTokenAboutEverybody(t *testing.T) {
	well := owns["admin"]
	for _, r := range Routes() {
		t.Run(r.Method+" "+r.Pattern, func(t *testing.T) {
			for _, scope := range append([]string{"", "wrong"}, scopeNames()...) {
				d := newMatrixAsker(t)
				for _, name := range slices.Concat(well, malformed) {
					d.askInMatrix(t, r, scope, name, slices.Contains(well, name))
				}
			}
		})
	}
}

func scopeNames() (names []string) {
	for name := range scopes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (d asker) askInMatrix(t *testing.T, r Route, scope, name string, wellFormed bool) {
	t.Helper()
	d.host.done = nil
	target, body, names := naming(r, name)
	if service, id, _ := strings.Cut(name, ":"); slices.Contains(r.Query, "process") && (service == "" || id == "") {
		return // an empty part of a query asks for all of the caller's
	}
	reply := d.ask(scope, r.Method, target, body)
	want := verdictOf(r, scope, name, names, wellFormed)
	what := fmt.Sprintf("%q about %q: %d %.200s", scope, name, reply.Status, reply.Body)
	switch {
	case want == nil && (reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden || reply.Status == http.StatusInternalServerError):
		t.Errorf("%s, want it let in", what)
	case want != nil && !slices.Contains(want, reply.Status):
		t.Errorf("%s, want %v", what, want)
	case want != nil && reply.errorText() == "":
		t.Errorf("%s, without a JSON error", what)
	}
	if deeds := d.host.deeds(); want != nil && len(deeds) > 0 {
		t.Errorf("%s, and the host did %q", what, deeds)
	}
	if leak := leaks(scope, string(reply.Body)); want == nil && r.Who != WhoPublic && leak != "" {
		t.Errorf("%s, which shows %q", what, leak)
	}
}

// leaks names what a caller must not see in an answer, "" if it is not there.
func leaks(scope, body string) string {
	foreign := map[string][]string{
		"service": {"shop"}, "look-srv": {"shop"}, "tenant": {"alice", "shop"}, "look-tenant": {"alice", "shop"}, "id": {"alice"}, "look-id": {"alice"},
	}
	for _, mark := range foreign[scope] {
		if strings.Contains(body, mark) {
			return mark
		}
	}
	return ""
}

func newMatrixAsker(t *testing.T) asker {
	d := newAsker(t)
	d.host.tokens = maps.Clone(scopes)
	d.host.door("notes:alice")
	d.host.door("shop:alice")
	return d
}

// S9: whoever guesses is slowed down, whoever knows is not.
func TestScopes_AHundredWrongTokensASecondLockNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMatrixAsker(t)
		refused := map[int]int{}
		for i := range 1000 { // ten seconds of it, from one address
			refused[d.ask(fmt.Sprintf("guess-%d", i), "GET", "/api/instances", "").Status]++
			for _, scope := range scopeNames() {
				d.ask(scope, "GET", "/api/instances", "").wants(t, 200, "[")
			}
			time.Sleep(10 * time.Millisecond)
		}
		if refused[401]+refused[429] != 1000 || refused[429] < 980 {
			t.Errorf("the guesses were answered %v, want all refused and nearly all with 429", refused)
		}
	})
}

func BenchmarkScopes_AValidTokenBesideWrongOnes(b *testing.B) {
	h := &apiHost{config: &conf.Config{}, tokens: scopes}
	d := asker{NewAPI(APIOptions{Host: h}), h}
	for b.Loop() {
		d.ask("wrong", "GET", "/api/instances", "")
		if got := d.ask("tenant", "GET", "/api/instances", "").Status; got != 200 {
			b.Fatal(got)
		}
	}
}
