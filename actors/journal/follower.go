package journal

import (
	"fmt"
	"slices"
	"sync"

	"tenement/sandbox"
)

// What a follower may leave unread before it loses lines.
const (
	maxQueued      = 256
	maxQueuedBytes = 1 << 20
)

// Follower is a live view of the journal. Close must be called.
type Follower struct {
	C <-chan Entry // closed after Close

	journal *Journal
	query   Query
	done    chan struct{}
	close   sync.Once
	wake    chan struct{} // holds one: there is something to deliver

	mu     sync.Mutex
	queue  []Entry
	bytes  int
	lost   int
	newest Entry // of those lost
}

// Follow gives the entries that match as they are written from now on, whether
// the disk takes them or not. One that reads too slowly loses lines and gets an
// entry that says how many, where they are missing. Query's Limit means nothing
// here.
func (j *Journal) Follow(q Query) *Follower {
	c := make(chan Entry)
	f := &Follower{C: c, journal: j, query: q, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	j.edit(func(all []*Follower) []*Follower { return append(all, f) })
	go f.deliver(c) // ended by Close
	return f
}

// Close ends the view; a second call does nothing.
func (f *Follower) Close() {
	f.close.Do(func() {
		f.journal.edit(func(all []*Follower) []*Follower {
			return slices.DeleteFunc(all, func(other *Follower) bool { return other == f })
		})
		close(f.done)
	})
}

// edit replaces the list of followers by a changed copy.
func (j *Journal) edit(change func([]*Follower) []*Follower) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []*Follower
	if now := j.followers.Load(); now != nil {
		all = slices.Clone(*now)
	}
	if all = change(all); len(all) == 0 {
		j.followers.Store(nil)
		return
	}
	j.followers.Store(&all)
}

// offer queues an entry, or counts it as lost. It never waits for the reader.
func (f *Follower) offer(e Entry) {
	f.mu.Lock()
	if len(f.queue)+1 < maxQueued && f.bytes < maxQueuedBytes {
		f.tell()
		f.queue = append(f.queue, e)
		f.bytes += len(e.Message)
	} else {
		f.lost++
		f.newest = e
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// tell queues the news of lost lines, if there were any.
func (f *Follower) tell() {
	if f.lost == 0 {
		return
	}
	unit := "lines"
	if f.lost == 1 {
		unit = "line"
	}
	f.queue = append(f.queue, Entry{Time: f.newest.Time, Name: f.newest.Name, Stream: sandbox.Stderr,
		Message: fmt.Sprintf("%s%d %s lost to a slow reader", notePrefix, f.lost, unit)})
	f.lost, f.newest = 0, Entry{}
}

// deliver hands the queue to the reader, until Close.
func (f *Follower) deliver(c chan<- Entry) {
	defer close(c)
	for {
		select {
		case <-f.wake:
		case <-f.done:
			return
		}
		for _, e := range f.take() {
			select {
			case c <- e:
			case <-f.done:
				return
			}
		}
	}
}

// take empties the queue.
func (f *Follower) take() []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell()
	queue := f.queue
	f.queue, f.bytes = nil, 0
	return queue
}
