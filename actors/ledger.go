package actors

import (
	"maps"
	"sync/atomic"

	"tenement/actors/ledger"

	"github.com/asynkron/protoactor-go/actor"
)

// maxBatch bounds the changes of one transaction, and so the time of its fsync.
const maxBatch = 4096

// keeper is the actor that writes the registry: it gathers what has come
// meanwhile into one transaction with one fsync.
type keeper struct {
	book *book
}

// book is the keeper's memory; it outlives a restart of the actor.
type book struct {
	store   *ledger.Store
	pending []*commit
	tokens  atomic.Pointer[map[[32]byte]ledger.Token] // published for Host.Token
	domains atomic.Pointer[map[string]ledger.Domain]  // published for Host.Domain

	rollouts atomic.Pointer[map[string]ledger.Rollout] // published for Host.rolloutOf, by service
}

func (k *keeper) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		k.write() // what a panic left behind
	case *commit:
		k.book.pending = append(k.book.pending, m)
		if len(k.book.pending) == 1 {
			// Everything that is in the mailbox by now comes before this.
			ctx.Send(ctx.Self(), &flush{})
		}
	case *flush:
		k.write()
	}
}

// write stores what is pending, as much as one transaction takes at a time.
func (k *keeper) write() {
	for len(k.book.pending) > 0 {
		n, size := 0, 0
		for n < len(k.book.pending) && (n == 0 || size+len(k.book.pending[n].changes) <= maxBatch) {
			size += len(k.book.pending[n].changes)
			n++
		}
		batch := k.book.pending[:n:n]
		k.book.pending = k.book.pending[n:]
		k.settle(batch)
	}
	k.book.pending = nil
}

// settle stores a batch and answers for every commit of it, come what may.
func (k *keeper) settle(batch []*commit) {
	answered := 0
	defer func() { // nothing is left but after a panic
		for _, c := range batch[answered:] {
			c.lost()
		}
	}()
	err := k.store(batch...)
	for _, c := range batch {
		e := err
		if e != nil && len(batch) > 1 {
			// One refused change must not fail those that happened to share its
			// transaction.
			e = k.store(c)
		}
		answered++
		c.done(e)
	}
}

// store writes commits in one transaction, all or none.
func (k *keeper) store(commits ...*commit) error {
	var changes []ledger.Change
	for _, c := range commits {
		changes = append(changes, c.changes...)
	}
	if err := k.book.store.Apply(changes...); err != nil {
		return err
	}
	k.book.follow(changes)
	k.book.followDomains(changes)
	k.book.followRollouts(changes)
	return nil
}

// follow keeps the published tokens in step with the file.
func (b *book) follow(changes []ledger.Change) {
	tokens := *b.tokens.Load()
	next := maps.Clone(tokens)
	changed := false
	for _, c := range changes {
		switch c := c.(type) {
		case ledger.PutToken:
			next[c.Token.Hash] = c.Token
		case ledger.DeleteToken:
			delete(next, c.Hash)
		case ledger.ReplaceAdmin:
			maps.DeleteFunc(next, func(_ [32]byte, t ledger.Token) bool { return t.Primary() })
			next[c.Token.Hash] = c.Token
		default:
			continue
		}
		changed = true
	}
	if changed {
		b.tokens.Store(&next)
	}
}
