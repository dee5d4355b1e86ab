package actors

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// RolloutOrder asks for a rollout.
type RolloutOrder struct {
	Service  string
	To       string        // a release; conf.BaseRelease = the service as configured
	Canary   float64       // percent of the tenants that come first and are watched; 0 = no canary
	Batch    int           // of those awake, at a time
	Patience time.Duration // for each tenant to be healthy
}

// RolloutInfo is a rollout and how far it is.
type RolloutInfo struct {
	ledger.Rollout
	Tenants int // of the service
	Moved   int // are at the release, or will be when they wake
	Left    int // have a process of another release, or are in between
	Failed  int // of those it moved: do not stay up at the release
}

// rollouts are the goroutines that carry rollouts out, at most one a service.
// What they do stands in the registry; this is who does it.
type rollouts struct {
	ctx    context.Context // ended by stop
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	running map[string]*rollout // by service
	news    chan struct{}       // closed when one of them has news
}

func newRollouts() *rollouts {
	ctx, cancel := context.WithCancel(context.Background())
	return &rollouts{ctx: ctx, cancel: cancel, running: map[string]*rollout{}, news: make(chan struct{})}
}

// stop ends the goroutines; their rollouts go on when the daemon starts again.
func (r *rollouts) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.cancel()
	r.done.Wait()
}

// tell wakes those who follow.
func (r *rollouts) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.news)
	r.news = make(chan struct{})
}

// begin runs a rollout in a goroutine that ends with it, or with stop; start
// stores it, while no other of its service can begin.
func (h *Host) begin(service string, start func() error) error {
	r := h.rollouts
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopped:
		return ErrStopping
	case r.running[service] != nil:
		return fmt.Errorf("%w: of %s to %s: `ten rollout %s --status` shows it, --abort ends it",
			ErrRolloutUnderWay, service, shownRelease(h.rolloutOf(service).To), service)
	}
	if err := start(); err != nil {
		return err
	}
	x := &rollout{h: h, service: service, tried: map[string]bool{}, abort: make(chan struct{})}
	r.running[service] = x
	r.done.Go(func() {
		x.run(r.ctx)
		r.mu.Lock()
		delete(r.running, service)
		r.mu.Unlock()
		r.tell()
	})
	return nil
}

// Rollout begins to move all tenants of a service to a release and returns. The
// daemon sees it through, over its restarts too. Errors: ErrUnknownService,
// ErrUnknownRelease, ErrUnfit, ErrRolloutUnderWay.
func (h *Host) Rollout(ctx context.Context, o RolloutOrder) (RolloutInfo, error) {
	s := h.service(o.Service)
	if s == nil {
		return RolloutInfo{}, ErrUnknownService
	}
	if err := o.check(s); err != nil {
		return RolloutInfo{}, err
	}
	err := h.begin(o.Service, func() error { return h.keep(ctx, ledger.PutRollout{Rollout: h.newRollout(s, o)}) })
	if err != nil {
		return RolloutInfo{}, err
	}
	return h.RolloutOf(o.Service)
}

// check refuses an order that cannot be carried out.
func (o RolloutOrder) check(s *service) error {
	config, ok := s.config().At(o.To)
	switch {
	case s.refused() != nil:
		return s.refused()
	case !ok:
		names := append([]string{conf.BaseRelease}, slices.Sorted(maps.Keys(s.config().Releases))...)
		return fmt.Errorf("%w %q: %s has %s", ErrUnknownRelease, o.To, o.Service, strings.Join(names, ", "))
	case o.Batch < 1:
		return fmt.Errorf("batch %d: at least 1 is expected", o.Batch)
	case math.IsNaN(o.Canary) || o.Canary < 0 || o.Canary > 100:
		return fmt.Errorf("canary %v: 0 to 100 percent are expected", o.Canary)
	case o.Patience <= 0:
		return fmt.Errorf("timeout %s: more than nothing is expected", o.Patience)
	}
	if err := s.h.unfit(config); err != nil {
		return fmt.Errorf("release %s: %w: %w", o.To, ErrUnfit, err)
	}
	return nil
}

func (h *Host) newRollout(s *service, o RolloutOrder) ledger.Rollout {
	before := h.rolloutOf(o.Service)
	r := ledger.Rollout{
		Service: o.Service, Number: before.Number + 1, To: o.To, From: before.Current(), First: o.Batch, Batch: o.Batch,
		Canary: o.Canary > 0, Patience: o.Patience, State: ledger.RolloutForward, Started: time.Now().UTC(),
	}
	if r.To == conf.BaseRelease {
		r.To = ""
	}
	if r.Canary {
		r.First = max(1, int(math.Ceil(float64(s.count())*o.Canary/100)))
	}
	return r
}

