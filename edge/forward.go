package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"tenement/actors"
)

// What became of a request that could not be forwarded to its end.
var (
	errDial       = errors.New("the tenant refuses connections")
	errUnread     = errors.New("the tenant ended without reading the request")
	errNoRoom     = errors.New("no room for a connection to the tenant")
	errGone       = errors.New("the client left")
	errLate       = errors.New("no answer within request_timeout")
	errBusy       = errors.New("max_connections of the tenant are in use")
	errClientBody = errors.New("the client's body is broken")
)

// forward sends the request by a way and its answer back. After an error,
// x.started says whether the client has seen something of an answer.
//
// A connection that rested in the pool may have died unseen. Only if not one
// byte of the request could be written to it is the request sent again here;
// errDial and errUnread leave it to the caller, who knows of other processes.
func forward(x *exchange, way *actors.Way, m *Metrics) error {
	pool := way.Conns.(*conns)
	if err := pool.enter(x, way.RequestTimeout); err != nil {
		return err
	}
	defer pool.leave()
	if x.request.upgrade != nil {
		defer pool.upgrades.Add(-1)
		if n := pool.upgrades.Add(1); x.front.MaxUpgrades > 0 && n > int64(x.front.MaxUpgrades) {
			return errCrowded
		}
	}
	if x.upload.done {
		x.turns.give() // requests that go out in a flock find a tenant that is still awake
	}
	u, err := ask(x, pool)
	if err != nil {
		return err
	}
	if pool.first.Load() || pool.first.Swap(true) {
		return converse(x, way, pool, u, nil)
	}
	asked := x.now
	return converse(x, way, pool, u, func() { m.observe(x.door.Name().Service, phaseFirstByte, x.now.Sub(asked)) })
}

// ask sends the request's head on a connection.
func ask(x *exchange, pool *conns) (*upstream, error) {
	for {
		u := pool.rested(x.now)
		if u == nil {
			var err error
			if u, err = pool.dial(x.context(context.Background())); err != nil {
				return nil, x.undialled(err)
			}
			x.now = time.Now()
		}
		if !x.attach(u) {
			return nil, errGone
		}
		n, err := x.sendHead(u)
		if err == nil {
			if !u.reused {
				x.awaits(pool)
			}
			return u, nil
		}
		u.kill()
		if x.left.Load() {
			return nil, errGone
		}
		switch {
		case n > 0:
			return nil, fmt.Errorf("cannot send the request: %w", err)
		case !u.reused: // accepted by nobody, or by somebody who is gone
			return nil, fmt.Errorf("%w: %w", errDial, err)
		}
	}
}

func (x *exchange) sendHead(u *upstream) (int, error) {
	head := buffers.Get().(*[]byte)
	defer buffers.Put(head)
	*head = x.request.head((*head)[:0])
	return u.sink.write(*head)
}

// undialled tells a tenant that does not listen from one that is busy, and from
// a want of our own, which no restart of the tenant would mend.
func (x *exchange) undialled(err error) error {
	var slow net.Error
	switch {
	case x.left.Load():
		return errGone
	case scarce(err), errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: %w", errNoRoom, err)
	case errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("%w: %w", errLate, err)
	}
	return fmt.Errorf("%w: %w", errDial, err)
}

// converse is the rest of an exchange whose head has been sent: the body goes
// out by a goroutine of its own, so that an answer which comes early is seen.
// first is called at the first byte of an answer.
func converse(x *exchange, way *actors.Way, pool *conns, u *upstream, first func()) (err error) {
	var sending *sender
	if !x.upload.done {
		sending = startSender(x, u, way.RequestTimeout)
	} else if err := u.answersIn(x.now, way.RequestTimeout); err != nil {
		u.kill()
		return err
	}
	clean := false
	defer func() {
		sent := sending.stop(x, u)
		if err != nil && errors.Is(sending.err(), errClientBody) && !x.started {
			err = sending.err()
		}
		clean = clean && sent && err == nil && u.tap.Buffered() == 0
		u.tap.drop()
		if clean && x.keep(u) {
			pool.put(u, x.now)
		} else {
			u.kill()
		}
	}()
	err = x.hear(u, sending == nil, first)
	if !u.reused {
		x.heard()
	}
	if err != nil {
		return x.explain(err)
	}
	if here := int64(u.tap.Buffered()); sending != nil || x.answer.length < 0 || x.answer.length > here {
		if err := sending.answered(u); err != nil {
			return x.explain(err)
		}
	}
	if sending == nil {
		x.letGo()
		x.client.in.rest()
	}
	if x.answer.status == 101 {
		return x.splice(x.base, u, way.RequestTimeout)
	}
	x.ends = x.ends || sending.unfinished() && (x.expects || x.answer.status >= 300)
	if err := relay(x, u); err != nil {
		return x.explain(err)
	}
	clean = !x.answer.close
	return nil
}

