package edge

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tenement/actors"
	"tenement/actors/ledger"
)

// defaultUsageDays is a month: what somebody who asks for no time is shown.
const defaultUsageDays = 30

// maxUsageRows bounds one answer: a thousand tenants for half a year.
const maxUsageRows = 200_000

// UsageJSON is what one tenant used on one UTC day.
type UsageJSON struct {
	Day             string  `json:"day"` // 2026-11-25, UTC
	Instance        string  `json:"instance"`
	CPUSeconds      float64 `json:"cpu_seconds"`
	MemoryGBSeconds float64 `json:"memory_gb_seconds"` // 10⁹ bytes held for a second
	AwakeSeconds    float64 `json:"awake_seconds"`
	Requests        uint64  `json:"requests"`
	BytesIn         uint64  `json:"bytes_in"`
	BytesOut        uint64  `json:"bytes_out"`
	Wakes           uint64  `json:"wakes"`
}

// UsageNowJSON answers GET /api/usage/now. Two of them make rates.
type UsageNowJSON struct {
	Timestamp int64            `json:"timestamp"` // ms since 1970, of the counters
	Instances []UsageOfNowJSON `json:"instances"`
}

// UsageOfNowJSON is a tenant that is awake. The counters begin with the daemon.
type UsageOfNowJSON struct {
	Instance    string  `json:"instance"`
	State       string  `json:"state"`
	Health      string  `json:"health"`
	UptimeSecs  int64   `json:"uptime_secs"`
	IdleSecs    int64   `json:"idle_secs"`
	Inflight    int64   `json:"inflight"`
	CPUSeconds  float64 `json:"cpu_seconds"`
	MemoryBytes int64   `json:"memory_bytes"`
	Requests    uint64  `json:"requests"`
	BytesIn     uint64  `json:"bytes_in"`
	BytesOut    uint64  `json:"bytes_out"`
	Wakes       uint64  `json:"wakes"`
}

func usageJSON(r ledger.UsageRow) UsageJSON {
	return UsageJSON{
		Day: r.Day, Instance: r.Tenant.String(), CPUSeconds: milli(r.CPU), MemoryGBSeconds: milli(r.Memory*1000) / 1000, AwakeSeconds: milli(r.Awake),
		Requests: r.Requests, BytesIn: r.In, BytesOut: r.Out, Wakes: r.Wakes,
	}
}

// milli rounds to three places: more is noise.
func milli(f float64) float64 { return math.Round(f*1000) / 1000 }

// usageByDay answers GET /api/usage.
func (a *API) usageByDay(ctx context.Context, r *apiRequest) Reply {
	f, refused := tenantFilterOf(r)
	if refused != nil {
		return *refused
	}
	now := time.Now()
	from, refused := queryDay(r, "since", now, ledger.Day(now.AddDate(0, 0, 1-defaultUsageDays)))
	if refused != nil {
		return *refused
	}
	to, refused := queryDay(r, "until", now, ledger.Day(now))
	if refused != nil {
		return *refused
	}
	if from > to {
		return refuse(http.StatusBadRequest, "since=%s is after until=%s", from, to)
	}
	rows, err := a.host.Usage(ctx, from, to, f.lets)
	if err != nil {
		return a.failed("cannot tell what tenants used", err)
	}
	if len(rows) > maxUsageRows {
		return refuse(http.StatusBadRequest, "%d days of tenants match, an answer has %d at most: ask for fewer days (since, until) or one tenant (process, id)", len(rows), maxUsageRows)
	}
	list := make([]UsageJSON, len(rows))
	for i, row := range rows {
		list[i] = usageJSON(row)
	}
	return answerJSON(http.StatusOK, list)
}

// queryDay reads a day, or a number of days that end today ("1d" is today).
func queryDay(r *apiRequest, param string, now time.Time, otherwise string) (string, *Reply) {
	text := r.Query.Get(param)
	if text == "" {
		return otherwise, nil
	}
	if count, isDays := strings.CutSuffix(text, "d"); isDays {
		if n, err := strconv.Atoi(count); err == nil && n >= 1 && n <= 10_000 {
			return ledger.Day(now.UTC().AddDate(0, 0, 1-n)), nil
		}
	} else if day, err := time.Parse(ledger.DayForm, text); err == nil {
		return ledger.Day(day), nil
	}
	return "", refusep(http.StatusBadRequest, "%s=%s: a day like 2026-11-01 or a number of days like 30d is expected", param, clipText(text))
}

// usageNow answers GET /api/usage/now.
func (a *API) usageNow(ctx context.Context, r *apiRequest) Reply {
	m, err := a.host.Metering(ctx)
	if err != nil {
		return a.failed("cannot tell what tenants use", err)
	}
	answer := UsageNowJSON{Timestamp: m.At.UnixMilli(), Instances: []UsageOfNowJSON{}}
	for _, info := range a.host.List() {
		if r.who.may(info.Name) && info.Awake() {
			answer.Instances = append(answer.Instances, usageOfNow(info, m.Tenants[info.Name]))
		}
	}
	return answerJSON(http.StatusOK, answer)
}

func usageOfNow(i actors.Info, m actors.Metered) UsageOfNowJSON {
	return UsageOfNowJSON{
		Instance: i.Name.String(), State: i.State, Health: i.Health, UptimeSecs: wholeSeconds(i.Uptime), IdleSecs: wholeSeconds(i.Idle),
		Inflight: i.Inflight, CPUSeconds: milli(m.CPU), MemoryBytes: m.MemoryBytes, Requests: m.Requests,
		BytesIn: m.In, BytesOut: m.Out, Wakes: m.Wakes,
	}
}
