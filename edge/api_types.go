package edge

import (
	"strings"
	"time"

	"tenement/actors"
	"tenement/actors/journal"
	"tenement/sandbox"
)

// InstanceJSON is one tenant in GET /api/instances. The fields up to Weight are
// the original's; those below are ours.
type InstanceJSON struct {
	ID                string `json:"id"` // "service:id"
	Socket            string `json:"socket"`
	UptimeSecs        int64  `json:"uptime_secs"`
	IdleSecs          int64  `json:"idle_secs"`
	Restarts          int    `json:"restarts"`
	Health            string `json:"health"`
	StorageUsedBytes  *int64 `json:"storage_used_bytes"` // null: not measured in time
	StorageQuotaBytes int64  `json:"storage_quota_bytes"`
	Weight            int    `json:"weight"`
	State             string `json:"state"`
	Listen            string `json:"listen,omitempty"` // where it was found listening
	Pid               int    `json:"pid,omitempty"`
	Reason            string `json:"reason,omitempty"` // why it is in that state
	Limit             string `json:"limit,omitempty"`  // what it ran into: oom, pids, quota
	Release           string `json:"release,omitempty"`
}

func instanceJSON(i actors.Info, used *int64) InstanceJSON {
	return InstanceJSON{
		ID: i.Name.String(), Socket: i.Socket, UptimeSecs: wholeSeconds(i.Uptime), IdleSecs: wholeSeconds(i.Idle),
		Restarts: i.Restarts, Health: i.Health, StorageUsedBytes: used, StorageQuotaBytes: i.QuotaBytes,
		Weight: i.Weight, State: i.State, Listen: i.Listen, Pid: i.Pid, Reason: i.Reason, Limit: i.Limit, Release: i.Release,
	}
}

// StartedJSON answers spawn and restart.
type StartedJSON struct {
	Instance string `json:"instance"`
	Socket   string `json:"socket"`
	Port     int    `json:"port"`   // 0 when it was given none
	Listen   string `json:"listen"` // where it was found listening
}

// HealthJSON answers GET …/health.
type HealthJSON struct {
	Instance string `json:"instance"`
	Health   string `json:"health"` // healthy, degraded, unhealthy, unknown, failed
	Limit    string `json:"limit,omitempty"`
}

// WeightJSON answers PUT …/weight.
type WeightJSON struct {
	Instance string `json:"instance"`
	Weight   int    `json:"weight"`
}

// StorageJSON answers GET …/storage.
type StorageJSON struct {
	UsedBytes    int64   `json:"used_bytes"`
	QuotaBytes   int64   `json:"quota_bytes"`   // 0 = no quota
	UsagePercent float64 `json:"usage_percent"` // 0 without a quota
	Path         string  `json:"path"`
	Measured     string  `json:"measured"` // how: project quota (by the file system), walk
	Enforced     bool    `json:"enforced"` // the file system refuses writes beyond the quota
}

// WhyJSON answers GET …/why.
type WhyJSON struct {
	Instance   string   `json:"instance"`
	State      string   `json:"state"`
	Since      int64    `json:"since"` // ms since 1970; 0 = unknown
	SinceSecs  int64    `json:"since_secs"`
	Reason     string   `json:"reason"`
	Health     string   `json:"health"`
	Limit      string   `json:"limit,omitempty"`
	Listen     string   `json:"listen"`
	Pid        int      `json:"pid"`
	Generation uint64   `json:"generation"`
	UptimeSecs int64    `json:"uptime_secs"`
	IdleSecs   int64    `json:"idle_secs"`
	Inflight   int64    `json:"inflight"`
	Requests   uint64   `json:"requests"`
	Restarts   int      `json:"restarts"`
	Weight     int      `json:"weight"`
	Holds      []string `json:"holds"` // what keeps it awake or down
	Next       string   `json:"next"`
	Release    string   `json:"release,omitempty"`
}