// hear reads the answer's head. alone: no body of the request is under way.
func (x *exchange) hear(u *upstream, alone bool, first func()) error {
	if err := x.awaitByte(u, alone); err != nil {
		if x.repeatable() && u.unread(err) {
			return fmt.Errorf("%w: %w", errUnread, err)
		}
		return err
	}
	if x.now = time.Now(); first != nil {
		first()
	}
	return x.answer.readFinal(&u.tap, x.method, x.request.upgrade, x.interim)
}

// awaitByte waits for the first byte of an answer, counted among those who do.
func (x *exchange) awaitByte(u *upstream, alone bool) error {
	x.turns.asking.Add(1)
	defer x.turns.asking.Add(-1) // after a panic too, which ends one request only
	if alone {
		x.turns.give()
	}
	return u.tap.await()
}

// letGo forgets what stands in the client's buffer: the request, which is not sent
// again.
func (x *exchange) letGo() { x.headers, x.target = nil, nil }

// explain says whose end an error on the tenant's connection is.
func (x *exchange) explain(err error) error {
	switch {
	case x.left.Load():
		return errGone
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errLate
	}
	return err
}

// interim relays an answer that is not the last one (RFC 9110, section 15.2). The
// client has seen nothing yet of what it waits for.
func (x *exchange) interim() error {
	if x.http10 {
		return nil
	}
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = x.answer.head((*b)[:0], nil, noBody, false)
	if err := x.client.send(*b); err != nil {
		x.left.Store(true)
		return errGone
	}
	return nil
}

// relay sends the answer on: head and what is there of the body in one write,
// the head alone only when the body would have to be waited for.
func relay(x *exchange, u *upstream) error {
	framing := x.answer.length
	if framing == untilClose {
		framing = chunked
	}
	if x.http10 && framing == chunked {
		framing = untilClose // a 1.0 client knows no chunks
	}
	x.ends = x.ends || x.nom.close || framing == untilClose || x.http10
	body, down := &x.download, &x.down
	*body = newBodyReader(&u.tap, x.answer.length)
	down.open(&u.tap, nil, body, framing)
	defer down.close()
	x.answer.hsts = x.client.at.hsts
	b := x.answer.head(down.borrow(), &x.id, framing, x.ends)
	if !body.done && x.answer.streams() {
		x.stream(body)
	}
	for !body.done {
		if full := filled(b); len(b) > 0 && (full || !body.ready()) {
			if err := x.pass(b, full); err != nil {
				return err
			}
			b = nil
		}
		var err error
		if len(b) > 0 {
			b, err = down.append(b)
		} else {
			b, err = down.next()
			x.now = time.Now()
		}
		if err != nil {
			return err // what is in b is not sent: an aborted answer ends anywhere
		}
	}
	if framing == chunked && !x.answer.bodiless(x.method) {
		b = body.appendTrailer(b)
	}
	u.tap.rest() // it is not wanted while the client takes its time
	return x.send(b)
}

// stream counts as use what a stream of events carries.
func (x *exchange) stream(body *bodyReader) {
	x.record.headed = time.Since(x.record.began)
	beat := &events{}
	x.use = newPresence(x.base, x.door, func() { x.gone() })
	body.heard = func(p []byte) {
		if beat.beats(p) {
			x.use.touch()
		}
	}
}

// pass sends a piece that others follow. Of a body that has filled a buffer no
// more is taken from the tenant than the client takes: what it does not stays
// where it is.
func (x *exchange) pass(b []byte, full bool) (err error) {
	x.down.from.rest()
	if err := x.send(b); err != nil {
		return err
	}
	if full && !x.down.bulk {
		x.down.bulk = true
		x.down.rest() // the next one is larger
	}
	if x.down.bulk || x.client.out.waited {
		if x.down.room, err = x.client.room(&x.down.lent); err != nil {
			x.left.Store(true)
			return errGone
		}
	}
	return nil
}

// send writes to the client; from now on an answer has been started.
func (x *exchange) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	x.started = true
	if err := x.client.sendFrom(x.now, b); err != nil {
		x.left.Store(true)
		return errGone
	}
	return nil
}
