package actors

import (
	"time"

	"tenement/conf"
)

// Info is one tenant as `ten ps` and the API show it: a copy, taken at once.
type Info struct {
	Name       conf.Instance
	State      string // asleep, queued, starting, running, draining, stopping, backoff, failed, held
	Reason     string // why it is in that state, when there is more to say; for operators
	Since      time.Time
	Health     string // healthy, degraded, unhealthy, unknown, failed
	Limit      string // what its process ran into: oom, pids, quota; "" = nothing
	Hits       LimitHits
	Socket     string // path given to the tenant, "" when none
	Port       int    // port given to the tenant, 0 when none
	Listen     string // address it was found listening on, "" when not running
	Pid        int    // 0 when not running
	Generation uint64
	Uptime     time.Duration // 0 when not running
	Idle       time.Duration // since its last use
	Inflight   int64
	Restarts   int
	Weight     int
	Weighted   bool // takes part in the apex's choice by weight
	Requests   uint64
	Release    string // of its process, or of the next one; "" = the service as it is
	Awaits     string // the release of its next process, when that is another
	DataDir    string // the tenant's own directory
	QuotaBytes int64  // 0 = none
	UID        uint32 // the tenant's, and the number of its project quota
	// QuotaEnforced: the file system refuses writes beyond the quota. Known while
	// the tenant has a process.
	QuotaEnforced bool
}

// Awake reports whether the tenant has a process.
func (i Info) Awake() bool { return i.Pid != 0 }

// Explanation is the answer of `ten why`.
type Explanation struct {
	Info
	Holds []string // what keeps it awake or down, one sentence each
	Next  string   // what happens next, and when
}
