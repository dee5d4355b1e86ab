package edge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tenement/actors"
	"tenement/conf"
)

// maxWakes is how often one request wakes a tenant that then does not take it.
const maxWakes = 2

// verdict is an answer of the edge's own: what a visitor is told instead of a
// tenant's answer. Reason is for operators.
type verdict struct {
	status     int
	retryAfter time.Duration
	reason     string
	starting   bool   // a tenant that will be there soon
	page       []byte // HTML instead of the status text; nil = none
	location   string // of a redirect
}

// The contract's status texts.
var statusTexts = map[int]string{
	308: "Permanent redirect",
	400: "Bad request",
	404: "Not found",
	405: "Method not allowed",
	408: "Request timeout",
	413: "Payload too large",
	414: "URI too long",
	417: "Expectation failed",
	431: "Request header fields too large",
	500: "Internal server error",
	501: "Not implemented",
	502: "Bad gateway",
	503: "Service temporarily unavailable",
	504: "Gateway timeout",
	505: "HTTP version not supported",
}

// visitor brings requests through doors.
type visitor struct {
	host    Host
	base    context.Context // ends when the server does
	metrics *Metrics
}

// visit finds the door that a route leads to and forwards the request through
// it. A nil verdict: the client has its answer, or has left.
func (v *visitor) visit(x *exchange, r route) *verdict {
	if x.front.MaxBody > 0 {
		if x.length > x.front.MaxBody {
			return &verdict{status: 413, reason: errTooLarge.Error()}
		}
		x.upload.limit = x.front.MaxBody
	}
	door, err := v.door(x, r)
	if err != nil {
		return refused(x, err)
	}
	x.door, x.base = door, v.base
	way := door.Enter()
	for wakes := 0; ; wakes++ {
		if way == nil {
			x.woke = true
			x.watch()
			if way, err = v.wake(x, door); err != nil {
				return refused(x, err)
			}
			x.now = time.Now()
		}
		err := v.pass(x, door, way)
		if !errors.Is(err, errDial) && !errors.Is(err, errUnread) {
			return failed(x, err)
		}
		v.host.ConnFailed(door, way.Generation)
		if wakes == maxWakes {
			return failed(x, err)
		}
		way = nil
	}
}

// wake waits for a start, up to wake_page_after.
func (v *visitor) wake(x *exchange, door *actors.Door) (*actors.Way, error) {
	ctx := x.context(v.base)
	if x.front.WakePageAfter > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, x.front.WakePageAfter)
		defer cancel()
	}
	way, err := v.host.Wake(ctx, door)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, errStarting
	}
	return way, err
}

// errStarting is a start that takes longer than wake_page_after; it goes on.
var errStarting = errors.New("it is still starting (wake_page_after)")

// pass forwards and leaves the door, whatever happens.
func (v *visitor) pass(x *exchange, door *actors.Door, way *actors.Way) error {
	defer x.leave(door)
	err := forward(x, way, v.metrics)
	if err != nil {
		door.Meter().Faults[faultOf(err)].Add(1)
	}
	return err
}

// door finds a registered tenant, or creates one where that is allowed.
func (v *visitor) door(x *exchange, r route) (*actors.Door, error) {
	if r.to == toApex {
		return v.host.Apex(r.name.Service)
	}
	if d := v.host.Door(r.name.Service, r.name.ID); d != nil {
		return d, nil
	}
	if !v.mayCreate(x, r.name.Service) {
		return nil, actors.ErrUnknownTenant
	}
	x.watch()
	return v.host.Create(x.context(v.base), r.name)
}

// mayCreate keeps strangers from creating tenants on a developer's machine: a
// Host header says localhost from anywhere, a connection does not. What else
// create_on_request asks for is the host's to know.
func (v *visitor) mayCreate(x *exchange, service string) bool {
	s := v.host.Config().Services[service]
	return s == nil || s.CreateOnRequest != conf.CreateAuto || x.remote.IsLoopback()
}

// refused is the answer to a visitor who was not let in.
func refused(x *exchange, err error) *verdict {
	var r *actors.Refusal
	switch {
	case x.left.Load():
		x.ends = true
		return nil
	case errors.Is(err, actors.ErrUnknownTenant), errors.Is(err, actors.ErrUnknownService):
		return &verdict{status: 404, reason: err.Error()}
	case errors.Is(err, errStarting):
		return &verdict{status: 503, retryAfter: time.Second, reason: err.Error(), starting: true}
	case errors.As(err, &r) && r.Timeout():
		return &verdict{status: 504, reason: r.Reason}
	case errors.As(err, &r):
		return &verdict{status: 503, retryAfter: r.RetryAfter, reason: r.Reason}
	}
	return &verdict{status: 503, retryAfter: time.Second, reason: err.Error()}
}

// failed is the answer when a tenant could not be asked, or did not answer. An
// answer that has begun can only be cut off, so that the client sees it.
func failed(x *exchange, err error) *verdict {
	switch {
	case err == nil:
		return nil
	case x.started, errors.Is(err, errGone):
		x.client.abort()
		x.ends = true
		return nil
	case errors.Is(err, errClientBody):
		x.ends = true
		return &verdict{status: bodyStatus(err), reason: err.Error()}
	case errors.Is(err, errNoRoom), errors.Is(err, errBusy), errors.Is(err, errCrowded):
		return &verdict{status: 503, retryAfter: time.Second, reason: err.Error()}
	case errors.Is(err, errLate):
		return &verdict{status: 504, reason: err.Error()}
	}
	return &verdict{status: 502, reason: fmt.Sprintf("cannot forward: %v", err)}
}

// bodyStatus says what was wrong with a client's body.
func bodyStatus(err error) int {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 408
	case errors.Is(err, errTooLarge):
		return 413
	}
	return 400
}
