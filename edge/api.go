package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/conf"
)

// maxBody is the largest request body the API reads; the largest use is a
// register of some ten thousand tenants.
const maxBody = 1 << 20

// API is the management interface: what `ten` and scripts talk to, on the
// public listener with a token and on the control socket without.
type API struct {
	host     Host
	log      zerolog.Logger
	guesses  *guesses
	sessions *sessions
	storage  *storageMeter
	measured *Metrics
	history  history
	tls      *TLS
	domain   string
	reloader func(context.Context) ([]conf.Difference, error)
	names    names // of the server it is part of; nil before there is one
}

// APIOptions is what the API needs; Host and Log are required.
type APIOptions struct {
	Host   Host
	Log    zerolog.Logger
	TLS    *TLS   // nil = plain HTTP only
	Domain string // as served
	// Reload reads the configuration again and applies it; its error may be
	// conf.Problems. nil: there is no file to read.
	Reload func(context.Context) ([]conf.Difference, error)
	// Metrics is what the server writes and Options.Woken of the host. nil: nobody.
	Metrics *Metrics
}

// NewAPI makes the API over a host.
func NewAPI(o APIOptions) *API {
	a := &API{
		host: o.Host, log: o.Log, guesses: newGuesses(), sessions: newSessions(), storage: newStorageMeter(), measured: o.Metrics, tls: o.TLS, domain: o.Domain,
		reloader: o.Reload,
	}
	if a.measured == nil {
		a.measured = NewMetrics()
	}
	a.history.look = a.look
	begin := a.history.begin
	a.measured.awake.Store(&begin)
	return a
}

// Serve answers one call. It never fails: what goes wrong is a Reply with a
// JSON error that says what, where and what to do.
func (a *API) Serve(ctx context.Context, c *Call) Reply {
	route, segment := findRoute(c.Method, c.Path)
	allowed := allowedMethods(c.Path)
	switch {
	case allowed == "":
		return refuse(http.StatusNotFound, "no such route: %s", clipText(c.Path))
	case route == nil:
		return refuse(http.StatusMethodNotAllowed, "%s does not answer to %s: use %s", clipText(c.Path), clipText(c.Method), allowed)
	case len(c.Body) > maxBody:
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	}
	r, refused := a.admit(c, route, segment)
	if refused != nil {
		return *refused
	}
	reply := route.handle(a, ctx, r)
	if c.Method == http.MethodHead {
		reply.Stream = nil
	}
	return reply
}

// admit checks who calls and which tenant they mean, in this order, so that a
// stranger learns nothing about names.
func (a *API) admit(c *Call, route *Route, segment string) (*apiRequest, *Reply) {
	r := &apiRequest{Call: c, segment: segment}
	if route.Who == WhoPublic {
		return r, nil
	}
	who, refused := a.authenticate(c)
	if refused != nil {
		return nil, refused
	}
	r.who = who
	if who.token.ReadOnly && route.Method != http.MethodGet {
		return nil, refusep(http.StatusForbidden, "this token may only look: %s %s changes something", route.Method, route.Pattern)
	}
	if route.Who == WhoAdmin && !who.admin {
		return nil, refusep(http.StatusForbidden, "%s %s needs an admin token", route.Method, route.Pattern)
	}
	if !strings.Contains(route.Pattern, instanceSegment) {
		return r, nil
	}
	name, err := conf.ParseInstance(segment)
	if err != nil {
		return nil, refusep(http.StatusBadRequest, "%v", err)
	}
	r.name = name
	return r, forbidden(who, name)
}

// forbidden is the reply to a caller who names a tenant that is not theirs,
// whether it exists or not; nil when they may.
func forbidden(who caller, name conf.Instance) *Reply {
	if who.may(name) {
		return nil
	}
	return refusep(http.StatusForbidden, "this token is not for %s", name)
}

// answerJSON makes a JSON answer.
func answerJSON(status int, v any) Reply {
	body, err := json.Marshal(v)
	if err != nil { // a shape of ours that cannot be encoded
		return refuse(http.StatusInternalServerError, "cannot encode the answer: %v", err)
	}
	return Reply{Status: status, ContentType: "application/json", Body: body, Lines: [][2]string{noStore}}
}

// noContent is the answer that needs no words.
func noContent() Reply { return Reply{Status: http.StatusNoContent} }

func refuse(status int, format string, args ...any) Reply {
	return answerJSON(status, ErrorJSON{Error: fmt.Sprintf(format, args...)})
}

func refusep(status int, format string, args ...any) *Reply {
	r := refuse(status, format, args...)
	return &r
}

// failed turns an error of the host's into a reply.
func (a *API) failed(what string, err error) Reply {
	var refusal *actors.Refusal
	switch {
	case errors.As(err, new(*actors.OverrideError)), errors.As(err, new(*actors.EntryError)):
		return refuse(http.StatusBadRequest, "%s: %v", what, err)
	case errors.Is(err, actors.ErrUnknownService):
		return refuse(http.StatusNotFound, "%s: %v: `ten config` lists the services", what, err)
	case errors.Is(err, actors.ErrUnknownToken):
		return refuse(http.StatusNotFound, "%s: %v: `ten token list` shows them", what, err)
	case errors.Is(err, actors.ErrUnknownTenant):
		return refuse(http.StatusNotFound, "%s: %v: `ten ps --all` lists the tenants, `ten register` adds one", what, err)
	case errors.As(err, &refusal):
		status := http.StatusServiceUnavailable
		if refusal.Timeout() {
			status = http.StatusGatewayTimeout
		}
		r := refuse(status, "%s: %v", what, err)
		r.RetryAfter = refusal.RetryAfter
		return r
	case errors.Is(err, actors.ErrStopping), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		r := refuse(http.StatusServiceUnavailable, "%s: %v", what, err)
		r.RetryAfter = time.Second
		return r
	}
	a.log.Error().Err(err).Msg(what)
	return refuse(http.StatusInternalServerError, "%s: %v", what, err)
}

// decodeBody reads a JSON body into v. Fields that we do not know are let pass, for
// the sake of newer and older clients; one of a wrong type is named.
func decodeBody(r *apiRequest, v any) *Reply {
	err := json.Unmarshal(r.Body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case len(r.Body) == 0:
		return refusep(http.StatusBadRequest, "no body: a JSON object is expected")
	case errors.As(err, &wrong) && wrong.Field != "":
		return refusep(http.StatusBadRequest, "field %q: a %s is expected, not a %s", wrong.Field, jsonKind(wrong), wrong.Value)
	}
	return refusep(http.StatusBadRequest, "the body is not the JSON object that is expected: %v", err)
}

// jsonKind names the expected type in JSON's words.
func jsonKind(e *json.UnmarshalTypeError) string {
	switch kind := e.Type.Kind().String(); kind {
	case "int", "int64":
		return "whole number"
	case "bool":
		return "true or false"
	case "slice":
		return "list"
	default:
		return kind
	}
}

// clipText shortens what a stranger sent before it is quoted in an answer.
func clipText(s string) string {
	if len(s) > 100 {
		return fmt.Sprintf("%q…", s[:100])
	}
	return fmt.Sprintf("%q", s)
}
