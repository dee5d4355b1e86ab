package actors

import (
	"errors"
	"time"
)

// Errors that callers act on. Every other error of this package is for people.
var (
	// ErrUnknownService: no such [service.NAME] in the configuration.
	ErrUnknownService = errors.New("unknown service")
	// ErrUnknownTenant: the service exists, nobody registered this id.
	ErrUnknownTenant = errors.New("unknown tenant")
	// ErrUnknownToken: no token has this handle.
	ErrUnknownToken = errors.New("unknown token")
	// ErrStopping: the daemon is shutting down.
	ErrStopping = errors.New("the daemon is stopping")
	// ErrUnknownRelease: the service has no such release.
	ErrUnknownRelease = errors.New("unknown release")
	// ErrUnfit: the release cannot run on this host.
	ErrUnfit = errors.New("it cannot run here")
	// ErrRolloutUnderWay: one rollout of a service at a time.
	ErrRolloutUnderWay = errors.New("a rollout is under way")
	// ErrNoRollout: there is none to show or to end.
	ErrNoRollout = errors.New("no rollout")
)

// Cause says why a request was not let in.
type Cause uint8

// The causes of a Refusal.
const (
	CauseHeld         Cause = iota + 1 // kept asleep by hand
	CauseFailed                        // the circuit is open
	CauseBackoff                       // the next start is further away than the request can wait
	CauseQueueFull                     // too many are waiting, here or for a start slot
	CauseQueueTimeout                  // no start slot came free in queue_timeout
	CauseNoRoom                        // max_awake reached and everybody is in use
	CauseStartTimeout                  // never ready
	CauseStartFailed                   // the process could not be started or died before it was ready
	CauseStopping                      // the daemon is shutting down
	CauseServiceDown                   // the service was refused at load
)

// Refusal answers a visitor who could not be let in. Reason is for operators
// and is never shown to a visitor.
type Refusal struct {
	Cause      Cause
	RetryAfter time.Duration // 0: no Retry-After header
	Reason     string
}

func (r *Refusal) Error() string { return r.Reason }

// Timeout reports the one cause that is a 504 and not a 503.
func (r *Refusal) Timeout() bool { return r.Cause == CauseStartTimeout }

// lostRefusal answers for a message that met an actor between two lives.
func lostRefusal() *Refusal {
	return &Refusal{Cause: CauseStopping, RetryAfter: time.Second, Reason: "its actor was being restarted; try again"}
}
