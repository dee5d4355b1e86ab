package edge

import (
	"context"
	"net/http"

	"tenement/actors"
)

// EventJSON is one transition of a tenant's life.
type EventJSON struct {
	Number     uint64 `json:"number"`    // rises by one; a gap in a stream says that some were missed
	Timestamp  int64  `json:"timestamp"` // ms since 1970
	Instance   string `json:"instance"`
	From       string `json:"from"`
	To         string `json:"to"`
	Event      string `json:"event"`  // what happened: wake, ready, died, idle, stop …
	Reason     string `json:"reason"` // "" when there is no more to say
	Generation uint64 `json:"generation"`
}

func eventJSON(o actors.Occurrence) EventJSON {
	return EventJSON{
		Number: o.Number, Timestamp: o.Time.UnixMilli(), Instance: o.Name.String(), From: o.From.String(), To: o.To.String(),
		Event: o.Event.String(), Reason: o.Reason, Generation: o.Generation,
	}
}

// events are the last ones that match, oldest first.
func (a *API) events(_ context.Context, r *apiRequest) Reply {
	f, refused := tenantFilterOf(r)
	if refused != nil {
		return *refused
	}
	limit, refused := queryLimit(r)
	if refused != nil {
		return *refused
	}
	list := []EventJSON{}
	for _, o := range a.host.Events() {
		if f.lets(o.Name) {
			list = append(list, eventJSON(o))
		}
	}
	return answerJSON(http.StatusOK, list[max(0, len(list)-limit):])
}

// eventStream follows them.
func (a *API) eventStream(_ context.Context, r *apiRequest) Reply {
	f, refused := tenantFilterOf(r)
	if refused != nil {
		return *refused
	}
	stream := sse[actors.Occurrence]{api: a, who: f.who, shape: func(o actors.Occurrence) any {
		if !f.lets(o.Name) {
			return nil
		}
		return eventJSON(o)
	}}
	return stream.reply(func(ctx context.Context) (<-chan actors.Occurrence, func()) {
		ctx, stop := context.WithCancel(ctx)
		return a.host.FollowEvents(ctx), stop
	})
}
