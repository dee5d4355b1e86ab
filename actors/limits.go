package actors

import (
	"fmt"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// limitsOf is what a service's tenants may take of the host.
func limitsOf(config *conf.Service) sandbox.Limits {
	return sandbox.Limits{
		MemoryBytes: int64(config.MemoryLimitMB) << 20, Pids: config.PidsLimit,
		CPUs: config.CPULimit, CPUWeight: config.CPUShares, IOWeight: config.IOWeight, OpenFiles: config.OpenFiles,
	}
}

// askedLimits are those that a service's author relies on: a host that cannot
// keep one of them refuses the service. The default of pids_limit, which nobody
// asked for, is kept where it can be.
func askedLimits(config *conf.Service) sandbox.Limits {
	l := limitsOf(config)
	if config.PidsLimit == conf.DefaultPidsLimit {
		l.Pids = 0
	}
	return l
}

// limitText is the setting behind a limit, for operators.
func limitText(config *conf.Service, l sandbox.Limit) string {
	switch {
	case l == sandbox.LimitPids:
		return fmt.Sprintf("pids_limit is %d", config.PidsLimit)
	case l == sandbox.LimitMemory && config.MemoryLimitMB > 0:
		return fmt.Sprintf("memory_limit_mb is %d", config.MemoryLimitMB)
	case l == sandbox.LimitMemory:
		return "the host had no memory left"
	}
	return ""
}

// ending puts the end of a process into words, with the limit behind it.
func ending(config *conf.Service, s sandbox.Status) string {
	if s.Hit == "" {
		return s.String()
	}
	return s.String() + ": " + limitText(config, s.Hit)
}

// LimitHits counts the limits that a tenant ran into since the daemon started.
type LimitHits struct {
	OOM, Pids, Quota uint64
}

// hit notes that the process ran into a limit; one that was noted is no news.
func (l *life) hit(limit string) {
	if l.limit == limit {
		return
	}
	l.limit = limit
	switch limit {
	case string(sandbox.LimitMemory):
		l.hits.OOM++
	case string(sandbox.LimitPids):
		l.hits.Pids++
	case LimitQuota:
		l.hits.Quota++
	}
}

// hitLimit: the tenant ran into a limit and lives on. It is said once in a
// generation, in its log, in ours and wherever its state is shown.
func (t *tenant) hitLimit(m *hit) {
	l := t.life()
	if l.gen != m.gen || l.process == nil || l.limit == string(m.limit) {
		return
	}
	l.hit(string(m.limit))
	text := fmt.Sprintf("%s: a fork was refused: it has all the processes and threads it may have (%s)", m.limit, limitText(t.cell.config(), m.limit))
	t.note(text)
	t.log().Warn().Str("limit", l.limit).Uint64("generation", l.gen).Msg(text)
	t.cell.publish()
	t.tellOfLimit(text)
}

// tellOfLimit puts a limit that was hit among the events.
func (t *tenant) tellOfLimit(text string) {
	l := t.life()
	t.h.chronicle.add(Occurrence{
		Time: time.Now(), Name: t.cell.name, From: l.machine.State, To: l.machine.State, Event: EventLimit, Reason: text, Limit: l.limit, Generation: l.gen,
	})
	t.h.observe(t.cell.name, l.machine.State, l.machine.State, text)
}

// ended is how a tenant's last process ended by itself.
type ended struct {
	at   time.Time // zero: none ever did
	text string
}
