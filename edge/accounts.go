package edge

import (
	"context"

	"tenement/actors"
	"tenement/actors/ledger"
	"tenement/conf"
)

// Accounts is what tenants cost.
type Accounts interface {
	// Usage gives the days from one to another (ledger.Day), both included, of
	// the tenants that wanted lets through, today's until now.
	Usage(ctx context.Context, from, to string, wanted func(conf.Instance) bool) ([]ledger.UsageRow, error)
	// Metering is what tenants have used since the daemon started. It is shared:
	// not to be changed.
	Metering(ctx context.Context) (*actors.Metering, error)
}
