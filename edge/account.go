package edge

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
)

// visitRecord is what is noted of one request to a tenant.
type visitRecord struct {
	began  time.Time
	headed time.Duration // until the answer's head, of what goes on for long; 0 = it does not
	sent   int64         // what the connection had taken before
	wanted bool          // it goes into the access log, for which the rest is kept

	remote, host, target, agent, referer string
}

// note begins the record. The header lines stand until the body is read, so what
// the access log shows of them is taken now.
func (s *Server) note(x *exchange) {
	r := &x.record
	r.sent = x.client.sent
	share := x.front.AccessLog
	if r.wanted = share > 0 && (share == 1 || rand.Float64() < share); !r.wanted {
		return
	}
	r.remote = "unix"
	if who := x.visitor(s.trusts); who.IsValid() {
		r.remote = who.String()
	}
	r.host = x.host.name
	r.target = x.path() // without a query: tokens stand there
	eachChecked(x.headers, func(name, value []byte) {
		switch {
		case is(name, "user-agent"):
			r.agent = string(value)
		case is(name, "referer"):
			r.referer = string(value)
		}
	})
}

// account counts a request that is over, and logs it where that is wanted. A
// tenant that nobody knows has no meter.
func (s *Server) account(x *exchange, v *verdict) {
	if x.door == nil {
		return
	}
	status, took := x.status(v), time.Since(x.record.began)
	in, out := x.upload.read+x.lanes, x.client.sent-x.record.sent
	timed := took
	if x.record.headed > 0 {
		timed = x.record.headed
	}
	x.door.Meter().Observe(status, timed, in, out)
	if x.record.wanted {
		s.o.Access.Log().EmbedObject(&accessLine{x: x, v: v, status: status, took: took, in: in, out: out}).Send()
	}
}

// status is what the visitor was told; 0 = it left before.
func (x *exchange) status(v *verdict) int {
	switch {
	case v != nil:
		return v.status
	case x.started:
		return x.answer.status
	}
	return 0
}

// accessLine is one object of the access log.
type accessLine struct {
	x       *exchange
	v       *verdict
	status  int
	took    time.Duration
	in, out int64
}

// statusLeft is what logs call a visitor who left before the answer.
const statusLeft = 499

// MarshalZerologObject writes the fields.
func (l *accessLine) MarshalZerologObject(e *zerolog.Event) {
	x, r, name := l.x, &l.x.record, l.x.door.Name()
	if l.status == 0 {
		l.status = statusLeft
	}
	e.Time("time", r.began).Str("request_id", string(x.id.appendTo(nil))).Str("service", name.Service).Str("tenant", name.ID).
		Str("remote", r.remote).Bytes("method", x.method).Str("host", r.host).Str("path", r.target).Int("status", l.status).
		Int64("bytes_in", l.in).Int64("bytes_out", l.out).Float64("duration_ms", float64(l.took.Microseconds())/1000)
	if x.woke {
		e.Bool("woke", true)
	}
	if r.agent != "" {
		e.Str("user_agent", r.agent)
	}
	if r.referer != "" {
		e.Str("referer", r.referer)
	}
	if l.v != nil {
		e.Str("reason", l.v.reason)
	}
}

// faultOf names the cause of an exchange that failed.
func faultOf(err error) actors.Fault {
	for _, c := range [...]struct {
		err   error
		fault actors.Fault
	}{
		{errGone, actors.FaultClient}, {errClientBody, actors.FaultClient},
		{errDial, actors.FaultRefused}, {errBusy, actors.FaultBusy}, {errCrowded, actors.FaultBusy}, {errNoRoom, actors.FaultNoRoom},
		{errUnread, actors.FaultUnread}, {errLate, actors.FaultTimeout}, {errAnswer, actors.FaultMalformed},
	} {
		if errors.Is(err, c.err) {
			return c.fault
		}
	}
	return actors.FaultBroken
}
