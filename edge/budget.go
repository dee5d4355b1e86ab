package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// week is what certificate authorities count by.
const week = 7 * 24 * time.Hour

// After a failure a name is left alone for so long, each time twice as long as
// before. Let's Encrypt allows five failures a name and hour.
const (
	firstRetry = 15 * time.Minute
	lastRetry  = 24 * time.Hour
)

// budget remembers which names got their first certificate within a week, and
// which failed. It is pure: callers bring the time.
type budget struct {
	weekly int
	issued []issued
	failed map[string]failure
}

// issued is a name that got its first certificate.
type issued struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// failure is why a name has no certificate, and when it is tried again.
type failure struct {
	err   error
	times int
	until time.Time
}

var errBudget = errors.New("the weekly budget for new certificates is used up")

// failedBefore says when a name is tried again.
type failedBefore struct {
	until time.Time
	err   error
}

func (e *failedBefore) Error() string {
	return fmt.Sprintf("not tried again before %s, because: %v", e.until.UTC().Format(time.RFC3339), e.err)
}

func (e *failedBefore) Unwrap() error { return e.err }

// blocked says why a name may not be tried now; nil = it may.
func (b *budget) blocked(name string, now time.Time) error {
	if f, ok := b.failed[name]; ok && now.Before(f.until) {
		return &failedBefore{until: f.until, err: f.err}
	}
	return nil
}

// used is how much of the budget is spent, and when the next place is free when
// all is.
func (b *budget) used(now time.Time) (n int, next time.Time) {
	b.issued = slices.DeleteFunc(b.issued, func(i issued) bool { return now.Sub(i.At) >= week })
	if n = len(b.issued); n >= b.weekly && n > 0 {
		next = b.issued[max(0, n-b.weekly)].At.Add(week)
	}
	return n, next
}

// take spends one place of the budget. It is spent by an attempt, until give.
func (b *budget) take(name string, now time.Time) error {
	n, next := b.used(now)
	if n < b.weekly {
		b.issued = append(b.issued, issued{Name: name, At: now})
		return nil
	}
	if next.IsZero() {
		return fmt.Errorf("%w: it is 0", errBudget)
	}
	return fmt.Errorf("%w: %d names had their first one since %s; the next may have it after %s",
		errBudget, n, now.Add(-week).UTC().Format(time.RFC3339), next.UTC().Format(time.RFC3339))
}

// give takes back what the last take for a name spent.
func (b *budget) give(name string) {
	for i := len(b.issued) - 1; i >= 0; i-- {
		if b.issued[i].Name == name {
			b.issued = slices.Delete(b.issued, i, i+1)
			return
		}
	}
}

// succeeded and fail note what became of an attempt.
func (b *budget) succeeded(name string) { delete(b.failed, name) }

func (b *budget) fail(name string, err error, now time.Time) {
	f := b.failed[name]
	wait := lastRetry
	if f.times < 7 { // 15 min · 2^7 is more than a day
		wait = min(firstRetry<<f.times, lastRetry)
	}
	b.failed[name] = failure{err: err, times: f.times + 1, until: now.Add(wait)}
}

// encode and decode are what survives a restart of the daemon: the failures do
// not, so that a restart is a way to have them tried again.
func (b *budget) encode() []byte {
	note, err := json.Marshal(b.issued)
	if err != nil {
		panic(err) // names and times
	}
	return note
}

func decodeBudget(weekly int, note []byte) (*budget, error) {
	b := &budget{weekly: weekly, failed: map[string]failure{}}
	if len(note) == 0 {
		return b, nil
	}
	if err := json.Unmarshal(note, &b.issued); err != nil {
		return nil, err
	}
	slices.SortFunc(b.issued, func(a, b issued) int { return a.At.Compare(b.At) })
	return b, nil
}
