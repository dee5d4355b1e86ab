package edge

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// contractRoutes are the rows of contract.md "HTTP API" that exist so far:
// method, path, who, and the JSON fields of request and answer in its order.
// Fields after "+" are additions of ours.
var contractRoutes = []struct{ method, path, who, request, response string }{
	{"GET", "/", "public", "", ""},
	{"GET", "/health", "public", "", "status"},
	{"GET", "/metrics", "any", "", ""},
	{"GET", "/api/telemetry", "any", "", "summary,instances"},
	{"GET", "/api/instances", "any", "", "id,socket,uptime_secs,idle_secs,restarts,health,storage_used_bytes,storage_quota_bytes,weight+state,listen,pid,reason,limit,release"},
	{"POST", "/api/instances/spawn", "scoped", "process,id", "instance,socket,port+listen"},
	{"POST", "/api/instances/register", "admin", "process,id+instances", "instance+instances,added"},
	{"POST", "/api/instances/forget", "admin", "process,id,delete_data", ""},
	{"DELETE", "/api/instances/{instance}", "scoped", "", ""},
	{"POST", "/api/instances/{instance}/restart", "scoped", "", "instance,socket,port+listen"},
	{"PUT", "/api/instances/{instance}/weight", "scoped", "weight", "instance,weight"},
	{"GET", "/api/instances/{instance}/health", "scoped", "", "instance,health,limit"},
	{"GET", "/api/instances/{instance}/storage", "scoped", "", "used_bytes,quota_bytes,usage_percent,path,measured,enforced"},
	{"POST", "/api/deploy", "admin", "process,version,weight,timeout", "instance,socket,weight,status"},
	{"POST", "/api/route", "admin", "process,from,to", "from_instance,to_instance,from_weight,to_weight"},
	{"GET", "/api/tls/status", "any", "", "enabled,domain,staging,https_port,http_port+acme,directory,dns_hook,certificates,budget,pending,failures"},
	{"GET", "/api/logs", "scoped", "", "timestamp,level,process,instance_id,message"},
	{"GET", "/api/logs/stream", "scoped", "", "timestamp,level,process,instance_id,message"},
	// Not in the contract's table, but in the issue.
	{"POST", "/api/instances/{instance}/hold", "scoped", "", ""},
	{"POST", "/api/instances/{instance}/unhold", "scoped", "", ""},
	{"GET", "/api/instances/{instance}/why", "scoped", "", "+instance,state,since,since_secs,reason,health,limit,listen,pid,generation,uptime_secs,idle_secs,inflight,requests,restarts,weight,holds,next,release"},
	{"GET", "/api/events", "scoped", "", "+number,timestamp,instance,from,to,event,reason,generation"},
	{"GET", "/api/events/stream", "scoped", "", "+number,timestamp,instance,from,to,event,reason,generation"},
	{"GET", "/api/usage", "scoped", "", "+day,instance,cpu_seconds,memory_gb_seconds,awake_seconds,requests,bytes_in,bytes_out,wakes"},
	{"GET", "/api/usage/now", "any", "", "+timestamp,instances"},
	{"GET", "/api/instances/{instance}/env", "scoped", "", "+instance,env"},
	{"PATCH", "/api/instances/{instance}/env", "admin", "+env,secrets,restart", "+instance,changed,effect"},
	{"GET", "/api/instances/{instance}/limits", "scoped", "", "+instance,own,all"},
	{"PATCH", "/api/instances/{instance}/limits", "admin", "+limits,restart", "+instance,changed,effect"},
	{"POST", "/api/instances/provision", "admin", "+instance,env,secrets,limits,weight", "+added,changed,unchanged,restart_needed"},
	{"POST", "/api/instances/import", "admin", "+services,instances", "+instances,added,skipped"},
	{"POST", "/api/reload", "admin", "", "+changes"},
	{"POST", "/api/tokens", "admin", "tenant,description+service,read_only,expires_secs", "token,scope+id"},
	{"GET", "/api/tokens", "admin", "", "+id,scope,for,read_only,description,created,expires"},
	{"POST", "/api/tokens/revoke", "admin", "+id", ""},
	{"GET", "/api/instances/{instance}/history", "scoped", "", "+now,step_secs,times,cpu_percent,memory_bytes,requests_per_sec"},
	{"GET", "/api/releases", "any", "", "+process,release,configured,current,tenants,awake,leaving"},
	{"GET", "/api/rollouts", "any", "", "+process,number,to,from,state,proved,reason,tenants,moved,left,failed,batch,first,canary,started,ended"},
	{"POST", "/api/rollouts", "admin", "+process,to,canary,batch,timeout", "+process,number,to,from,state,proved,reason,tenants,moved,left,failed,batch,first,canary,started,ended"},
	{"POST", "/api/rollouts/abort", "admin", "+process", "+process,number,to,from,state,proved,reason,tenants,moved,left,failed,batch,first,canary,started,ended"},
	{"GET", "/api/rollouts/stream", "scoped", "", "+process,number,to,from,state,proved,reason,tenants,moved,left,failed,batch,first,canary,started,ended"},
	{"GET", "/api/domains", "any", "", "domain,unicode,instance,created"},
	{"POST", "/api/domains", "admin", "process,id,domain", "domain,unicode,instance,created"},
	{"GET", "/api/tls/ask", "public", "", "status"},
	{"GET", "/assets/{asset}", "public", "", ""},
	{"GET", "/_tenement", "public", "", ""},
	{"GET", "/_tenement/", "public", "", ""},
	{"GET", "/_tenement/assets/{asset}", "public", "", ""},
	{"POST", "/api/login", "public", "+token", "+csrf,scope,for,read_only,description,domain"},
	{"POST", "/api/logout", "public", "", ""},
	{"GET", "/api/session", "any", "", "+scope,for,read_only,description,domain"},
	{"GET", "/api/overview", "any", "", "+now,registered,awake,states,requests,inflight,memory_bytes,cpu_secs,services,server,wakes"},
	{"GET", "/api/history", "admin", "", "+times,memory_bytes,tenants_memory_bytes,cpu_percent,tenants_cpu_percent"},
	{"GET", "/api/tenants", "any", "", "+total,matching,offset,tenants"},
	{"POST", "/api/domains/remove", "admin", "domain", "domain,unicode,instance,created"},
}