func whyJSON(e actors.Explanation) WhyJSON {
	w := WhyJSON{
		Instance: e.Name.String(), State: e.State, Reason: e.Reason, Health: e.Health, Listen: e.Listen, Pid: e.Pid,
		Generation: e.Generation, UptimeSecs: wholeSeconds(e.Uptime), IdleSecs: wholeSeconds(e.Idle), Inflight: e.Inflight,
		Requests: e.Requests, Restarts: e.Restarts, Weight: e.Weight, Limit: e.Limit, Holds: append([]string{}, e.Holds...), Next: e.Next, Release: e.Release,
	}
	if !e.Since.IsZero() {
		w.Since, w.SinceSecs = e.Since.UnixMilli(), wholeSeconds(time.Since(e.Since))
	}
	return w
}

// LogJSON is one line of GET /api/logs and of its stream.
type LogJSON struct {
	Timestamp  int64  `json:"timestamp"` // ms since 1970
	Level      string `json:"level"`     // stdout, stderr
	Process    string `json:"process"`   // the service
	InstanceID string `json:"instance_id"`
	Message    string `json:"message"`
}

func logJSON(e journal.Entry) LogJSON {
	return LogJSON{
		Timestamp: e.Time.UnixMilli(), Level: levelName(e.Stream), Process: e.Name.Service, InstanceID: e.Name.ID,
		Message: strings.ToValidUTF8(e.Message, "\uFFFD"),
	}
}

// The names of the two streams in the API.
const (
	LevelStdout = "stdout"
	LevelStderr = "stderr"
)

func levelName(s sandbox.Stream) string {
	if s == sandbox.Stderr {
		return LevelStderr
	}
	return LevelStdout
}

// NameRequest is the body of spawn: one tenant, in two parts.
type NameRequest struct {
	Process string `json:"process"`
	ID      string `json:"id"`
}

// RegisterRequest is the body of register: one tenant in two parts, or many at once.
type RegisterRequest struct {
	Process   string   `json:"process,omitempty"`
	ID        string   `json:"id,omitempty"`
	Instances []string `json:"instances,omitempty"` // "service:id" each
}

// RegisteredJSON answers register.
type RegisteredJSON struct {
	Instance  string   `json:"instance,omitempty"`  // when one was asked for in two parts
	Instances []string `json:"instances,omitempty"` // when many were
	Added     int      `json:"added"`               // how many were not known before
}

// ForgetRequest is the body of forget.
type ForgetRequest struct {
	Process    string `json:"process"`
	ID         string `json:"id"`
	DeleteData bool   `json:"delete_data"`
}

// WeightRequest is the body of PUT …/weight.
type WeightRequest struct {
	Weight *int `json:"weight"` // 0..100
}

// TokenRequest is the body of POST /api/tokens. With neither Tenant nor Service
// it asks for an admin token.
type TokenRequest struct {
	Tenant      string `json:"tenant"` // "id" or "service:id"
	Description string `json:"description"`
	Service     string `json:"service"`
	ReadOnly    bool   `json:"read_only"`
	ExpiresSecs int64  `json:"expires_secs"` // from now; 0 = never
}

// TokenJSON answers POST /api/tokens: the only time the token is seen.
type TokenJSON struct {
	Token string `json:"token"`
	Scope string `json:"scope"` // admin, service, tenant
	ID    string `json:"id"`    // names it from now on
}

// TokenInfoJSON is one token of GET /api/tokens.
type TokenInfoJSON struct {
	ID          string `json:"id"`
	Scope       string `json:"scope"`
	For         string `json:"for"` // "service:", "id" or "service:id"; "" for an admin token
	ReadOnly    bool   `json:"read_only"`
	Description string `json:"description"`
	Created     int64  `json:"created"` // ms since 1970
	Expires     int64  `json:"expires"` // ms since 1970; 0 = never
}

// RevokeRequest is the body of POST /api/tokens/revoke.
type RevokeRequest struct {
	ID string `json:"id"`
}

// ErrorJSON is the body of every answer that is not a success.
type ErrorJSON struct {
	Error string `json:"error"`
}

func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }
