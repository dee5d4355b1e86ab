package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tenement/actors/ledger"

	"github.com/rs/zerolog"
)

// rollout carries out the rollout of one service: it asks nextStep, does it, and
// asks again.
type rollout struct {
	h       *Host
	service string
	tried   map[string]bool // moved back once; what they do then is up to the policy
	abort   chan struct{}   // closed: roll back
	aborted sync.Once
}

// The pauses of a rollout.
const (
	rolloutLook  = 100 * time.Millisecond // until tenants in between are looked at again
	rolloutRetry = time.Second            // after a step that could not be done
	provingTime  = time.Second            // a batch is watched for, since many an app fails right after it listens
	canaryChecks = 3                      // a canary is watched for so many intervals of health checks
)

// run ends with the rollout, with its service, or with ctx.
func (x *rollout) run(ctx context.Context) {
	for ctx.Err() == nil {
		r, s := x.h.rolloutOf(x.service), x.h.service(x.service)
		if s == nil || !r.Active() {
			return
		}
		step := nextStep(r, s.rollees(r), x.tried)
		if r.State == ledger.RolloutForward && x.isAborted() {
			step = rolloutStep{do: rollBack, reason: "aborted by hand"}
		}
		if err := x.take(ctx, r, s, step); err != nil && ctx.Err() == nil && !errors.Is(err, ErrStopping) {
			x.h.log.Error().Str("service", x.service).Err(err).Msg("a step of a rollout could not be done; trying again")
			pause(ctx, rolloutRetry)
		}
		x.h.rollouts.tell()
	}
}

