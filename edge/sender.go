package edge

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// lastWord is how long a tenant that takes no more of a body may take to give
// the answer that it has for this.
const lastWord = 100 * time.Millisecond

// lastPiece is how long the end of a body may take to leave when its answer is
// complete already; usually it has left, and only that is still to be noted.
const lastPiece = time.Second

// sender sends a client's body on. nil when there is none.
type sender struct {
	last atomic.Bool // what is left to do is soon done: a last write, or to say what failed
	cut  bool        // stopped before it was done
	done chan struct{}
	fail error // after done

	mu   sync.Mutex // the deadline is for the head, and not for what comes after it
	head bool       // the answer's head has come
}

// startSender starts a goroutine that stop ends.
func startSender(x *exchange, u *upstream, timeout time.Duration) *sender {
	s := &sender{done: make(chan struct{})}
	x.letGo() // a body overwrites it
	go s.run(x, u, timeout)
	return s
}

func (s *sender) run(x *exchange, u *upstream, timeout time.Duration) {
	defer close(s.done)
	defer func() {
		if r := recover(); r != nil { // a fault of ours ends one request, not the daemon
			s.fail = fmt.Errorf("panic while a body was sent: %v", r)
			s.last.Store(true)
			u.kill()
		}
	}()
	s.fail = s.copy(x, u, timeout)
	s.last.Store(true)
	switch {
	case s.fail == nil:
		s.await(u, timeout)
	case errors.Is(s.fail, errClientBody):
		u.kill() // the tenant must not take what it got for whole
	default:
		s.await(u, lastWord)
	}
}

// await gives the answer's head its time, unless it has come.
func (s *sender) await(u *upstream, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.head {
		_ = u.answersIn(time.Now(), d) // fails on a closed connection only
	}
}

// answered: the head has come, the rest may take its time.
func (s *sender) answered(u *upstream) error {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.head = true
	}
	return u.answersIn(time.Now(), 0)
}

// copy frames the body for the tenant, each piece as it comes.
func (s *sender) copy(x *exchange, u *upstream, timeout time.Duration) error {
	var up intake
	up.open(&x.client.in.tap, &x.client.in, &x.upload, x.length)
	defer up.close()
	for {
		b, err := up.next()
		done := x.upload.done && err == nil
		s.last.Store(done)
		if done && x.length == chunked {
			b = x.upload.appendTrailer(b)
		}
		if len(b) > 0 {
			if e := s.write(u, b, timeout); e != nil {
				return e
			}
		}
		switch {
		case done:
			return u.SetWriteDeadline(time.Time{})
		case err != nil:
			return fmt.Errorf("%w: %w", errClientBody, err)
		}
	}
}

func (s *sender) write(u *upstream, p []byte, timeout time.Duration) error {
	if err := u.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := u.Write(p)
	return err
}

// stop waits for the sender and reports whether all was sent. One that is still
// at it when the answer is complete is cut short: its reader belongs to the
// handler, which is about to return.
func (s *sender) stop(x *exchange, u *upstream) bool {
	if s == nil {
		return true
	}
	if !s.ended() {
		s.cut = true
		u.kill()
		x.client.in.cutOff()
		<-s.done
		x.ends = true
	}
	if s.fail != nil && !x.upload.done { // what the client has yet to send would be its next request
		x.ends, x.client.lingers = true, true
	}
	return s.fail == nil
}

// unfinished reports that the body is still being sent.
func (s *sender) unfinished() bool { return s != nil && !s.last.Load() }

// ended reports whether the sender is done, or is so within a moment.
func (s *sender) ended() bool {
	var wait <-chan time.Time
	select {
	case <-s.done:
		return true
	default:
		if !s.last.Load() {
			return false
		}
		timer := time.NewTimer(lastPiece)
		defer timer.Stop()
		wait = timer.C
	}
	select {
	case <-s.done:
		return true
	case <-wait:
		return false
	}
}

// err is why the body was not sent whole, if it was not stop that cut it; call
// it after stop.
func (s *sender) err() error {
	if s == nil || s.cut {
		return nil
	}
	return s.fail
}