func TestRoutes_MatchTheContract(t *testing.T) {
	if len(contractRoutes) != len(Routes()) {
		t.Errorf("%d routes, the contract has %d", len(Routes()), len(contractRoutes))
	}
	for _, want := range contractRoutes {
		i := slices.IndexFunc(Routes(), func(r Route) bool { return r.Method == want.method && r.Pattern == want.path })
		if i < 0 {
			t.Errorf("%s %s is missing", want.method, want.path)
			continue
		}
		r := Routes()[i]
		if string(r.Who) != want.who {
			t.Errorf("%s %s is for %s, want %s", r.Method, r.Pattern, r.Who, want.who)
		}
		if got := jsonFields(r.Request); got != flatFields(want.request) {
			t.Errorf("%s %s takes %q, want %q", r.Method, r.Pattern, got, flatFields(want.request))
		}
		if got := jsonFields(r.Response); got != flatFields(want.response) {
			t.Errorf("%s %s answers %q, want %q", r.Method, r.Pattern, got, flatFields(want.response))
		}
		if r.About == "" {
			t.Errorf("%s %s is not described", r.Method, r.Pattern)
		}
	}
}

func flatFields(s string) string { return strings.TrimPrefix(strings.ReplaceAll(s, "+", ","), ",") }

// jsonFields are the JSON names of a shape, in order.
func jsonFields(shape any) string {
	if shape == nil {
		return ""
	}
	typ := reflect.TypeOf(shape)
	if typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return ""
	}
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Every route, with a token that is not for the tenant it is asked about. A new
// route has to say here how it keeps a tenant's token to its own.
func TestRoutes_ATenantTokenSeesAndActsOnItsOwnOnly(t *testing.T) {
	bodies := map[string]string{
		"/api/instances/spawn":              `{"process":"shop","id":"bob"}`,
		"/api/instances/{instance}/weight":  `{"weight":1}`,
		"/api/instances/{instance}/storage": "",
	}
	for _, r := range Routes() {
		t.Run(r.Method+" "+r.Pattern, func(t *testing.T) {
			d := newAsker(t)
			body := bodies[r.Pattern]
			switch {
			case r.Pattern == "/api/tls/ask": // tells of a name what a visit to it tells
				d.ask("", r.Method, r.Pattern, "").wants(t, 404, "nobody here")
			case r.Who == WhoPublic:
				reply := d.ask("", r.Method, strings.Replace(r.Pattern, assetSegment, "app.css", 1), "")
				if want := publicStatus(r.Pattern); reply.Status != want || strings.Contains(string(reply.Body), "alice") {
					t.Errorf("%d %s", reply.Status, reply.Body)
				}
			case r.Who == WhoAdmin:
				d.ask("notes-bob", r.Method, r.Pattern, `{"process":"notes","id":"bob"}`).wants(t, 403, "admin token")
			case strings.Contains(r.Pattern, instanceSegment):
				for _, foreign := range []string{"notes:alice", "shop:bob", "SHOP:BOB", "notes:nobody", "nothing:alice"} {
					target := strings.Replace(r.Pattern, instanceSegment, foreign, 1)
					d.ask("notes-bob", r.Method, target, body).wants(t, 403, "this token is not for")
				}
			case r.Pattern == "/api/instances/spawn":
				d.ask("notes-bob", r.Method, r.Pattern, body).wants(t, 403, "this token is not for shop:bob")
			case r.Pattern == "/metrics", r.Pattern == "/api/telemetry", r.Pattern == "/api/usage/now":
				d.host.door("shop:alice")
				reply := d.ask("notes-bob", r.Method, r.Pattern, "")
				if body := string(reply.Body); reply.Status != 200 || strings.Contains(body, "alice") || strings.Contains(body, "shop") || strings.Contains(body, "process_") {
					t.Errorf("sees %d %s", reply.Status, body)
				}
			case r.Pattern == "/api/instances":
				reply := d.ask("notes-bob", r.Method, r.Pattern+"?all=true", "")
				if list := decodedReply[[]InstanceJSON](t, reply); len(list) != 1 || list[0].ID != "notes:bob" {
					t.Errorf("sees %+v", list)
				}
			case r.Pattern == "/api/session":
				if s := decodedReply[SessionJSON](t, d.ask("notes-bob", r.Method, r.Pattern, "")); s.For != "notes:bob" {
					t.Errorf("is taken for %+v", s)
				}
			case r.Pattern == "/api/overview":
				reply := d.ask("notes-bob", r.Method, r.Pattern, "")
				if o := decodedReply[OverviewJSON](t, reply); o.Registered != 1 || o.Server != nil || o.CPUSecs != apiUsage.CPU || o.Wakes != nil || len(o.Services) != 1 || o.Services[0].Registered != 1 {
					t.Errorf("sees %s", reply.Body)
				}
			case r.Pattern == "/api/tenants":
				if list := decodedReply[TenantsJSON](t, d.ask("notes-bob", r.Method, r.Pattern, "")); list.Total != 1 || list.Matching != 1 || list.Tenants[0].ID != "notes:bob" {
					t.Errorf("sees %+v", list)
				}
				d.ask("notes-bob", r.Method, r.Pattern+"?process=shop", "").wants(t, 403, "another tenant")
			case r.Pattern == "/api/tls/status":
				if s := decodedReply[TLSStatusJSON](t, d.ask("notes-bob", r.Method, r.Pattern, "")); len(s.Certificates)+len(s.Pending)+len(s.Failures) > 0 {
					t.Errorf("sees %+v", s)
				}
			case r.Pattern == "/api/domains":
				if list := decodedReply[[]DomainJSON](t, d.ask("notes-bob", r.Method, r.Pattern, "")); len(list) != 1 || list[0].Instance != "notes:bob" {
					t.Errorf("sees %+v", list)
				}
			case r.Pattern == "/api/rollouts", r.Pattern == "/api/releases":
				d.ask("notes-bob", r.Method, r.Pattern, "").wants(t, 200, "[]")
			case r.Pattern == "/api/rollouts/stream":
				d.ask("notes-bob", r.Method, r.Pattern+"?process=notes", "").wants(t, 403, "not for all of notes")
			case r.Pattern == "/api/usage", strings.HasPrefix(r.Pattern, "/api/logs"), strings.HasPrefix(r.Pattern, "/api/events"):
				for _, query := range []string{"?id=alice", "?process=shop", "?process=shop&id=bob", "?process=NOTES&id=ALICE"} {
					d.ask("notes-bob", r.Method, r.Pattern+query, "").wants(t, 403, "another tenant")
				}
			default:
				t.Error("nothing says how this route keeps a tenant's token to its own")
			}
			if deeds := d.host.deeds(); len(deeds) > 0 {
				t.Errorf("a foreign token made the host do %q", deeds)
			}
		})
	}
}

