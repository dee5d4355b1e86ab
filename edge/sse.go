package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// A comment keeps proxies from closing a quiet stream; a token is looked at
// again often enough that a revoked one sees nothing a second later.
const (
	sseKeepAlive   = 15 * time.Second
	sseTokenRecall = 500 * time.Millisecond
	sseBatch       = 64 // items in one flush, at most
)

// sse is one stream of items to one caller: server-sent events, each a line of
// JSON. It lasts until the caller leaves, the items end, the token is revoked or
// the daemon stops.
type sse[T any] struct {
	api   *API
	who   caller
	items <-chan T
	shape func(T) any // nil: not this one
}

// reply makes the streamed answer; open gives the items until it is told to stop.
func (s sse[T]) reply(open func(ctx context.Context) (items <-chan T, stop func())) Reply {
	stream := func(ctx context.Context, w StreamWriter) error {
		items, stop := open(ctx)
		defer stop()
		s.items = items
		return s.run(ctx, w)
	}
	return Reply{Status: http.StatusOK, ContentType: "text/event-stream", Stream: stream}
}

func (s sse[T]) run(ctx context.Context, w StreamWriter) error {
	// The head reaches the caller now and not with the first item.
	if err := comment(w, "following"); err != nil {
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
			if !s.api.still(s.who) {
				return nil
			}
		case <-keepAlive.C:
			err = comment(w, "keep-alive")
		case item, open := <-s.items:
			if !open {
				return nil
			}
			err = s.write(w, item)
		}
		if err != nil {
			return err
		}
	}
}

// recall ticks when the token is to be looked at; never for a local caller.
func (s sse[T]) recall() (<-chan time.Time, func()) {
	if s.who.plain == "" {
		return nil, func() {}
	}
	t := time.NewTicker(sseTokenRecall)
	return t.C, t.Stop
}

// write sends an item and those that wait behind it, and flushes once. A flood
// is cut into pieces so that the token is looked at in between.
func (s sse[T]) write(w StreamWriter, item T) error {
	for n := 1; ; n++ {
		if err := s.event(w, item); err != nil {
			return err
		}
		if n == sseBatch || len(s.items) == 0 { // nobody else receives from it
			return w.Flush()
		}
		item = <-s.items
	}
}

func (s sse[T]) event(w StreamWriter, item T) error {
	shape := s.shape(item)
	if shape == nil {
		return nil
	}
	body, err := json.Marshal(shape)
	if err != nil {
		return err
	}
	_, err = w.Write(append(append([]byte("data: "), body...), "\n\n"...))
	return err
}

func comment(w StreamWriter, text string) error {
	if _, err := w.Write([]byte(": " + text + "\n\n")); err != nil {
		return err
	}
	return w.Flush()
}
