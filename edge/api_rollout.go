package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tenement/actors"
	"tenement/actors/ledger"
	"tenement/conf"
)

// defaultBatch is how many awake tenants a rollout moves at a time.
const defaultBatch = 10

// RolloutRequest is the body of POST /api/rollouts.
type RolloutRequest struct {
	Process string  `json:"process"`
	To      string  `json:"to"`      // a release; "base" = the service as configured
	Canary  float64 `json:"canary"`  // percent of the tenants that come first and are watched; 0 = none
	Batch   int     `json:"batch"`   // of those awake, at a time; 0: 10
	Timeout int     `json:"timeout"` // seconds for each to be healthy; 0: 30
}

// AbortRequest is the body of POST /api/rollouts/abort.
type AbortRequest struct {
	Process string `json:"process"`
}

// RolloutJSON is the newest rollout of a service.
type RolloutJSON struct {
	Process string `json:"process"`
	Number  uint64 `json:"number"`
	To      string `json:"to"`
	From    string `json:"from"`  // the release of new tenants before
	State   string `json:"state"` // running, rolling back, done, rolled back
	Proved  bool   `json:"proved"`
	Reason  string `json:"reason"`  // why it rolls back
	Tenants int    `json:"tenants"` // of the service
	Moved   int    `json:"moved"`   // are at the release, or will be when they wake
	Left    int    `json:"left"`    // have a process that is yet to be replaced
	Failed  int    `json:"failed"`  // of those moved: do not stay up at the release
	Batch   int    `json:"batch"`
	First   int    `json:"first"`           // tenants of the batch that proves the release
	Canary  bool   `json:"canary"`          // that batch is watched for a while
	Started int64  `json:"started"`         // ms since 1970
	Ended   int64  `json:"ended,omitempty"` // ms since 1970
}

func rolloutJSON(i actors.RolloutInfo) RolloutJSON {
	j := RolloutJSON{
		Process: i.Service, Number: i.Number, To: releaseName(i.To), From: releaseName(i.From), State: string(i.State), Proved: i.Proved,
		Reason: i.Reason, Tenants: i.Tenants, Moved: i.Moved, Left: i.Left, Failed: i.Failed,
		Batch: i.Batch, First: i.First, Canary: i.Canary, Started: i.Started.UnixMilli(),
	}
	if !i.Ended.IsZero() {
		j.Ended = i.Ended.UnixMilli()
	}
	return j
}

// releaseName is the name of a release for people.
func releaseName(release string) string {
	if release == "" {
		return conf.BaseRelease
	}
	return release
}

func (a *API) rollout(ctx context.Context, r *apiRequest) Reply {
	var body RolloutRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	order, refused := body.order()
	if refused != nil {
		return *refused
	}
	info, err := a.host.Rollout(ctx, order)
	return a.rolledOut("cannot roll out "+order.Service, http.StatusAccepted, info, err)
}

// order checks what the body asks for.
func (b RolloutRequest) order() (o actors.RolloutOrder, refused *Reply) {
	if b.Process == "" {
		return o, refusep(http.StatusBadRequest, `field "process" is missing: the name of a service`)
	}
	service, err := conf.Name(b.Process)
	if err != nil {
		return o, refusep(http.StatusBadRequest, `field "process": %v`, err)
	}
	if b.To == "" {
		return o, refusep(http.StatusBadRequest, `field "to" is missing: a release, or %q`, conf.BaseRelease)
	}
	to, err := conf.Name(b.To)
	switch {
	case err != nil:
		return o, refusep(http.StatusBadRequest, `field "to": %v`, err)
	case b.Canary < 0 || b.Canary > 100:
		return o, refusep(http.StatusBadRequest, `field "canary": 0 to 100 percent are expected`)
	case b.Batch < 0 || b.Batch > maxBatch:
		return o, refusep(http.StatusBadRequest, `field "batch": 1 to %d tenants are expected`, maxBatch)
	case b.Timeout < 0 || b.Timeout > maxPatience:
		return o, refusep(http.StatusBadRequest, `field "timeout": 1 to %d seconds are expected`, maxPatience)
	}
	if b.Batch == 0 {
		b.Batch = defaultBatch
	}
	if b.Timeout == 0 {
		b.Timeout = defaultPatience
	}
	return actors.RolloutOrder{Service: service, To: to, Canary: b.Canary, Batch: b.Batch, Patience: time.Duration(b.Timeout) * time.Second}, nil
}

// maxBatch is far above what a server can start at a time.
const maxBatch = 10_000

func (a *API) abortRollout(_ context.Context, r *apiRequest) Reply {
	var body AbortRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	service, err := conf.Name(body.Process)
	if err != nil {
		return refuse(http.StatusBadRequest, `field "process": %v`, err)
	}
	info, err := a.host.AbortRollout(service)
	return a.rolledOut("cannot abort the rollout of "+service, http.StatusAccepted, info, err)
}

// rolledOut answers with a rollout.
func (a *API) rolledOut(what string, status int, info actors.RolloutInfo, err error) Reply {
	switch {
	case err == nil:
		return answerJSON(status, rolloutJSON(info))
	case errors.Is(err, actors.ErrUnknownRelease), errors.Is(err, actors.ErrNoRollout):
		return refuse(http.StatusNotFound, "%s: %v", what, err)
	case errors.Is(err, actors.ErrRolloutUnderWay), errors.Is(err, actors.ErrUnfit):
		return refuse(http.StatusConflict, "%s: %v", what, err)
	}
	return a.failed(what, err)
}

// rollouts are the newest ones of the services that the caller may see whole.
func (a *API) rollouts(_ context.Context, r *apiRequest) Reply {
	only, refused := queryName(r, "process")
	if refused != nil {
		return *refused
	}
	list := []RolloutJSON{}
	for _, info := range a.host.Rollouts() {
		if (only == "" || only == info.Service) && r.who.mayService(info.Service) {
			list = append(list, rolloutJSON(info))
		}
	}
	return answerJSON(http.StatusOK, list)
}

// rolloutStream follows the newest rollout of a service to its end.
func (a *API) rolloutStream(_ context.Context, r *apiRequest) Reply {
	service, refused := queryName(r, "process")
	switch {
	case refused != nil:
		return *refused
	case service == "":
		return refuse(http.StatusBadRequest, "process= is missing: the name of a service")
	case !r.who.mayService(service):
		return refuse(http.StatusForbidden, "this token is not for all of %s", service)
	}
	if _, err := a.host.RolloutOf(service); err != nil {
		return a.rolledOut("cannot follow the rollout of "+service, http.StatusOK, actors.RolloutInfo{}, err)
	}
	stream := sse[actors.RolloutInfo]{api: a, who: r.who, shape: func(i actors.RolloutInfo) any { return rolloutJSON(i) }}
	return stream.reply(func(ctx context.Context) (<-chan actors.RolloutInfo, func()) {
		ctx, stop := context.WithCancel(ctx)
		return a.host.FollowRollout(ctx, service), stop
	})
}

// mayService reports whether the caller may see all tenants of a service.
func (c caller) mayService(service string) bool {
	return c.admin || c.token.Scope == ledger.ScopeService && c.token.Service != "" && c.token.Service == service
}
