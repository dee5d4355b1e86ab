package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"tenement/actors/journal"
)

// A comment keeps proxies from closing a quiet stream; a token is looked at
// again often enough that a revoked one sees nothing a second later.
const (
	sseKeepAlive   = 15 * time.Second
	sseTokenRecall = 500 * time.Millisecond
	sseBatch       = 64 // lines in one flush, at most
)

// logStream follows the journal until the caller leaves, its token is revoked
// or the daemon stops.
func (a *API) logStream(_ context.Context, r *apiRequest) Reply {
	f, refused := logFilterOf(r)
	if refused != nil {
		return *refused
	}
	stream := func(ctx context.Context, w StreamWriter) error {
		s := logSSE{api: a, filter: f, w: w}
		return s.run(ctx)
	}
	return Reply{Status: http.StatusOK, ContentType: "text/event-stream", Stream: stream}
}

// logSSE is one stream of log lines to one caller.
type logSSE struct {
	api    *API
	filter logFilter
	w      StreamWriter
}

func (s *logSSE) run(ctx context.Context) error {
	lines, stop := s.api.follow(s.filter)
	defer stop()
	// The head reaches the caller now and not with the first line.
	if err := s.comment("following"); err != nil {
		return err
	}
	keepAlive := time.NewTicker(sseKeepAlive)
	defer keepAlive.Stop()
	recall, stopRecall := s.recall()
	defer stopRecall()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-recall:
			if _, ok := s.api.identify(s.filter.who.plain); !ok {
				return nil
			}
		case <-keepAlive.C:
			err = s.comment("keep-alive")
		case entry := <-lines:
			err = s.lines(entry, lines)
		}
		if err != nil {
			return err
		}
	}
}

// follow gives the lines of a filter as they are written, until stop. An id is
// followed in each service by itself: lines that a caller may not see must not
// crowd out those that it may.
func (a *API) follow(f logFilter) (lines <-chan journal.Entry, stop func()) {
	var wg sync.WaitGroup
	c, done := make(chan journal.Entry, sseBatch), make(chan struct{})
	var followers []*journal.Follower
	for _, service := range a.logServices(f) {
		follower := a.host.Journal().Follow(f.query(service))
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

// recall ticks when the token is to be looked at; never for a local caller.
func (s *logSSE) recall() (<-chan time.Time, func()) {
	if s.filter.who.plain == "" {
		return nil, func() {}
	}
	t := time.NewTicker(sseTokenRecall)
	return t.C, t.Stop
}

// lines writes an entry and those that wait behind it, and flushes once. A flood
// is cut into pieces so that the token is looked at in between.
func (s *logSSE) lines(entry journal.Entry, more <-chan journal.Entry) error {
	for n := 1; ; n++ {
		if err := s.line(entry); err != nil {
			return err
		}
		if n == sseBatch || len(more) == 0 { // nobody else receives from it
			return s.w.Flush()
		}
		entry = <-more
	}
}

func (s *logSSE) line(entry journal.Entry) error {
	if !s.filter.lets(entry.Name) {
		return nil
	}
	body, err := json.Marshal(logJSON(entry))
	if err != nil {
		return err
	}
	_, err = s.w.Write(append(append([]byte("data: "), body...), "\n\n"...))
	return err
}

func (s *logSSE) comment(text string) error {
	if _, err := s.w.Write([]byte(": " + text + "\n\n")); err != nil {
		return err
	}
	return s.w.Flush()
}
