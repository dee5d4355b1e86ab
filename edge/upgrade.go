package edge

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// errCrowded is a tenant with as many upgraded connections as it may have.
var errCrowded = errors.New("max_upgrades of the tenant are in use")

// halfTime is how long one side of an upgraded connection may be silent after the
// other has said its last word.
const halfTime = 30 * time.Second

// splice carries bytes both ways after the tenant's 101, until both sides have
// ended or one has failed. Neither connection is of any use afterwards.
func (x *exchange) splice(base context.Context, u *upstream, timeout time.Duration) error {
	x.ends = true
	x.unwatch() // the lanes see for themselves when a side leaves
	early, _ := u.tap.Peek(u.tap.Buffered())
	if err := x.send(append(x.answer.head(nil, &x.id, noBody, false), early...)); err != nil {
		return err
	}
	if err := errors.Join(u.SetDeadline(time.Time{}), x.client.in.setFree()); err != nil {
		return err
	}
	x.use = newPresence(base, x.door, func() { u.kill(); x.client.in.cutOff() })
	up := &lane{from: x.client.Conn, raw: x.client.in.raw, to: func(p []byte) error { return writeBy(u, p, timeout) }}
	down := &lane{from: u.Conn, raw: u.tap.raw, to: x.client.send}
	for _, l := range []*lane{up, down} {
		l.use, l.pulse = x.use, anyByte{}
		if is(x.answer.offers, "websocket") {
			l.pulse = &frames{}
		}
	}
	x.record.headed = time.Since(x.record.began)
	open := &x.door.Meter().Upgrades
	open.Add(1)
	defer open.Add(-1)
	down.note(early)
	u.tap.drop()
	var both sync.WaitGroup
	both.Go(func() { x.carryUp(u, up) })
	err := down.run()
	x.hangUp(u, err)
	both.Wait()
	x.lanes = up.carried
	return err
}

// carryUp ends with the client's last word, which the tenant is told.
func (x *exchange) carryUp(u *upstream, l *lane) {
	defer func() {
		if recover() != nil { // a fault of ours ends one connection, not the daemon
			u.kill()
		}
	}()
	err := l.deliver(x.client.in.drain())
	x.client.in.rest()
	if err == nil {
		err = l.run()
	}
	half, ok := u.Conn.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil || u.SetReadDeadline(time.Now().Add(halfTime)) != nil {
		u.kill()
	}
}

// hangUp passes the tenant's last word on, and gives the client a moment for its own.
func (x *exchange) hangUp(u *upstream, err error) {
	half, ok := x.client.Conn.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil || x.client.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		x.client.in.cutOff()
	}
}

// writeBy writes within a time.
func writeBy(conn net.Conn, p []byte, in time.Duration) error {
	if err := conn.SetWriteDeadline(time.Now().Add(in)); err != nil {
		return err
	}
	_, err := conn.Write(p)
	return err
}

// lane carries bytes one way. While none come it holds no buffer: ten thousand
// idle WebSockets are a usual day.
type lane struct {
	from  net.Conn
	raw   syscall.RawConn // of from; nil: it cannot be waited for without a buffer (TLS)
	to    func([]byte) error
	pulse pulse
	use   *presence

	buf     *[]byte
	n       int
	err     error
	carried int64 // bytes
}

// run ends with from, nil at its orderly end, or when to fails.
func (l *lane) run() error {
	defer l.drop()
	try := l.arrived
	for {
		if err := l.receive(try); err != nil || l.n == 0 {
			return notEnd(err)
		}
		if err := l.deliver((*l.buf)[:l.n]); err != nil {
			return err
		}
		l.drop()
	}
}

func (l *lane) deliver(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	l.note(p)
	l.carried += int64(len(p))
	return l.to(p)
}

// note counts as use what is data of the app's.
func (l *lane) note(p []byte) {
	if l.pulse.beats(p) {
		l.use.touch()
	}
}

func (l *lane) receive(try func(uintptr) bool) error {
	if l.raw == nil {
		l.borrow()
		l.n, l.err = l.from.Read(*l.buf)
		return l.err
	}
	if err := l.raw.Read(try); err != nil {
		return err
	}
	return l.err
}

// arrived runs inside a RawConn callback, where the descriptor is ours.
func (l *lane) arrived(fd uintptr) bool {
	l.borrow()
	if l.n, l.err = readNow(int(fd), *l.buf); errors.Is(l.err, syscall.EAGAIN) {
		l.drop()
		return false
	}
	return true
}

func (l *lane) borrow() {
	if l.buf == nil {
		l.buf = lanes.Get().(*[]byte)
	}
}

func (l *lane) drop() {
	if l.buf != nil {
		lanes.Put(l.buf)
		l.buf = nil
	}
}

var lanes = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}
