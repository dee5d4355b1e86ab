package edge

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"tenement/conf"
)

// Who says who may call a route.
type Who string

// From nobody in particular to the operator.
const (
	WhoPublic Who = "public" // no token
	WhoAny    Who = "any"    // any valid token; sees its own
	WhoScoped Who = "scoped" // a token of the tenant's, or an admin token; logs: sees its own
	WhoAdmin  Who = "admin"
)

// Route is one row of the API: what it answers to, who may ask, and in what shapes.
type Route struct {
	Method   string
	Pattern  string // "{instance}" stands for one segment, S:I; "{asset}" for a file's name
	Who      Who
	About    string
	Request  any // zero value of the body's type; nil = no body
	Response any // zero value of the answer's type; nil = 204
	Query    []string

	handle func(a *API, ctx context.Context, r *apiRequest) Reply
}

// Routes is the whole API, in the order of the reference page.
func Routes() []Route { return slices.Clone(apiRoutes) }

const (
	instanceSegment = "{instance}"
	assetSegment    = "{asset}"
)

// apiRoutes is filled by init because the handlers' type leads back to it.
var apiRoutes []Route

func init() {
	apiRoutes = []Route{
		{Method: "GET", Pattern: "/", Who: WhoPublic, About: "The dashboard", Response: "", handle: (*API).dashboard},
		{Method: "GET", Pattern: "/assets/{asset}", Who: WhoPublic, About: "Its scripts and styles", Response: "", handle: (*API).asset},
		{Method: "GET", Pattern: "/_tenement", Who: WhoPublic, About: "Leads to the dashboard where `[routing] default` has the front page", Response: "", handle: (*API).toDashboard},
		{Method: "GET", Pattern: "/_tenement/", Who: WhoPublic, About: "The dashboard", Response: "", handle: (*API).dashboard},
		{Method: "GET", Pattern: "/_tenement/assets/{asset}", Who: WhoPublic, About: "Its scripts and styles", Response: "", handle: (*API).asset},
		{Method: "POST", Pattern: "/api/login", Who: WhoPublic, About: "Logs a browser in: a cookie, and a secret that has to come as X-Csrf-Token with every call that the cookie speaks for", Request: LoginRequest{}, Response: LoginJSON{}, handle: (*API).login},
		{Method: "POST", Pattern: "/api/logout", Who: WhoPublic, About: "Ends the browser's session", handle: (*API).logout},
		{Method: "GET", Pattern: "/api/session", Who: WhoAny, About: "Who the token is for", Response: SessionJSON{}, handle: (*API).whoami},
		{Method: "GET", Pattern: "/api/overview", Who: WhoAny, About: "States counted, services, what the server and the tenants use, wakes of the last day; the server's own figures are for admins", Response: OverviewJSON{}, handle: (*API).overview},
		{Method: "GET", Pattern: "/api/history", Who: WhoAdmin, About: "What the server and the tenants took in the last day, a look a minute while somebody was awake", Response: HistoryJSON{}, handle: (*API).pastDay},
		{Method: "GET", Pattern: "/api/tenants", Who: WhoAny, About: "One page of the tenants that match, and how many there are", Query: []string{"search", "process", "state", "weighted", "sort", "offset", "limit"}, Response: TenantsJSON{}, handle: (*API).tenants},
		{Method: "GET", Pattern: "/health", Who: WhoPublic, About: "The daemon is up", Response: StatusJSON{}, handle: (*API).alive},
		{Method: "GET", Pattern: "/metrics", Who: WhoAny, About: "Prometheus text; a tenant's token sees its own series", Response: "", handle: (*API).metrics},
		{Method: "GET", Pattern: "/api/telemetry", Who: WhoAny, About: "Running tenants with what their doors have counted", Response: TelemetryJSON{}, handle: (*API).telemetry},
		{Method: "GET", Pattern: "/api/instances", Who: WhoAny, About: "Running tenants; all=true: everybody registered", Query: []string{"all"}, Response: []InstanceJSON{}, handle: (*API).list},
		{Method: "POST", Pattern: "/api/instances/spawn", Who: WhoScoped, About: "Registers and wakes a tenant, waits until it listens", Request: NameRequest{}, Response: StartedJSON{}, handle: (*API).spawn},
		{Method: "POST", Pattern: "/api/instances/register", Who: WhoAdmin, About: "Makes tenants known without starting them", Request: RegisterRequest{}, Response: RegisteredJSON{}, handle: (*API).register},
		{Method: "POST", Pattern: "/api/instances/provision", Who: WhoAdmin, About: "Registers a list of tenants with their own settings; what is so already is left alone, a bad entry changes nothing", Request: []ProvisionRequest{}, Response: ProvisionedJSON{}, handle: (*API).provision},
		{Method: "POST", Pattern: "/api/instances/import", Who: WhoAdmin, About: "Registers tenants whose directories lie in the data directory already", Request: ImportRequest{}, Response: ImportedJSON{}, handle: (*API).importTenants},
		{Method: "POST", Pattern: "/api/instances/forget", Who: WhoAdmin, About: "Ends and unregisters a tenant; keeps its data unless told", Request: ForgetRequest{}, handle: (*API).forget},
		{Method: "DELETE", Pattern: "/api/instances/{instance}", Who: WhoScoped, About: "Puts a tenant to sleep now", handle: (*API).stop},
		{Method: "POST", Pattern: "/api/instances/{instance}/restart", Who: WhoScoped, About: "Restarts a tenant, wakes a sleeper", Response: StartedJSON{}, handle: (*API).restart},
		{Method: "POST", Pattern: "/api/instances/{instance}/hold", Who: WhoScoped, About: "Keeps a tenant asleep until unhold, spawn or restart", handle: (*API).hold},
		{Method: "POST", Pattern: "/api/instances/{instance}/unhold", Who: WhoScoped, About: "Lets a held tenant wake again", handle: (*API).unhold},
		{Method: "GET", Pattern: "/api/instances/{instance}/health", Who: WhoScoped, About: "Health of a tenant", Response: HealthJSON{}, handle: (*API).health},
		{Method: "GET", Pattern: "/api/instances/{instance}/why", Who: WhoScoped, About: "Its state, since when, what holds it, what happens next", Response: WhyJSON{}, handle: (*API).why},
		{Method: "GET", Pattern: "/api/instances/{instance}/history", Who: WhoScoped, About: "What it took in the last hour: a point each half minute while it was awake", Response: TenantHistoryJSON{}, handle: (*API).tenantHistory},
		{Method: "PUT", Pattern: "/api/instances/{instance}/weight", Who: WhoScoped, About: "Its share of S.DOMAIN, 0..100", Request: WeightRequest{}, Response: WeightJSON{}, handle: (*API).weight},
		{Method: "GET", Pattern: "/api/instances/{instance}/env", Who: WhoScoped, About: "Its own variables, without the values of secrets", Response: EnvJSON{}, handle: (*API).env},
		{Method: "PATCH", Pattern: "/api/instances/{instance}/env", Who: WhoAdmin, About: "Sets variables of its own, null takes one away; its next process has them", Request: EnvRequest{}, Response: OverriddenJSON{}, handle: (*API).setEnv},
		{Method: "GET", Pattern: "/api/instances/{instance}/limits", Who: WhoScoped, About: "Its own limits, and all that hold; 0 is none", Response: LimitsJSON{}, handle: (*API).limits},
		{Method: "PATCH", Pattern: "/api/instances/{instance}/limits", Who: WhoAdmin, About: "Sets limits of its own, null is the service's again; at once where the kernel can", Request: LimitsRequest{}, Response: OverriddenJSON{}, handle: (*API).setLimits},
		{Method: "GET", Pattern: "/api/instances/{instance}/storage", Who: WhoScoped, About: "What its directory holds", Response: StorageJSON{}, handle: (*API).usage},
		{Method: "GET", Pattern: "/api/usage", Who: WhoScoped, About: "What tenants used, by tenant and UTC day; since, until: 2026-11-01 or 30d", Query: []string{"process", "id", "since", "until"}, Response: []UsageJSON{}, handle: (*API).usageByDay},
		{Method: "GET", Pattern: "/api/usage/now", Who: WhoAny, About: "Running tenants with what they have used since the daemon started, and hold now", Response: UsageNowJSON{}, handle: (*API).usageNow},
		{Method: "GET", Pattern: "/api/events", Who: WhoScoped, About: "The last transitions of tenants that match, oldest first", Query: []string{"process", "id", "limit"}, Response: []EventJSON{}, handle: (*API).events},
		{Method: "GET", Pattern: "/api/events/stream", Who: WhoScoped, About: "Transitions as they come (SSE)", Query: []string{"process", "id"}, Response: EventJSON{}, handle: (*API).eventStream},
		{Method: "POST", Pattern: "/api/deploy", Who: WhoAdmin, About: "Wakes a version and gives it its share of S.DOMAIN once it is healthy", Request: DeployRequest{}, Response: DeployedJSON{}, handle: (*API).deploy},
		{Method: "POST", Pattern: "/api/route", Who: WhoAdmin, About: "Moves the traffic of S.DOMAIN from one version to another", Request: RouteRequest{}, Response: RoutedJSON{}, handle: (*API).reroute},
		{Method: "GET", Pattern: "/api/releases", Who: WhoAny, About: "The releases of each service that the caller may see whole, and how many tenants are at each", Query: []string{"process"}, Response: []ReleaseJSON{}, handle: (*API).releases},
		{Method: "GET", Pattern: "/api/rollouts", Who: WhoAny, About: "The newest rollout of each service that the caller may see whole", Query: []string{"process"}, Response: []RolloutJSON{}, handle: (*API).rollouts},
		{Method: "POST", Pattern: "/api/rollouts", Who: WhoAdmin, About: "Begins to move all tenants of a service to a release; what fails is moved back", Request: RolloutRequest{}, Response: RolloutJSON{}, handle: (*API).rollout},
		{Method: "POST", Pattern: "/api/rollouts/abort", Who: WhoAdmin, About: "Has a rollout move everybody back", Request: AbortRequest{}, Response: RolloutJSON{}, handle: (*API).abortRollout},
		{Method: "GET", Pattern: "/api/rollouts/stream", Who: WhoScoped, About: "A rollout as it goes on, to its end (SSE)", Query: []string{"process"}, Response: RolloutJSON{}, handle: (*API).rolloutStream},
		{Method: "POST", Pattern: "/api/reload", Who: WhoAdmin, About: "Reads tenement.toml again and applies what changed; a file with problems changes nothing", Response: ReloadedJSON{}, handle: (*API).reload},
		{Method: "GET", Pattern: "/api/domains", Who: WhoAny, About: "Domains of customers' own", Response: []DomainJSON{}, handle: (*API).domains},
		{Method: "POST", Pattern: "/api/domains", Who: WhoAdmin, About: "Leads a domain to a tenant", Request: DomainRequest{}, Response: DomainJSON{}, handle: (*API).addDomain},
		{Method: "POST", Pattern: "/api/domains/remove", Who: WhoAdmin, About: "Takes a domain from its tenant", Request: RemoveDomainRequest{}, Response: DomainJSON{}, handle: (*API).removeDomain},
		{Method: "GET", Pattern: "/api/tls/ask", Who: WhoPublic, About: "Whether a proxy in front should get a certificate for the name domain: 200 or 404, for Caddy's on_demand_tls", Query: []string{"domain"}, Response: StatusJSON{}, handle: (*API).askTLS},
		{Method: "GET", Pattern: "/api/tls/status", Who: WhoAny, About: "Certificates, what is left of the weekly budget for new ones, and what failed; a tenant's token sees no names", Response: TLSStatusJSON{}, handle: (*API).tlsStatus},
		{Method: "GET", Pattern: "/api/logs", Who: WhoScoped, About: "The last lines that match, oldest first; grep: RE2; since, until: RFC 3339, ms since 1970, or how long ago (15m, 3d)", Query: []string{"process", "id", "level", "search", "grep", "since", "until", "limit"}, Response: []LogJSON{}, handle: (*API).logs},
		{Method: "GET", Pattern: "/api/logs/stream", Who: WhoScoped, About: "Lines as they are written (SSE)", Query: []string{"process", "id", "level", "search", "grep"}, Response: LogJSON{}, handle: (*API).logStream},
		{Method: "GET", Pattern: "/api/tokens", Who: WhoAdmin, About: "Tokens that were not revoked, oldest first", Response: []TokenInfoJSON{}, handle: (*API).tokens},
		{Method: "POST", Pattern: "/api/tokens/revoke", Who: WhoAdmin, About: "Makes a token invalid at once", Request: RevokeRequest{}, handle: (*API).revokeToken},
		{Method: "POST", Pattern: "/api/tokens", Who: WhoAdmin, About: "Makes a token; a new admin token, unless it expires or may only look, replaces the one before", Request: TokenRequest{}, Response: TokenJSON{}, handle: (*API).issueToken},
	}
}

