package edge

import (
	"context"
	"sync"

	"tenement/actors/journal"
)

// logStream follows the journal.
func (a *API) logStream(_ context.Context, r *apiRequest) Reply {
	f, refused := logFilterOf(r)
	if refused != nil {
		return *refused
	}
	return f.follow(a).reply(func(context.Context) (<-chan journal.Entry, func()) { return a.follow(f) })
}

// follow is a stream of the lines that the filter lets through.
func (f logFilter) follow(a *API) sse[journal.Entry] {
	return sse[journal.Entry]{api: a, who: f.who, shape: func(e journal.Entry) any {
		if !f.lets(e.Name) || f.match != nil && !f.match.MatchString(e.Message) {
			return nil
		}
		return logJSON(e)
	}}
}

// follow gives the lines of a filter as they are written, until stop. An id is
// followed in each service by itself: lines that a caller may not see must not
// crowd out those that it may.
func (a *API) follow(f logFilter) (lines <-chan journal.Entry, stop func()) {
	var wg sync.WaitGroup
	c, done := make(chan journal.Entry, sseBatch), make(chan struct{})
	var followers []*journal.Follower
	q := f
	q.match = nil // the stream's own goroutine matches: whoever writes lines must not wait for an expression
	for _, service := range a.logServices(f) {
		follower := a.host.Journal().Follow(q.query(service))
		followers = append(followers, follower)
		wg.Go(func() {
			for entry := range follower.C {
				select {
				case c <- entry:
				case <-done:
					return
				}
			}
		})
	}
	return c, func() {
		close(done)
		for _, follower := range followers {
			follower.Close()
		}
		wg.Wait()
	}
}
