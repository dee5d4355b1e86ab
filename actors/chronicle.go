package actors

import (
	"context"
	"sync"
	"time"

	"tenement/conf"
)

// remembered is how many events the host keeps, of all tenants together: some
// days of a small server's, a minute of a storm's, 1 MB.
const remembered = 4096

// Occurrence is one transition of a tenant's life.
type Occurrence struct {
	Number     uint64 // rises by one with each of the host's; a gap says that some were missed
	Time       time.Time
	Name       conf.Instance
	From, To   State
	Event      Event
	Reason     string // for operators; "" when there is no more to say
	Limit      string // that its process ran into: oom, pids, quota; "" = none
	Generation uint64
}

// chronicle remembers the newest events. It is written once a transition and
// read by whoever is curious, so a lock serves.
type chronicle struct {
	mu   sync.Mutex
	ring []Occurrence
	last uint64        // number of the newest
	news chan struct{} // closed with the next event
}

func newChronicle() *chronicle { return &chronicle{news: make(chan struct{})} }

// add numbers and keeps an event, and wakes those who follow.
func (c *chronicle) add(o Occurrence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	o.Number = c.last
	if len(c.ring) < remembered {
		c.ring = append(c.ring, o)
	} else {
		c.ring[(c.last-1)%remembered] = o
	}
	close(c.news)
	c.news = make(chan struct{})
}

// since gives what is kept of the events behind a number, oldest first, and a
// channel that is closed when there are more.
func (c *chronicle) since(after uint64) ([]Occurrence, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(c.last-min(after, c.last), uint64(len(c.ring)))
	list := make([]Occurrence, 0, n)
	for number := c.last - n + 1; number <= c.last; number++ {
		list = append(list, c.ring[(number-1)%remembered])
	}
	return list, c.news
}

// Events are the newest transitions of all tenants, oldest first.
func (h *Host) Events() []Occurrence {
	list, _ := h.chronicle.since(0)
	return list
}

// FollowEvents gives the transitions that come from now on until ctx ends, which
// closes the channel. A reader who is too slow misses some: Number tells.
func (h *Host) FollowEvents(ctx context.Context) <-chan Occurrence {
	c := make(chan Occurrence)
	h.chronicle.mu.Lock()
	after := h.chronicle.last
	h.chronicle.mu.Unlock()
	go func() { // ends with ctx
		defer close(c)
		for {
			list, news := h.chronicle.since(after)
			for _, o := range list {
				select {
				case c <- o:
					after = o.Number
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}