// count counts a service's tenants.
func (s *service) count() (n int) {
	s.cells.Range(func(any, any) bool { n++; return true })
	return n
}

// AbortRollout has a rollout roll back; one that does so already goes on.
func (h *Host) AbortRollout(service string) (RolloutInfo, error) {
	if h.service(service) == nil {
		return RolloutInfo{}, ErrUnknownService
	}
	h.rollouts.mu.Lock()
	x := h.rollouts.running[service]
	h.rollouts.mu.Unlock()
	if x == nil {
		return RolloutInfo{}, fmt.Errorf("%w of %s is under way", ErrNoRollout, service)
	}
	x.aborted.Do(func() { close(x.abort) })
	return h.RolloutOf(service)
}

// rolloutOf is the newest rollout of a service as the registry has it; a zero
// one when there was none.
func (h *Host) rolloutOf(service string) ledger.Rollout { return (*h.book.rollouts.Load())[service] }

// RolloutOf tells of the newest rollout of a service. ErrNoRollout: there was none.
func (h *Host) RolloutOf(service string) (RolloutInfo, error) {
	s, r := h.service(service), h.rolloutOf(service)
	switch {
	case s == nil:
		return RolloutInfo{}, ErrUnknownService
	case r.Number == 0:
		return RolloutInfo{}, fmt.Errorf("%w of %s yet", ErrNoRollout, service)
	}
	info := RolloutInfo{Rollout: r}
	for _, t := range s.rollees(r) {
		info.Tenants++
		if t.release == r.To {
			info.Moved++
		}
		if goal := t.goal(r); t.presence == between || t.presence == present && t.runs != goal {
			info.Left++
		}
		if t.faulty(r) {
			info.Failed++
		}
	}
	return info, nil
}

// goal is the release at which a rollout wants a tenant's process to be.
func (t rollee) goal(r ledger.Rollout) string {
	if r.Active() && r.State == ledger.RolloutForward {
		return r.To
	}
	return t.release
}

// Rollouts are the newest ones of all services, sorted by service.
func (h *Host) Rollouts() []RolloutInfo {
	var all []RolloutInfo
	for _, service := range slices.Sorted(maps.Keys(*h.services.Load())) {
		if info, err := h.RolloutOf(service); err == nil {
			all = append(all, info)
		}
	}
	return all
}

// rolloutGlance is how often who follows a rollout looks without news of it.
const rolloutGlance = time.Second

// FollowRollout gives the newest rollout of a service, now and whenever it has
// changed, until it has ended or ctx does; then the channel is closed.
func (h *Host) FollowRollout(ctx context.Context, service string) <-chan RolloutInfo {
	c := make(chan RolloutInfo)
	go func() { // ends with ctx, or the rollout
		defer close(c)
		var shown RolloutInfo
		for {
			h.rollouts.mu.Lock()
			news, running := h.rollouts.news, h.rollouts.running[service] != nil
			h.rollouts.mu.Unlock()
			info, err := h.RolloutOf(service)
			if err != nil {
				return
			}
			if info != shown {
				select {
				case c <- info:
					shown = info
				case <-ctx.Done():
					return
				}
			}
			if !running {
				return
			}
			select {
			case <-news:
			case <-time.After(rolloutGlance):
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// followRollouts keeps the published rollouts in step with the file.
func (b *book) followRollouts(changes []ledger.Change) {
	for _, c := range changes {
		if put, ok := c.(ledger.PutRollout); ok {
			next := maps.Clone(*b.rollouts.Load())
			next[put.Rollout.Service] = put.Rollout
			b.rollouts.Store(&next)
		}
	}
}

func (h *Host) loadRollouts() error {
	all, err := h.book.store.Rollouts()
	if err != nil {
		return err
	}
	known := map[string]ledger.Rollout{}
	for _, r := range all {
		known[r.Service] = r
	}
	h.book.rollouts.Store(&known)
	return nil
}

// resumeRollouts goes on with those that a former daemon did not finish.
func (h *Host) resumeRollouts() {
	for service, r := range *h.book.rollouts.Load() {
		if !r.Active() || h.service(service) == nil {
			continue
		}
		h.log.Info().Str("service", service).Str("release", shownRelease(r.To)).Str("state", string(r.State)).Msg("going on with a rollout")
		_ = h.begin(service, func() error { return nil }) // nobody else has begun one yet
	}
}
