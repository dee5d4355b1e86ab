package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// dialTimeout bounds a connect: the tenant listens on this machine, so only a
// full backlog makes it wait.
const dialTimeout = 5 * time.Second

// maxBacklogPause is the longest pause between two looks at a full backlog.
const maxBacklogPause = 20 * time.Millisecond

// An idle connection is kept for idleTime only: a tenant that can do one thing
// at a time is blocked for everybody else while we hold one open. It is looked
// at before reuse, on a Unix socket when it has idled for peekAfter: there a
// write to a closed one fails at once, where TCP takes it and resets.
const (
	idleTime  = 250 * time.Millisecond
	peekAfter = 5 * time.Millisecond
)

// conns are the edge's connections to one generation of a tenant: idle ones on
// a lock-free stack, last in first out, without a goroutine each.
type conns struct {
	endpoint sandbox.Endpoint
	idle     atomic.Pointer[resting]
	closed   atomic.Bool
	sweeping atomic.Bool   // a sweep of idle ones is due
	places   chan struct{} // max_connections: one for each that is in use; nil = no limit
	first    atomic.Bool   // a request has been sent
	upgrades atomic.Int64  // connections that speak another protocol now

	// strained counts new connections that have waited long for a first answer.
	// A tenant that serves one connection at a time would never come to them
	// while another one is kept and used again: none is, meanwhile.
	strained atomic.Int64
}

// resting is an idle connection on the stack. A node is never pushed twice,
// which is what makes the compare-and-swap safe.
type resting struct {
	u     *upstream
	since time.Time
	next  *resting
}

// upstream is one connection to a tenant, which is small while nothing comes.
type upstream struct {
	net.Conn
	tap     tap
	sink    sink
	reused  bool
	reading deadline
	killed  atomic.Bool // by the watcher, or because the exchange failed
}

// NewConns makes the pool for one generation of a tenant. Close closes what
// idles; what is in use is closed when it is given back.
func NewConns(e sandbox.Endpoint, f conf.Front) io.Closer {
	c := &conns{endpoint: e}
	if f.MaxConnections > 0 {
		c.places = make(chan struct{}, f.MaxConnections)
	}
	return c
}

