package actors

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// Info describes one registered tenant.
func (h *Host) Info(name conf.Instance) (Info, error) {
	c := h.cell(name)
	if c == nil {
		return Info{}, h.unknown(name)
	}
	return h.describe(c), nil
}

// List describes everybody registered, sorted by name.
func (h *Host) List() []Info {
	var all []Info
	for _, s := range *h.services.Load() {
		s.cells.Range(func(_, v any) bool {
			all = append(all, h.describe(v.(*Cell)))
			return true
		})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name.String() < all[j].Name.String() })
	return all
}

func (h *Host) describe(c *Cell) Info {
	v, config := c.look(), c.config()
	info := Info{
		Name: c.name, State: v.machine.State.String(), Reason: v.reason, Since: v.since, Health: healthOf(v),
		Socket: v.socket, Port: v.port, Listen: v.listen, Pid: v.pid, Generation: v.gen,
		Inflight: c.inflight.Load(), Restarts: v.restarts, Weight: c.record.Load().Weight, Weighted: c.record.Load().Weighted, Requests: c.requests.Load(), Limit: v.limit, Hits: v.hits,
		DataDir: h.instanceDir(c.name), QuotaBytes: quotaOf(config), UID: c.record.Load().UID, Release: c.release(), QuotaEnforced: v.hoard.enforced && v.pid != 0,
	}
	if next := c.record.Load().Release; next != info.Release {
		info.Awaits = shownRelease(next)
	}
	if c.service.refused() != nil {
		info.State, info.Health, info.Reason = Failed.String(), "failed", c.service.refused().Error()
	}
	if v.pid != 0 {
		info.Uptime = time.Since(v.startedAt)
	}
	if used := c.idleSince(); used > 0 && info.Inflight == 0 {
		info.Idle = time.Duration(stamp() - used)
	}
	return info
}

// healthOf is the contract's word for a tenant's health.
func healthOf(v view) string {
	switch {
	case v.machine.State == Failed:
		return "failed"
	case v.health != "":
		return v.health
	}
	return "unknown"
}

// Why explains the state a tenant is in, what holds it there, and what is next.
func (h *Host) Why(name conf.Instance) (Explanation, error) {
	c := h.cell(name)
	if c == nil {
		return Explanation{}, h.unknown(name)
	}
	e := Explanation{Info: h.describe(c)}
	if c.service.refused() != nil {
		e.Next = "nothing: its service cannot run here; mend tenement.toml and start the daemon again"
		return e, nil
	}
	facts := facts{
		view: c.look(), name: c.name, config: c.config(), settings: &h.Config().Settings, now: stamp(),
		inflight: c.inflight.Load(), unused: time.Duration(stamp() - c.idleSince()),
	}
	e.Holds, e.Next = facts.holds(), facts.next()
	if e.Awaits != "" {
		e.Next += "; its next process is of release " + e.Awaits
	}
	return e, nil
}

// facts is what an explanation is made from; its methods are pure.
type facts struct {
	view
	name     conf.Instance
	config   *conf.Service
	settings *conf.Settings
	now      int64
	inflight int64
	unused   time.Duration // since the last use, or ready
}

// holds says what keeps the tenant up or down.
func (f facts) holds() []string {
	var holds []string
	switch f.machine.State {
	case Running:
		if f.inflight > 0 {
			holds = append(holds, fmt.Sprintf("%d request(s) in progress keep it awake", f.inflight))
		}
		if f.config.IdleTimeout == 0 {
			holds = append(holds, "idle_timeout is 0: it stays awake until stopped")
		}
	case Draining:
		holds = append(holds, fmt.Sprintf("%d request(s) are being finished", f.inflight))
	case Held:
		holds = append(holds, "held by hand: no request wakes it")
	case Failed, Backoff:
		holds = append(holds, "what it wrote last is in `ten logs "+f.name.String()+"`")
	case Queued:
		holds = append(holds, fmt.Sprintf("waits for one of %d start slots (max_concurrent_starts)", f.settings.MaxConcurrentStarts))
	case Asleep, Starting, Stopping, Ended:
	}
	if f.limit == string(sandbox.LimitPids) && f.pid != 0 {
		holds = append(holds, "it had all the processes and threads it may have, and a fork was refused (pids): "+limitText(f.config, sandbox.LimitPids))
	}
	if f.config.StorageQuotaMB > 0 && f.hoard.full {
		holds = append(holds, fmt.Sprintf("it holds %d bytes, all that storage_quota_mb = %d allows (quota)", f.hoard.used, f.config.StorageQuotaMB))
	}
	if !f.last.at.IsZero() && f.pid != 0 {
		holds = append(holds, fmt.Sprintf("the process before this one ended by itself %s ago: %s", short(time.Since(f.last.at)), f.last.text))
	}
	if f.waiting > 0 {
		holds = append(holds, fmt.Sprintf("%d request(s) wait for it", f.waiting))
	}
	return holds
}

// next says what happens next, and when.
func (f facts) next() string {
	switch f.machine.State {
	case Asleep:
		return "the next request, or spawn, wakes it"
	case Queued:
		return "it starts when a slot is free; who waits longer than queue_timeout gets a 503"
	case Starting:
		left := f.config.StartupTimeout - time.Since(f.startedAt)
		return fmt.Sprintf("it has %s left to listen (startup_timeout)", short(left))
	case Running:
		return f.nextWhenRunning()
	case Draining:
		return "SIGTERM when they are finished, at the latest after 5s; then " + afterwards[f.machine.Then]
	case Stopping:
		return "SIGKILL if it does not end within 5s; then " + afterwards[f.machine.Then]
	case Backoff:
		return fmt.Sprintf("it is started again in %s", short(time.Duration(f.retryAt-f.now)))
	case Failed:
		if f.retryAt <= f.now {
			return "the next request is the one try (circuit_cooldown is over); `ten restart` tries at once"
		}
		return fmt.Sprintf("in %s the next request is one try (circuit_cooldown); `ten restart` tries at once", short(time.Duration(f.retryAt-f.now)))
	case Held:
		return "nothing until `ten unhold`, spawn or restart"
	case Ended:
		return "nothing: it was forgotten, or the daemon is stopping"
	}
	return ""
}

func (f facts) nextWhenRunning() string {
	var next []string
	switch {
	case f.config.IdleTimeout == 0:
	case f.inflight > 0:
		next = append(next, fmt.Sprintf("it sleeps %s after the last request has ended (idle_timeout)", short(f.config.IdleTimeout)))
	default:
		next = append(next, fmt.Sprintf("it sleeps in %s if nobody uses it (idle_timeout)", short(f.config.IdleTimeout-f.unused)))
	}
	if f.config.Health != "" {
		next = append(next, fmt.Sprintf("%s is checked every %s", f.config.Health, short(f.settings.HealthCheckInterval)))
	}
	if len(next) == 0 {
		return "nothing: it runs until it is stopped or ends by itself"
	}
	return strings.Join(next, "; ")
}

// afterwards says in `why` what follows when the process is gone.
var afterwards = map[Then]string{
	ThenKeep:  "asleep",
	ThenSleep: "asleep",
	ThenWake:  "it is started again: somebody asked meanwhile",
	ThenHold:  "held",
	ThenStart: "it is started again, by hand",
	ThenRetry: "it is started again by the restart policy",
	ThenFail:  "failed: it has failed too often",
	ThenEnd:   "nothing",
}

// short prints a duration without digits that nobody reads.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
