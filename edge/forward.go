package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
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
	u, err := ask(x, pool)
	if err != nil {
		return err
	}
	if pool.first.Load() || pool.first.Swap(true) {
		return converse(x, way, pool, u, nil)
	}
	asked := time.Now()
	return converse(x, way, pool, u, func() { m.observe(x.door.Name().Service, phaseFirstByte, time.Since(asked)) })
}

// ask sends the request's head on a connection.
func ask(x *exchange, pool *conns) (*upstream, error) {
	head := buffers.Get().(*[]byte)
	defer buffers.Put(head)
	*head = x.request.head((*head)[:0])
	for {
		u := pool.rested()
		if u == nil {
			var err error
			if u, err = pool.dial(x.context(context.Background())); err != nil {
				return nil, x.undialled(err)
			}
		}
		if !x.attach(u) {
			return nil, errGone
		}
		n, err := u.Write(*head)
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
	} else if err := u.answersIn(way.RequestTimeout); err != nil {
		u.kill()
		return err
	}
	br := readers.Get().(*bufio.Reader)
	br.Reset(u)
	clean := false
	defer func() {
		sent := sending.stop(x, u)
		if err != nil && errors.Is(sending.err(), errClientBody) && !x.started {
			err = sending.err()
		}
		if clean && sent && err == nil && br.Buffered() == 0 && x.keep(u) {
			pool.put(u)
		} else {
			u.kill()
		}
		br.Reset(nil)
		readers.Put(br)
	}()
	err = x.hear(br, u, sending == nil, first)
	if !u.reused {
		x.heard()
	}
	if err != nil {
		return x.explain(err)
	}
	if here := int64(br.Buffered()); sending != nil || x.answer.length < 0 || x.answer.length > here {
		if err := sending.answered(u); err != nil {
			return x.explain(err)
		}
	}
	if x.answer.status == 101 {
		return x.splice(x.base, u, br, way.RequestTimeout)
	}
	x.ends = x.ends || sending.unfinished() && (x.expects || x.answer.status >= 300)
	if err := relay(x, br); err != nil {
		return x.explain(err)
	}
	clean = !x.answer.close
	return nil
}

// hear reads the answer's head. alone: no body of the request is under way.
func (x *exchange) hear(br *bufio.Reader, u *upstream, alone bool, first func()) error {
	x.turns.asking.Add(1)
	if alone {
		x.turns.give()
	}
	_, err := br.Peek(1)
	x.turns.asking.Add(-1)
	if err != nil {
		if x.repeatable() && u.unread(err) {
			return fmt.Errorf("%w: %w", errUnread, err)
		}
		return err
	}
	if first != nil {
		first()
	}
	return x.answer.readFinal(br, x.method, x.request.upgrade, x.interim)
}

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
func relay(x *exchange, br *bufio.Reader) error {
	framing := x.answer.length
	if framing == untilClose {
		framing = chunked
	}
	if x.http10 && framing == chunked {
		framing = untilClose // a 1.0 client knows no chunks
	}
	x.ends = x.ends || x.nom.close || framing == untilClose || x.http10
	lent := lend()
	defer lent.giveBack()
	x.answer.hsts = x.client.at.hsts
	b := x.answer.head(lent.small(), &x.id, framing, x.ends)
	body := newBodyReader(br, x.answer.length)
	if !body.done && x.answer.streams() {
		x.record.headed = time.Since(x.record.began)
		beat := &events{}
		x.use = newPresence(x.base, x.door, func() { x.gone() })
		body.heard = func(p []byte) {
			if beat.beats(p) {
				x.use.touch()
			}
		}
	}
	for !body.done {
		if full := cap(b)-len(b) < minRoom; len(b) > 0 && (full || !body.ready()) {
			if err := x.send(b); err != nil {
				return err
			}
			b = lent.next(b, full)
		}
		var err error
		if b, err = appendBody(b, &body, framing); err != nil {
			return err // what is in b is not sent: an aborted answer ends anywhere
		}
	}
	if framing == chunked && !x.answer.bodiless(x.method) {
		b = body.appendTrailer(b)
	}
	return x.send(b)
}

// minRoom is how much room in a buffer is worth reading into; chunkRoom is for
// a chunk's size and line ends.
const (
	minRoom   = 8 << 10
	chunkRoom = 16
)

// appendBody reads once and appends what came, framed for the client.
func appendBody(b []byte, body *bodyReader, framing int64) ([]byte, error) {
	at := len(b)
	if framing == chunked {
		at += chunkRoom - 2
	}
	n, err := body.Read(b[at : cap(b)-2])
	if n == 0 {
		if err == io.EOF {
			err = nil
		}
		return b, err
	}
	if framing != chunked {
		return b[:at+n], notEnd(err)
	}
	size := strconv.AppendInt(b[len(b):], int64(n), 16)
	size = append(size, '\r', '\n')
	// The size is shorter than the room left for it: close the gap.
	start := len(b) + len(size)
	copy(b[start:cap(b)], b[at:at+n])
	return append(b[:start+n], '\r', '\n'), notEnd(err)
}

func notEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// send writes to the client; from now on an answer has been started.
func (x *exchange) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	x.started = true
	if err := x.client.send(b); err != nil {
		x.left.Store(true)
		return errGone
	}
	return nil
}
