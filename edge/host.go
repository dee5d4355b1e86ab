package edge

import (
	"context"
	"time"

	"tenement/actors"
	"tenement/actors/journal"
	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/sandbox"
)

// Host is what the edge asks of the supervision tree; *actors.Host is one.
type Host interface {
	Visits
	Manages
	Trusts
	Accounts
}

// Visits is what a visitor's request needs.
type Visits interface {
	Config() *conf.Config

	// Door gives the door of a registered tenant, nil for anybody else. It takes
	// no lock; both names are valid and lower-case (conf.Name).
	Door(service, id string) *actors.Door

	// Wake brings the tenant up and enters its door: the Way is given back by
	// Door.Leave. It waits for as long as the contract's one rule allows; a
	// context that ends (the client left) ends the wait, not the wake. Errors:
	// *actors.Refusal, or the context's.
	Wake(ctx context.Context, d *actors.Door) (*actors.Way, error)

	// ConnFailed reports that the way of this generation refuses connections.
	ConnFailed(d *actors.Door, generation uint64)

	// Create makes a tenant nobody registered, where create_on_request allows
	// it for this domain; otherwise actors.ErrUnknownTenant or ErrUnknownService.
	Create(ctx context.Context, name conf.Instance) (*actors.Door, error)

	// Domain finds the tenant that a domain of its customer's leads to. It takes
	// no lock; the name is lower-case.
	Domain(name string) (conf.Instance, bool)

	// Apex picks the tenant that S.DOMAIN serves. actors.ErrUnknownTenant: none.
	Apex(service string) (*actors.Door, error)
}

// Manages is what the API and so the CLI do. Errors: actors.ErrUnknownService,
// actors.ErrUnknownTenant, *actors.Refusal; all others are for people.
type Manages interface {
	Spawn(ctx context.Context, name conf.Instance) (actors.Info, error)   // registers, wakes, waits until it listens
	Restart(ctx context.Context, name conf.Instance) (actors.Info, error) // wakes a sleeper
	Stop(ctx context.Context, name conf.Instance) error                   // asleep now; returns when the process is gone
	Hold(ctx context.Context, name conf.Instance) error
	Unhold(ctx context.Context, name conf.Instance) error
	Register(ctx context.Context, names []conf.Instance) (added int, err error)
	Forget(ctx context.Context, name conf.Instance, deleteData bool) error
	SetWeight(ctx context.Context, name conf.Instance, weight int) error
	Override(ctx context.Context, name conf.Instance, o actors.Overrides) (actors.Overridden, error) // *actors.OverrideError: the caller's fault
	Env(name conf.Instance) ([]actors.Variable, error)                                               // sorted by name, without values of secrets
	Limits(name conf.Instance) (own, all conf.Limits, err error)
	Provision(ctx context.Context, list []actors.Provision) ([]actors.Overridden, error)      // *actors.EntryError: nothing is changed
	Exec(ctx context.Context, name conf.Instance, x actors.Execution) (sandbox.Status, error) // returns when the command has ended
	Import(ctx context.Context, services []string, names []conf.Instance) (actors.Imported, error)
	Deploy(ctx context.Context, name conf.Instance, weight int, patience time.Duration) (actors.Info, error) // weighted once it is healthy
	Rollout(ctx context.Context, o actors.RolloutOrder) (actors.RolloutInfo, error)                          // begun; the daemon sees it through
	AbortRollout(service string) (actors.RolloutInfo, error)
	RolloutOf(service string) (actors.RolloutInfo, error)
	Rollouts() []actors.RolloutInfo                                              // the newest of each service
	FollowRollout(ctx context.Context, service string) <-chan actors.RolloutInfo // to its end, or ctx's
	Route(ctx context.Context, from, to conf.Instance) error                     // of one service
	Domains() []ledger.Domain                                                    // sorted by name
	AddDomain(ctx context.Context, domain string, name conf.Instance) (added bool, err error)
	RemoveDomain(ctx context.Context, domain string) (conf.Instance, error)
	Info(name conf.Instance) (actors.Info, error)
	List() []actors.Info // everybody registered, sorted by name
	Why(name conf.Instance) (actors.Explanation, error)
	Takes(name conf.Instance) (sandbox.Usage, bool) // false: it has no process
	CPUOfAll() (time.Duration, bool)                // of all tenants so far; false: no cgroup counts
	History(ctx context.Context, name conf.Instance) ([]actors.HistoryPoint, error)
	Journal() *journal.Journal
	Events() []actors.Occurrence                               // the newest of all tenants, oldest first
	FollowEvents(ctx context.Context) <-chan actors.Occurrence // from now on, until ctx ends
}

// Trusts is who may use the API.
type Trusts interface {
	// Token finds what a presented token may do; false for an unknown or
	// expired one. Constant time in the token's bytes; no lock.
	Token(plain string) (ledger.Token, bool)
	// Tokens are those that were not revoked, expired ones too, oldest first.
	Tokens() []ledger.Token
	// IssueToken makes and stores a token and returns its plain text, once. A
	// new primary admin token replaces the one before.
	IssueToken(ctx context.Context, t ledger.Token) (plain string, issued ledger.Token, err error)
	// RevokeToken makes a token invalid at once. actors.ErrUnknownToken: nobody's handle.
	RevokeToken(ctx context.Context, handle string) error
}