// apiRequest is a call that found its route and may use it.
type apiRequest struct {
	*Call
	who     caller
	segment string        // what stands at the pattern's {…}
	name    conf.Instance // of a route with {instance}
}

// findRoute gives the route of a method and path, nil when there is none, and
// what stands at {instance}. HEAD is asked like GET.
func findRoute(method, path string) (route *Route, segment string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range apiRoutes {
		if segment, ok := matchPattern(apiRoutes[i].Pattern, path); ok && apiRoutes[i].Method == method {
			return &apiRoutes[i], segment
		}
	}
	return nil, ""
}

// allowedMethods is the Allow header of a path: the methods it answers to,
// "" for a path that does not exist.
func allowedMethods(path string) string {
	var methods []string
	for i := range apiRoutes {
		if _, ok := matchPattern(apiRoutes[i].Pattern, path); ok {
			methods = append(methods, apiRoutes[i].Method)
		}
	}
	return strings.Join(methods, ", ")
}

// matchPattern compares a path with a pattern and gives the segment that stands
// at the pattern's {…}.
func matchPattern(pattern, path string) (segment string, ok bool) {
	before, rest, wild := strings.Cut(pattern, "{")
	if !wild {
		return "", pattern == path
	}
	_, after, _ := strings.Cut(rest, "}")
	segment, ok = strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	segment, ok = strings.CutSuffix(segment, after)
	return segment, ok && segment != "" && !strings.Contains(segment, "/")
}
