package edge

import (
	"errors"
	"math"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outlet asks the kernel how much a client's socket takes at once, so that a large
// body is not read from its tenant before the client has room for it.
type outlet struct {
	raw   syscall.RawConn
	tight bool               // it queues little
	ask   func(uintptr) bool // asked, made once

	lent   *lent // whose that waits
	room   int
	queued int  // bytes that the client has yet to take, when there was no room
	waited bool // there has been no room once: this client is slower than its tenant
}

// tightQueue is how much a socket may have yet to send while memory is scarce. The
// kernel says that there is room when half of it is free (tcp_stream_memory_free).
const tightQueue = 32 << 10

// minWrite is the least that is ever worth a read and a write.
const minWrite = 4 << 10

// room waits until the client takes more, for as long as it goes on taking enough
// in WriteTimeout, and says how much. Whoever has to wait gives its buffer back.
func (c *client) room(l *lent) (int, error) {
	o := &c.out
	o.lent = l
	if o.ask == nil {
		o.raw, o.ask = rawConn(c.Conn), o.asked
	}
	if o.raw == nil { // a stream of HTTP/2
		return math.MaxInt, nil
	}
	if !o.tight && tcpMemory.scarce() {
		o.tighten()
	}
	for {
		if err := c.writing.set(c.Conn.SetWriteDeadline, time.Now(), c.limits.WriteTimeout); err != nil {
			return 0, err
		}
		err := o.raw.Write(o.ask)
		if err == nil {
			return o.room, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.writing.cut.Load() || o.taken() < quota(c.limits.MinRate, c.limits.WriteTimeout) {
			return 0, err
		}
	}
}

// tighten has the socket queue little from now on.
func (o *outlet) tighten() {
	o.tight = true
	_ = o.raw.Control(func(fd uintptr) { // a Unix socket knows no such thing, and has little
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, tightQueue)
	})
}

// asked reports that there is room. It runs inside a RawConn callback.
func (o *outlet) asked(fd uintptr) bool {
	queued, size, err := sendBuffer(int(fd))
	if err != nil { // no answer is no reason to wait
		o.room = math.MaxInt
		return true
	}
	o.room, o.queued = max(size-queued, minWrite), queued
	if o.tight {
		o.room = min(o.room, tightQueue/2)
	} else if size-queued >= queued/2 { // when the kernel says so, too (sk_stream_is_writable)
		return true
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, 0) // which has it say when there is
	if err != nil || n > 0 {
		return true
	}
	o.waited = true
	o.lent.rest()
	return false
}

// taken is how much the client has taken since there was no room.
func (o *outlet) taken() int {
	queued := o.queued
	_ = o.raw.Control(func(fd uintptr) {
		if now, _, err := sendBuffer(int(fd)); err == nil {
			queued = now
		}
	})
	return o.queued - queued
}

// sendBuffer is what a socket's send buffer holds and may hold, with what the
// kernel needs for itself (SO_MEMINFO, linux/sock_diag.h).
func sendBuffer(fd int) (queued, size int, err error) {
	const allocated, limit, waiting = 2, 3, 5 // SK_MEMINFO_WMEM_ALLOC, _SNDBUF, _WMEM_QUEUED
	var m [9]uint32
	length := uint32(unsafe.Sizeof(m))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return 0, 0, errno
	}
	return int(max(m[allocated], m[waiting])), int(m[limit]), nil
}
