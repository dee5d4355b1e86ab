package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"tenement/conf"
)

// release is the one that the tenant's process is made of; without a process,
// the one that its next will be made of.
func (c *Cell) release() string {
	if made := c.made.Load(); made != nil {
		return *made
	}
	return c.record.Load().Release
}

// config is the configuration that the tenant runs by: its service's, as its
// release has it, with limits of the tenant's own. A release that the file has no
// more leaves the service's own.
func (c *Cell) config() *conf.Service {
	service := c.service.config()
	if release, ok := service.At(c.release()); ok {
		service = release
	}
	return c.withLimits(service)
}

// madeOf is the configuration of a start, which needs the release itself.
func (c *Cell) madeOf() (*conf.Service, error) {
	name := c.release()
	config, ok := c.service.config().At(name)
	if !ok {
		return nil, mendError{fmt.Errorf("its release %s is not in the configuration: add [service.%s.release.%s], or move it: ten rollout %s --to %s",
			name, c.name.Service, name, c.name.Service, conf.BaseRelease)}
	}
	return c.withLimits(config), nil
}

// takeRelease settles which release the process that begins is made of.
func (t *tenant) takeRelease() {
	l, record := t.life(), t.cell.record.Load()
	t.cell.made.Store(&record.Release)
	if l.release != record.Release || l.rollout != record.Rollout {
		l.release, l.rollout, l.flaw = record.Release, record.Rollout, ""
	}
	l.trial, l.trialNext = l.trialNext, false
}

// trialPause is how long a release that failed on trial rests: time enough for
// the rollout to move the tenant back, and for its visitors to wait.
const trialPause = 5 * time.Second

// fault holds a failure against the release; on trial, the rollout that tries
// it decides what follows, and visitors wait for that.
func (t *tenant) fault() (verdict Then, onTrial bool) {
	l := t.life()
	l.flaw = l.reason
	if l.trial {
		l.retryAt = stamp() + int64(trialPause)
	}
	return ThenRetry, l.trial
}

// shownRelease is the name of a release for people.
func shownRelease(name string) string { return cmp.Or(name, conf.BaseRelease) }

// stranded refuses a configuration that takes a release from tenants that are
// at it, that a rollout may move back to it, or that are yet to come.
func (h *Host) stranded(next *conf.Config) error {
	for name, service := range *h.services.Load() {
		config := next.Services[name]
		if config == nil {
			continue
		}
		rollout := h.rolloutOf(name)
		left := map[string]int{}
		miss := func(release string, n int) {
			if _, ok := config.At(release); !ok {
				left[release] += n
			}
		}
		miss(rollout.Current(), 0)
		service.cells.Range(func(_, v any) bool {
			record := v.(*Cell).record.Load()
			miss(record.Release, 1)
			if rollout.Active() && record.Rollout == rollout.Number && record.Former != record.Release {
				miss(record.Former, 1)
			}
			return true
		})
		for _, release := range slices.Sorted(maps.Keys(left)) {
			return fmt.Errorf("release %s of %s, which the file does not have any more, is that of %d tenant(s) and of those to come: `ten rollout %s --to R` moves them to another first",
				release, name, left[release], name)
		}
	}
	return nil
}
