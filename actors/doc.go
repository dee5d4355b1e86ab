// Package actors owns who runs, when, and why not: the supervision tree of
// docs/architecture.md on protoactor-go.
//
//	host
//	├ ledger     single writer of the registry
//	├ sweeper    one timer for every deadline of every tenant
//	└ services   admission: start slots and max_awake
//	  └ service  one per [service.NAME]: its tenants and their records
//	    └ tenant carries out the lifecycle table for one tenant
//
// Whatever must outlive an actor (the process, the waiting visitors, the open
// door) lives in the tenant's Cell; actors hold logic only. A tenant that
// nobody asked for has a Cell and no actor. Visitors of a tenant that is awake
// meet its Door and no actor at all.
//
// HTTP is the edge's business; files of the registry and of the logs belong to
// actors/ledger and actors/journal; processes to sandbox.
package actors
