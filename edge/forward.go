package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"tenement/actors"
)

// What became of a request that could not be forwarded to its end.
var (
	errDial       = errors.New("the tenant refuses connections")
	errGone       = errors.New("the client left")
	errLate       = errors.New("no answer within request_timeout")
	errClientBody = errors.New("the client's body is broken")
)

// forward sends the request by a way and its answer back. After an error,
// x.started says whether the client has seen something of an answer.
//
// A connection that rested in the pool may have died unseen. Only if not one
// byte of the request could be written to it is the request sent again.
func forward(x *exchange, way *actors.Way) error {
	pool := way.Conns.(*conns)
	head := buffers.Get().(*[]byte)
	defer buffers.Put(head)
	*head = x.request.head((*head)[:0])
	for {
		u, err := pool.get(context.Background())
		if err != nil {
			return fmt.Errorf("%w: %w", errDial, err)
		}
		if !x.attach(u) {
			return errGone
		}
		n, err := u.Write(*head)
		if err == nil {
			return converse(x, way, pool, u)
		}
		u.kill()
		if x.left.Load() {
			return errGone
		}
		if n > 0 || !u.reused {
			return fmt.Errorf("cannot send the request: %w", err)
		}
	}
}

// converse is the rest of an exchange whose head has been sent: the body goes
// out by a goroutine of its own, so that an answer which comes early is seen.
func converse(x *exchange, way *actors.Way, pool *conns, u *upstream) (err error) {
	var sending *sender
	if x.body != nil {
		sending = startSender(x, u, way.RequestTimeout)
	} else if err := u.SetReadDeadline(time.Now().Add(way.RequestTimeout)); err != nil {
		u.kill()
		return err
	}
	br := readers.Get().(*bufio.Reader)
	br.Reset(u)
	clean := false
	defer func() {
		sent := sending.stop(x)
		if err != nil && errors.Is(sending.err(), errClientBody) && !x.started {
			err = sending.err()
		}
		if clean && sent && err == nil && br.Buffered() == 0 {
			x.up.Store(nil)
			pool.put(u)
		} else {
			u.kill()
		}
		br.Reset(nil)
		readers.Put(br)
	}()
	if err := x.answer.read(br, x.method); err != nil {
		return x.explain(err)
	}
	if err := u.SetReadDeadline(time.Time{}); err != nil {
		return x.explain(err)
	}
	if err := relay(x, br); err != nil {
		return x.explain(err)
	}
	clean = !x.answer.close
	return nil
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
	x.ends = x.ends || x.close || framing == untilClose || x.http10
	out := buffers.Get().(*[]byte)
	defer buffers.Put(out)
	b := x.answer.head((*out)[:0], framing, x.ends)
	body := newBodyReader(br, x.answer.length)
	for !body.done {
		if len(b) > 0 && (!body.ready() || cap(b)-len(b) < minRoom) {
			if err := x.send(b); err != nil {
				return err
			}
			b = b[:0]
		}
		var err error
		if b, err = appendBody(b, &body, framing); err != nil {
			return err // what is in b is not sent: an aborted answer ends anywhere
		}
	}
	if framing == chunked && !x.answer.bodiless(x.method) {
		b = append(b, "0\r\n\r\n"...)
	}
	*out = b[:0]
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

// sender sends a client's body on. nil when there is none.
type sender struct {
	done chan struct{}
	fail error // after done
}

func startSender(x *exchange, u *upstream, timeout time.Duration) *sender {
	s := &sender{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if s.fail = s.copy(x, u, timeout); s.fail == nil {
			s.fail = u.SetReadDeadline(time.Now().Add(timeout)) // for the answer's head
		} else if errors.Is(s.fail, errClientBody) {
			u.kill() // the tenant must not take what it got for whole
		}
	}()
	return s
}

// copy frames the body for the tenant, each piece as it comes.
func (s *sender) copy(x *exchange, u *upstream, timeout time.Duration) error {
	out := buffers.Get().(*[]byte)
	defer buffers.Put(out)
	b, sent := (*out)[:cap(*out)], int64(0)
	for {
		n, err := x.body.Read(b[chunkRoom : len(b)-2])
		if n > 0 {
			sent += int64(n)
			if e := u.SetWriteDeadline(time.Now().Add(timeout)); e != nil {
				return e
			}
			if _, e := u.Write(frame(b, n, x.length)); e != nil {
				return e
			}
		}
		if err == io.EOF {
			return s.finish(x, u, sent)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errClientBody, err)
		}
	}
}

// finish ends the body, if that is what the client did: fasthttp's reader takes
// a connection that ends at a chunk's border for the end of the message.
func (s *sender) finish(x *exchange, u *upstream, sent int64) error {
	if x.client.ended.Load() || x.length >= 0 && sent != x.length {
		return fmt.Errorf("%w: %w", errClientBody, errTruncated)
	}
	if x.length == chunked {
		if _, err := u.Write([]byte("0\r\n\r\n")); err != nil {
			return err
		}
	}
	return u.SetWriteDeadline(time.Time{})
}

// frame is the piece of n bytes that begins at chunkRoom, ready to be written.
func frame(b []byte, n int, length int64) []byte {
	if length != chunked {
		return b[chunkRoom : chunkRoom+n]
	}
	size := strconv.AppendInt(nil, int64(n), 16)
	start := chunkRoom - len(size) - 2
	copy(b[start:], size)
	copy(b[start+len(size):], "\r\n")
	copy(b[chunkRoom+n:], "\r\n")
	return b[start : chunkRoom+n+2]
}

// stop waits for the sender and reports whether all was sent. One that is still
// at it when the answer is complete is cut short: its reader belongs to the
// handler, which is about to return.
func (s *sender) stop(x *exchange) bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
	default:
		x.ends = true
		_ = x.client.SetReadDeadline(time.Unix(1, 0))
		if u := x.up.Load(); u != nil {
			_ = u.SetWriteDeadline(time.Unix(1, 0))
		}
		<-s.done
	}
	x.ends = x.ends || s.fail != nil
	return s.fail == nil
}

// err is why the body was not sent whole; call it after stop.
func (s *sender) err() error {
	if s == nil {
		return nil
	}
	return s.fail
}
