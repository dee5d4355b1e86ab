package edge

import (
	"net/netip"
	"sync"
	"time"
)

// Ten wrong tokens at once, then one every six seconds: enough for a person with
// an old token in a script, nothing for somebody who guesses at 256 bits.
const (
	guessEvery = 6 * time.Second
	guessBurst = 10
	// maxGuessers bounds the table: about 300 KB when strangers fill it.
	maxGuessers = 4096
)

// guesses throttles wrong tokens by their source. A source is an address, or the
// /64 of one under IPv6, since that much is anybody's.
type guesses struct {
	mu   sync.Mutex
	paid map[netip.Prefix]time.Time // until when a source has used up its tries; past = forgotten
}

func newGuesses() *guesses { return &guesses{paid: map[netip.Prefix]time.Time{}} }

// wrong counts one wrong token and tells how long the source has to wait before
// another one is even answered; 0 while it has tries left.
func (g *guesses) wrong(from netip.Addr) time.Duration {
	now, source := time.Now(), guessSource(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	paid := g.paid[source]
	if paid.Before(now) {
		paid = now
	}
	if wait := paid.Add(guessEvery).Sub(now) - guessBurst*guessEvery; wait > 0 {
		return wait
	}
	if _, known := g.paid[source]; !known && len(g.paid) >= maxGuessers {
		g.makeRoom(now)
	}
	g.paid[source] = paid.Add(guessEvery)
	return 0
}

// makeRoom forgets the sources whose tries have come back, or else any one: a
// full table costs a guesser a slot of the table, not the daemon its memory.
func (g *guesses) makeRoom(now time.Time) {
	var any netip.Prefix
	for source, paid := range g.paid {
		if paid.Before(now) {
			delete(g.paid, source)
		}
		any = source
	}
	if len(g.paid) >= maxGuessers {
		delete(g.paid, any)
	}
}

func guessSource(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil { // no address at all: one source for all of them
		return netip.Prefix{}
	}
	return p
}