// enter waits for a place, where there is a limit. leave gives it back, after the
// connection: those that idle count as well.
func (c *conns) enter(x *exchange, patience time.Duration) error {
	if c.places == nil {
		return nil
	}
	select {
	case c.places <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	defer func() { x.now = time.Now() }()
	select {
	case c.places <- struct{}{}:
		return nil
	case <-x.context(context.Background()).Done():
		return errGone
	case <-timer.C:
		return errBusy
	}
}

func (c *conns) leave() {
	if c.places != nil {
		<-c.places
	}
}

func (c *conns) Close() error {
	c.closed.Store(true)
	c.drop()
	return nil
}

// drop closes what idles.
func (c *conns) drop() {
	for r := c.pop(); r != nil; r = c.pop() {
		r.u.Close()
	}
}

// strain is undone by strained.Add(-1).
func (c *conns) strain() {
	c.strained.Add(1)
	c.drop()
}

// keeps reports whether connections are kept for another use.
func (c *conns) keeps() bool { return !c.closed.Load() && c.strained.Load() == 0 }

// rested gives an idle connection that still stands, nil when there is none.
func (c *conns) rested(now time.Time) *upstream {
	for {
		r := c.pop()
		if r == nil {
			return nil
		}
		if c.endpoint.Network == "unix" && now.Sub(r.since) < peekAfter || r.u.stands() {
			r.u.reused = true
			return r.u
		}
		r.u.Close()
	}
}

// dial makes a new connection. A Unix socket with a full backlog says EAGAIN at
// once (connect(2)) where TCP waits: the tenant is busy, not gone.
func (c *conns) dial(ctx context.Context) (*upstream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	end := time.Now().Add(dialTimeout)
	for pause := time.Millisecond; ; pause = min(2*pause, maxBacklogPause) {
		conn, err := c.endpoint.Dial(ctx)
		if err == nil {
			return newUpstream(conn), nil
		}
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// answerBuffer holds the head of a usual answer, and a small one whole.
const answerBuffer = 16 << 10

// answers are the buffers of tenants' connections, of full size unless very many
// answers are stuck at their clients.
var answers = readerPool{plenty: 512}

func newUpstream(conn net.Conn) *upstream {
	u := &upstream{Conn: conn}
	u.tap.fit(waitable(conn), conn, &answers, answerBuffer)
	u.sink.fit(conn, u.tap.raw)
	return u
}

// put gives a connection back after an exchange that left it clean.
func (c *conns) put(u *upstream, now time.Time) {
	if !c.keeps() || u.killed.Load() {
		u.Close()
		return
	}
	c.push(&resting{u: u, since: now})
	if !c.keeps() { // changed between the two looks
		c.drop()
		return
	}
	if !c.sweeping.Swap(true) {
		time.AfterFunc(idleTime, c.sweep)
	}
}

// sweep closes what has idled too long and comes again while something idles.
// Nobody enters meanwhile: who found nothing idle would dial.
func (c *conns) sweep() {
	for range c.hold() {
		defer c.leave()
	}
	var young *resting
	for r := c.idle.Swap(nil); r != nil; {
		next := r.next
		if time.Since(r.since) >= idleTime {
			r.u.Close()
		} else {
			young = &resting{u: r.u, since: r.since, next: young}
		}
		r = next
	}
	c.sweeping.Store(young != nil)
	if young != nil {
		time.AfterFunc(idleTime/2, c.sweep)
	}
	for ; young != nil; young = young.next { // oldest first: the youngest ends on top
		c.push(&resting{u: young.u, since: young.since})
	}
	if !c.keeps() {
		c.drop()
	}
	// What was put while nothing seemed to idle saw this sweep still due.
	if c.idle.Load() != nil && !c.sweeping.Swap(true) {
		time.AfterFunc(idleTime, c.sweep)
	}
}

// hold takes all free places.
func (c *conns) hold() (taken int) {
	for taken = range cap(c.places) {
		select {
		case c.places <- struct{}{}:
		default:
			return taken
		}
	}
	return cap(c.places)
}

func (c *conns) push(r *resting) {
	for {
		r.next = c.idle.Load()
		if c.idle.CompareAndSwap(r.next, r) {
			return
		}
	}
}

func (c *conns) pop() *resting {
	for {
		r := c.idle.Load()
		if r == nil || c.idle.CompareAndSwap(r, r.next) {
			return r
		}
	}
}

// stands peeks: no byte and no end is what an idle connection looks like.
func (u *upstream) stands() bool {
	if u.tap.raw == nil {
		return false
	}
	fine := false
	err := u.tap.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, e := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		fine = errors.Is(e, syscall.EAGAIN)
		return true
	})
	return err == nil && fine
}

// unread reports that the tenant's end was closed before all that was written
// had been read: by a process that died with a request in its queue. The kernel
// resets the connection then (unix(7); RFC 1122, 4.2.2.13), while an end after
// the last byte was read is an orderly one. TCP has a third case: what is sent
// after an orderly end is answered by a reset, which Linux keeps as EPIPE
// behind the end of file.
func (u *upstream) unread(err error) bool {
	if errors.Is(err, syscall.ECONNRESET) {
		return true
	}
	tcp, isTCP := u.Conn.(*net.TCPConn)
	if !isTCP || err != io.EOF {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	pending := 0
	err = raw.Control(func(fd uintptr) {
		pending, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR) // 0 when it fails
	})
	return err == nil && syscall.Errno(pending) == syscall.EPIPE
}

// answersIn sets how long from now the next read may wait; 0 = for ever.
func (u *upstream) answersIn(now time.Time, d time.Duration) error {
	return u.reading.set(u.Conn.SetReadDeadline, now, d)
}

// kill closes a connection whose exchange is over before its time, from any
// goroutine.
func (u *upstream) kill() {
	if !u.killed.Swap(true) {
		u.Close()
	}
}