func (x *rollout) isAborted() bool {
	select {
	case <-x.abort:
		return true
	default:
		return false
	}
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// take does one step.
func (x *rollout) take(ctx context.Context, r ledger.Rollout, s *service, step rolloutStep) error {
	switch step.do {
	case awaitThem:
		pause(ctx, rolloutLook)
		return nil
	case switchThem:
		return x.assign(ctx, r, s, step.who)
	case moveThem:
		return x.move(ctx, r, s, step)
	case trustRelease:
		r.Proved = true
	case rollBack:
		r.State, r.Reason = ledger.RolloutBack, step.reason
	case finishRollout:
		r.State, r.Ended = map[bool]ledger.RolloutState{true: ledger.RolloutUndone, false: ledger.RolloutDone}[r.State == ledger.RolloutBack], time.Now().UTC()
	}
	return x.store(ctx, r)
}

// store keeps where the rollout is.
func (x *rollout) store(ctx context.Context, r ledger.Rollout) error {
	if err := x.h.keep(ctx, ledger.PutRollout{Rollout: r}); err != nil {
		return err
	}
	level := zerolog.InfoLevel
	if r.State == ledger.RolloutBack {
		level = zerolog.WarnLevel
	}
	x.h.log.WithLevel(level).Str("reason", r.Reason).Str("service", r.Service).Str("release", shownRelease(r.To)).Str("state", string(r.State)).Bool("proved", r.Proved).Msg("rollout")
	return nil
}

// assign changes the records, and so the next processes, of tenants. One that has
// failed may try again, as after a reload.
func (x *rollout) assign(ctx context.Context, r ledger.Rollout, s *service, who []string) error {
	if err := x.rerecord(ctx, r, s, who); err != nil {
		return err
	}
	for _, id := range who {
		if c := s.cell(id); c != nil && c.look().machine.State == Failed {
			x.h.tell(c, &reconfigured{})
		}
	}
	return nil
}

func (x *rollout) rerecord(ctx context.Context, r ledger.Rollout, s *service, who []string) error {
	return x.h.edit(ctx, s, func(records *records) (changes []ledger.Change, err error) {
		for _, id := range who {
			t, known := records.get(id)
			switch {
			case !known: // forgotten
				continue
			case r.State == ledger.RolloutBack && t.Rollout == r.Number:
				t.Release = t.Former
			case r.State == ledger.RolloutForward && t.Release != r.To:
				t.Former, t.Release, t.Rollout = t.Release, r.To, r.Number
			default:
				continue
			}
			changes = append(changes, ledger.PutTenant{Tenant: t})
		}
		return changes, nil
	})
}

// newcomer gives a tenant that is new its release; a rollout that fails takes
// it back with the others.
func (h *Host) newcomer(t *ledger.Tenant) {
	r := h.rolloutOf(t.Name.Service)
	t.Release = r.Current()
	if r.Active() && t.Release != r.From {
		t.Former, t.Rollout = r.From, r.Number
	}
}

// move gives tenants a process of the release, all of them at once, and waits
// until they are healthy, or one of them is not.
func (x *rollout) move(ctx context.Context, r ledger.Rollout, s *service, step rolloutStep) error {
	if err := x.assign(ctx, r, s, step.who); err != nil {
		return err
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	forward := r.State == ledger.RolloutForward
	if forward {
		go func() { // ends with this step
			select {
			case <-x.abort:
				cancel()
			case <-within.Done():
			}
		}()
	}
	moved, err := x.renewAll(within, r, s, step.who)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !forward:
		if err != nil {
			x.h.log.Error().Str("service", x.service).Err(err).Msg("a tenant that was moved back is not healthy")
		}
		return nil
	case x.isAborted():
		return nil
	case err != nil:
		return x.take(ctx, r, s, rolloutStep{do: rollBack, reason: err.Error()})
	case moved == 0: // stopped, held or forgotten meanwhile
		pause(ctx, rolloutRetry)
		return nil
	case !x.watch(within, r, s, step) || !step.proves:
		return nil
	}
	return x.take(ctx, r, s, rolloutStep{do: trustRelease})
}

// watch looks at a batch for a while and reports whether it stayed well.
func (x *rollout) watch(ctx context.Context, r ledger.Rollout, s *service, step rolloutStep) bool {
	long := provingTime
	if step.proves && r.Canary {
		long = max(long, canaryChecks*x.h.Config().Settings.HealthCheckInterval)
	}
	for end := stamp() + int64(long); stamp() < end; pause(ctx, rolloutLook) {
		if ctx.Err() != nil || nextStep(r, s.rollees(r), x.tried).do == rollBack {
			return false
		}
	}
	return true
}

// renewAll renews tenants side by side; the first that fails ends it.
func (x *rollout) renewAll(ctx context.Context, r ledger.Rollout, s *service, who []string) (moved int, failed error) {
	type outcome struct {
		moved bool
		err   error
	}
	outcomes := make(chan outcome, len(who))
	for _, id := range who {
		x.tried[id] = r.State == ledger.RolloutBack
		go func() { // ends with its outcome
			ok, err := x.renew(ctx, r, s, id)
			outcomes <- outcome{ok, err}
		}()
	}
	for range who {
		o := <-outcomes
		if o.moved {
			moved++
		}
		failed = cmp.Or(failed, o.err)
		x.h.rollouts.tell()
	}
	return moved, failed
}

// renew gives one tenant a new process and waits until it is healthy. Neither:
// somebody stopped, held or forgot it meanwhile.
func (x *rollout) renew(ctx context.Context, r ledger.Rollout, s *service, id string) (moved bool, err error) {
	c := s.cell(id)
	if c == nil || x.h.cannotRun(c) != nil {
		return false, nil
	}
	forward, goal := r.State == ledger.RolloutForward, c.record.Load().Release
	before := c.look().gen
	x.h.tell(c, &order{event: EventRestart, trial: forward, why: "moved to release " + shownRelease(goal)})
	look := time.NewTicker(healthLook)
	defer look.Stop()
	begun, deadline := false, stamp()+int64(x.h.changeTime(c))
	for {
		v := c.look()
		if v.gen > before && v.pid != 0 && !begun {
			begun, deadline = true, stamp()+int64(r.Patience+hookTime(c.config()))
		}
		switch settled := v.gen > before && v.release == goal; {
		case settled && v.machine.State == Running && healthOf(v) == "healthy":
			return true, nil
		case settled && v.flaw != "":
			return false, fmt.Errorf("%s: %s", id, v.flaw)
		case gaveUp(v, before):
			return false, nil
		case stamp() > deadline:
			return false, fmt.Errorf("%s: not healthy within %s: it is %s, its health is %s", id, r.Patience, v.machine.State, healthOf(v))
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false, nil
		}
	}
}

// gaveUp: somebody else decided what becomes of a tenant.
func gaveUp(v view, before uint64) bool {
	switch v.machine.State {
	case Held, Ended:
		return true
	case Asleep, Failed:
		return v.gen > before
	}
	return false
}

// changeTime is how long a tenant may take until its next process begins.
func (h *Host) changeTime(c *Cell) time.Duration {
	return drainTime + 2*graceTime + h.Config().Settings.QueueTimeout + hookTime(c.config())
}

// rollees are a service's tenants, sorted by id, as its rollout sees them.
func (s *service) rollees(r ledger.Rollout) []rollee {
	var all []rollee
	s.cells.Range(func(_, v any) bool {
		all = append(all, v.(*Cell).rollee(r))
		return true
	})
	slices.SortFunc(all, func(a, b rollee) int { return cmp.Compare(a.id, b.id) })
	return all
}

func (c *Cell) rollee(r ledger.Rollout) rollee {
	// The record first: a process that begins after this look was made of it.
	record, v := c.record.Load(), c.look()
	t := rollee{
		id: c.name.ID, release: record.Release, former: record.Former, moved: record.Rollout == r.Number,
		runs: v.release,
	}
	if v.rollout == record.Rollout {
		t.flaw = v.flaw // not those of an earlier try
	}
	switch v.machine.State {
	case Running:
		t.presence = present
	case Starting:
		t.presence = between // of which release is told with its pid
		if v.pid != 0 {
			t.presence = present
		}
	case Draining, Stopping:
		t.presence = between
	case Backoff, Failed:
		t.failing = true
	case Held:
		t.held = true
	case Asleep, Queued, Ended:
	}
	return t
}
