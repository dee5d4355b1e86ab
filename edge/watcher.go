package edge

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// watcher notices clients that leave while their request waits: one epoll
// instance and one goroutine for all of them. A descriptor is named to the
// kernel inside a RawConn callback only and known by a number that is never
// used again, so a reused descriptor is never mistaken for the old one.
type watcher struct {
	epoll int
	stop  [2]int // a pipe: a byte ends the loop
	done  chan struct{}

	mu      sync.Mutex
	next    uint64
	watched map[uint64]func() // nil when the watcher is closed
}

// newWatcher starts the loop; close ends it.
func newWatcher() (*watcher, error) {
	w := &watcher{done: make(chan struct{}), watched: map[uint64]func(){}}
	var err error
	if w.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot watch clients: epoll_create1: %w", err)
	}
	if err := syscall.Pipe2(w.stop[:], syscall.O_CLOEXEC); err != nil {
		syscall.Close(w.epoll)
		return nil, fmt.Errorf("cannot watch clients: pipe2: %w", err)
	}
	// Number 0 is the pipe's.
	stop := syscall.EpollEvent{Events: syscall.EPOLLIN}
	if err := syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_ADD, w.stop[0], &stop); err != nil {
		w.release()
		return nil, fmt.Errorf("cannot watch clients: epoll_ctl: %w", err)
	}
	go w.loop()
	return w, nil
}

func (w *watcher) release() {
	syscall.Close(w.epoll)
	syscall.Close(w.stop[0])
	syscall.Close(w.stop[1])
}

// close ends the loop and waits for it. Whoever is still watched then, or would
// be later, counts as gone: nobody would notice when they are.
func (w *watcher) close() {
	_, _ = syscall.Write(w.stop[1], []byte{0})
	<-w.done
	w.mu.Lock() // whoever still adds or removes must not meet a descriptor of somebody else's
	defer w.mu.Unlock()
	for _, gone := range w.watched {
		gone()
	}
	w.watched = nil
	w.release()
}

func (w *watcher) loop() {
	defer close(w.done)
	events := make([]syscall.EpollEvent, 64)
	for {
		n, err := syscall.EpollWait(w.epoll, events, -1)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			number := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
			if number == 0 {
				return
			}
			w.left(number)
		}
	}
}

// left calls back under the lock: after remove has returned, no call is under way.
func (w *watcher) left(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gone := w.watched[number]; gone != nil {
		delete(w.watched, number)
		gone()
	}
}

// add calls gone, once, when the peer of conn hangs up. The number is for
// remove; 0 means that conn cannot be watched.
func (w *watcher) add(conn net.Conn, gone func()) uint64 {
	if stream, ok := conn.(*h2Stream); ok {
		stream.watch(gone)
		return 1
	}
	raw := rawConn(conn)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched == nil {
		gone()
		return 0
	}
	if raw == nil {
		return 0
	}
	w.next++
	number := w.next
	e := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(uint32(number)), Pad: int32(uint32(number >> 32))}
	var refused error
	if err := raw.Control(func(fd uintptr) { refused = syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_ADD, int(fd), &e) }); err != nil {
		gone() // closed meanwhile: gone indeed
		return 0
	}
	if refused != nil { // ENOSPC, ENOMEM: it goes on unwatched
		return 0
	}
	w.watched[number] = gone
	return number
}

// remove ends a watch; a closed connection has left the epoll set by itself.
func (w *watcher) remove(conn net.Conn, number uint64) {
	if stream, ok := conn.(*h2Stream); ok {
		stream.unwatch()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watched, number)
	if raw := rawConn(conn); raw != nil && w.watched != nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_DEL, int(fd), nil) })
	}
}

func rawConn(conn net.Conn) syscall.RawConn {
	sc, ok := socketOf(conn).(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
