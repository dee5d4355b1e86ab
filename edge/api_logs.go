package edge

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"tenement/actors/journal"
	"tenement/conf"
	"tenement/sandbox"
)

// Lines in one answer, as the journal bounds them too.
const (
	defaultLogLimit = 100
	maxLogLimit     = 10_000
)

// tenantFilter is whose news a caller asked for and may see.
type tenantFilter struct {
	who     caller
	service string // "" = all
	id      string // "" = all; a tenant token's own id
}

// logFilter is which lines a caller asked for and may see.
type logFilter struct {
	tenantFilter
	stream sandbox.Stream
	search string
	match  *regexp.Regexp
	since  time.Time
	until  time.Time
	limit  int
}

// tenantFilterOf reads the query. A tenant token sees its own id when it names
// none, and is refused when it names another's.
func tenantFilterOf(r *apiRequest) (f tenantFilter, refused *Reply) {
	f.who = r.who
	if f.service, refused = queryName(r, "process"); refused != nil {
		return f, refused
	}
	if f.id, refused = queryName(r, "id"); refused != nil {
		return f, refused
	}
	return f, f.narrow()
}

// logFilterOf reads the query of logs and of their stream.
func logFilterOf(r *apiRequest) (f logFilter, refused *Reply) {
	if f.tenantFilter, refused = tenantFilterOf(r); refused != nil {
		return f, refused
	}
	f.search = r.Query.Get("search")
	switch level := r.Query.Get("level"); level {
	case "":
	case LevelStdout:
		f.stream = sandbox.Stdout
	case LevelStderr:
		f.stream = sandbox.Stderr
	default:
		return f, refusep(http.StatusBadRequest, "level=%s: stdout or stderr is expected", clipText(level))
	}
	if f.match, refused = queryRegexp(r); refused != nil {
		return f, refused
	}
	if f.since, refused = queryTime(r, "since"); refused != nil {
		return f, refused
	}
	if f.until, refused = queryTime(r, "until"); refused != nil {
		return f, refused
	}
	f.limit, refused = queryLimit(r)
	return f, refused
}

// queryLimit reads how many of the last lines, or events, are wanted.
func queryLimit(r *apiRequest) (int, *Reply) {
	text := r.Query.Get("limit")
	if text == "" {
		return defaultLogLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLogLimit {
		return 0, refusep(http.StatusBadRequest, "limit=%s: a number from 1 to %d is expected", clipText(text), maxLogLimit)
	}
	return n, nil
}

// queryName reads one part of a tenant's name; "" when it is not given.
func queryName(r *apiRequest, param string) (string, *Reply) {
	text := r.Query.Get(param)
	if text == "" {
		return "", nil
	}
	name, err := conf.Name(text)
	if err != nil {
		return "", refusep(http.StatusBadRequest, "%s=%v", param, err)
	}
	return name, nil
}

// narrow brings the filter down to what a token of less than everything may see.
func (f *tenantFilter) narrow() *Reply {
	if f.who.admin {
		return nil
	}
	own := f.who.token
	if (f.id != "" && own.ID != "" && f.id != own.ID) || (f.service != "" && own.Service != "" && f.service != own.Service) {
		return refusep(http.StatusForbidden, "this token is not for another tenant")
	}
	f.id = cmp.Or(own.ID, f.id)
	f.service = cmp.Or(f.service, own.Service)
	return nil
}

// lets reports whether news of this tenant's were asked for and may be seen. It
// is asked of every line, whatever the journal was asked for.
func (f tenantFilter) lets(name conf.Instance) bool {
	return f.who.may(name) && (f.service == "" || f.service == name.Service) && (f.id == "" || f.id == name.ID)
}

// query is what the journal is asked for one service, or for all of them.
func (f logFilter) query(service string) journal.Query {
	q := journal.Query{Service: service, Stream: f.stream, Search: f.search, Match: f.match, Since: f.since, Until: f.until, Limit: f.limit}
	if service != "" && f.id != "" {
		q.Service, q.Name = "", &conf.Instance{Service: service, ID: f.id}
	}
	return q
}

func (a *API) logs(ctx context.Context, r *apiRequest) Reply {
	f, refused := logFilterOf(r)
	if refused != nil {
		return *refused
	}
	var lines []journal.Entry
	for _, service := range a.logServices(f) {
		found, err := a.host.Journal().Query(ctx, f.query(service))
		if err != nil {
			return a.failed("cannot read the logs", err)
		}
		lines = append(lines, found...)
	}
	lines = slices.DeleteFunc(lines, func(e journal.Entry) bool { return !f.lets(e.Name) })
	slices.SortStableFunc(lines, func(x, y journal.Entry) int { return x.Time.Compare(y.Time) })
	if len(lines) > f.limit {
		lines = lines[len(lines)-f.limit:]
	}
	list := make([]LogJSON, len(lines))
	for i, line := range lines {
		list[i] = logJSON(line)
	}
	return answerJSON(http.StatusOK, list)
}

// logServices are the services to ask the journal for, one by one. An id
// without a service may live in any: the journal knows whole names only, and
// its limit has to count that id's lines.
func (a *API) logServices(f logFilter) []string {
	if f.service != "" || f.id == "" {
		return []string{f.service}
	}
	services := map[string]bool{}
	for service := range a.host.Config().Services {
		services[service] = true
	}
	for _, info := range a.host.List() { // of services that left the file
		services[info.Name.Service] = true
	}
	names := make([]string, 0, len(services))
	for service := range services {
		names = append(names, service)
	}
	slices.Sort(names)
	return names
}
