package edge

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tenement/actors"
)

// TenantsJSON answers GET /api/tenants: a page of a table that may be long.
type TenantsJSON struct {
	Total    int             `json:"total"`    // registered, of those the caller sees
	Matching int             `json:"matching"` // of these, before offset and limit
	Offset   int             `json:"offset"`
	Tenants  []TenantRowJSON `json:"tenants"`
}

// TenantRowJSON is one row of it.
type TenantRowJSON struct {
	ID          string   `json:"id"` // "service:id"
	State       string   `json:"state"`
	Health      string   `json:"health"`
	Reason      string   `json:"reason"`
	Limit       string   `json:"limit"`
	Since       int64    `json:"since"` // ms since 1970 of the state; 0 = unknown
	UptimeSecs  int64    `json:"uptime_secs"`
	IdleSecs    int64    `json:"idle_secs"`
	Inflight    int64    `json:"inflight"`
	Requests    uint64   `json:"requests"`
	Restarts    int      `json:"restarts"`
	Weight      int      `json:"weight"`
	Weighted    bool     `json:"weighted"` // S.DOMAIN may lead to it
	MemoryBytes *int64   `json:"memory_bytes"`
	CPUSecs     *float64 `json:"cpu_secs"` // of this process tree
}

// Rows in one answer.
const (
	defaultRows = 100
	maxRows     = 1000
)

// tableFilter is which rows a caller wants, and in which order.
type tableFilter struct {
	tenantFilter
	search        string
	state         string // "awake": has a process
	weighted      bool
	order         func(x, y actors.Info) int // nil: by name, as they come
	offset, limit int
}

// tableOrders are the columns to sort by; "-" before one turns it round.
var tableOrders = map[string]func(x, y actors.Info) int{
	"name":     func(x, y actors.Info) int { return cmp.Compare(x.Name.String(), y.Name.String()) },
	"state":    func(x, y actors.Info) int { return cmp.Compare(x.State, y.State) },
	"uptime":   func(x, y actors.Info) int { return cmp.Compare(x.Uptime, y.Uptime) },
	"idle":     func(x, y actors.Info) int { return cmp.Compare(x.Idle, y.Idle) },
	"requests": func(x, y actors.Info) int { return cmp.Compare(x.Requests, y.Requests) },
	"restarts": func(x, y actors.Info) int { return cmp.Compare(x.Restarts, y.Restarts) },
	"weight":   func(x, y actors.Info) int { return cmp.Compare(x.Weight, y.Weight) },
	"since":    func(x, y actors.Info) int { return x.Since.Compare(y.Since) },
}

// tableStates are what the state parameter takes.
var tableStates = []string{"awake", "asleep", "queued", "starting", "running", "draining", "stopping", "backoff", "failed", "held"}

func tableFilterOf(r *apiRequest) (f tableFilter, refused *Reply) {
	if f.tenantFilter, refused = tenantFilterOf(r); refused != nil {
		return f, refused
	}
	f.search = strings.ToLower(strings.TrimSpace(r.Query.Get("search")))
	if f.state = r.Query.Get("state"); f.state != "" && !slices.Contains(tableStates, f.state) {
		return f, refusep(http.StatusBadRequest, "state=%s: one of %s is expected", clipText(f.state), strings.Join(tableStates, ", "))
	}
	if f.weighted, refused = boolParam(r, "weighted"); refused != nil {
		return f, refused
	}
	if f.order, refused = tableOrder(r.Query.Get("sort")); refused != nil {
		return f, refused
	}
	if f.offset, refused = queryNumber(r, "offset", 0, 0, 1<<30); refused != nil {
		return f, refused
	}
	f.limit, refused = queryNumber(r, "limit", defaultRows, 1, maxRows)
	return f, refused
}

func tableOrder(text string) (func(x, y actors.Info) int, *Reply) {
	column, turned := strings.CutPrefix(text, "-")
	order, known := tableOrders[column]
	switch {
	case text == "":
		return nil, nil
	case !known:
		return nil, refusep(http.StatusBadRequest, "sort=%s: name, state, since, uptime, idle, requests, restarts or weight is expected, with a - before it for the other way round", clipText(text))
	case turned:
		return func(x, y actors.Info) int { return order(y, x) }, nil
	}
	return order, nil
}

// queryNumber reads a number between least and most.
func queryNumber(r *apiRequest, name string, absent, least, most int) (int, *Reply) {
	text := r.Query.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, refusep(http.StatusBadRequest, "%s=%s: a number from %d to %d is expected", name, clipText(text), least, most)
	}
	return n, nil
}

// wants reports whether a row was asked for. The caller may see it already.
func (f *tableFilter) wants(i actors.Info) bool {
	switch {
	case f.state == "awake" && !i.Awake(), f.state != "" && f.state != "awake" && f.state != i.State:
		return false
	case f.weighted && !i.Weighted:
		return false
	}
	return f.search == "" || strings.Contains(i.Name.String(), f.search) || strings.Contains(strings.ToLower(i.Reason), f.search)
}

func (a *API) tenants(_ context.Context, r *apiRequest) Reply {
	f, refused := tableFilterOf(r)
	if refused != nil {
		return *refused
	}
	answer, rows := TenantsJSON{Offset: f.offset}, []actors.Info{}
	for _, info := range a.host.List() {
		if !f.lets(info.Name) {
			continue
		}
		answer.Total++
		if f.wants(info) {
			rows = append(rows, info)
		}
	}
	if f.order != nil {
		slices.SortStableFunc(rows, f.order)
	}
	answer.Matching = len(rows)
	rows = rows[min(f.offset, len(rows)):]
	rows = rows[:min(f.limit, len(rows))]
	answer.Tenants = make([]TenantRowJSON, len(rows))
	for i, info := range rows {
		answer.Tenants[i] = a.tenantRow(info)
	}
	return answerJSON(http.StatusOK, answer)
}

func (a *API) tenantRow(i actors.Info) TenantRowJSON {
	row := TenantRowJSON{
		ID: i.Name.String(), State: i.State, Health: i.Health, Reason: i.Reason, Limit: i.Limit,
		UptimeSecs: wholeSeconds(i.Uptime), IdleSecs: wholeSeconds(i.Idle), Inflight: i.Inflight, Requests: i.Requests,
		Restarts: i.Restarts, Weight: i.Weight, Weighted: i.Weighted,
	}
	if !i.Since.IsZero() {
		row.Since = i.Since.UnixMilli()
	}
	if used, awake := a.host.Takes(i.Name); awake {
		secs := used.CPU.Seconds()
		row.MemoryBytes, row.CPUSecs = &used.Memory, &secs
	}
	return row
}
