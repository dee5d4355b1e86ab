package actors

import (
	"math/rand/v2"
	"time"

	"tenement/conf"
)

// Policy is the one restart policy, for processes that fail and for actors that
// panic: delays 0, base, 2·base … max with equal jitter, and an end to it.
type Policy struct {
	Base   time.Duration // 0: restart at once, always
	Max    time.Duration
	Limit  int           // failures inside Window that are forgiven; one more gives up
	Window time.Duration // also: this long without a failure clears the count
}

func policyOf(s conf.Settings) Policy {
	return Policy{Base: s.BackoffBase, Max: s.BackoffMax, Limit: s.MaxRestarts, Window: s.RestartWindow}
}

// Delay is how long restart n (from 0) waits, before jitter.
func (p Policy) Delay(n int) time.Duration {
	if n <= 0 || p.Base <= 0 {
		return 0
	}
	d := p.Base
	for i := 1; i < n && d < p.Max; i++ {
		d *= 2
	}
	return min(d, p.Max)
}

// jitter spreads restarts that failed together: half of d is certain, half is
// chance ("equal jitter", M. Brooker, AWS, 2015).
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d/2+1)
}

// Failures remembers the failures of one tenant or actor, as stamps.
type Failures struct {
	recent []int64 // oldest first, inside the window
}

// Add records a failure and says what follows: the delay before the next start,
// already jittered, or giving up.
func (f *Failures) Add(now int64, p Policy) (delay time.Duration, giveUp bool) {
	keep := f.recent[:0]
	for _, at := range f.recent {
		if now-at < int64(p.Window) {
			keep = append(keep, at)
		}
	}
	f.recent = append(keep, now)
	n := len(f.recent)
	if n > p.Limit {
		// More than the limit tells nothing new: the slice stays bounded.
		f.recent = f.recent[n-p.Limit-1:]
		return 0, true
	}
	return jitter(p.Delay(n - 1)), false
}

// Count is how many failures are remembered.
func (f *Failures) Count() int { return len(f.recent) }

// Clear forgets them.
func (f *Failures) Clear() { f.recent = nil }