// publicStatus is what somebody without a token and a body is answered.
func publicStatus(pattern string) int {
	switch pattern {
	case "/_tenement":
		return 308
	case "/api/login":
		return 400
	case "/api/logout":
		return 401
	}
	return 200
}

func TestRoutes_ATokenForAnIDActsInEveryService(t *testing.T) {
	d := newAsker(t)
	for _, name := range []string{"notes:alice", "shop:alice", "SHOP:Alice"} {
		d.ask("alice", "DELETE", "/api/instances/"+name, "").wants(t, 204, "")
	}
	if deeds := d.host.deeds(); !slices.Equal(deeds, []string{"stop notes:alice", "stop shop:alice", "stop shop:alice"}) {
		t.Errorf("the host did %q", deeds)
	}
}

func TestRoutes_AllowedMethodsAreThoseOfThePath(t *testing.T) {
	for path, want := range map[string]string{
		"/health": "GET", "/api/instances/spawn": "POST, DELETE", "/api/instances/a:b": "DELETE",
		"/api/instances/a:b/weight": "PUT", "/api/instances/a:b/x": "", "/api": "", "": "", "//health": "", "/assets/": "", "/assets/a": "GET", "/assets/a/b": "",
	} {
		if got := allowedMethods(path); got != want {
			t.Errorf("%q answers to %q, want %q", path, got, want)
		}
	}
}
