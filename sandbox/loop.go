package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// errClosed is what a closed engine answers.
var errClosed = errors.New("the engine is closed")

// loop waits for every pidfd, output FIFO and the inotify descriptor of an
// engine in one place: one goroutine, blocked in epoll_wait, however many
// processes there are. Handlers run on that goroutine, one after the other, and
// are called again while their descriptor stays ready.
type loop struct {
	epoll, wake int
	done        chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex
	closing  bool
	last     uint64
	handlers map[uint64]func(token uint64) // by token: descriptor numbers are used again, tokens never
	posted   []func()
}

// newLoop starts the goroutine; close ends it.
func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make an event loop: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("cannot make an event loop: %w", err)
	}
	l := &loop{epoll: epoll, wake: wake, done: make(chan struct{}), handlers: map[uint64]func(uint64){}}
	if _, err := l.add(wake, func(uint64) { l.runPosted() }); err != nil {
		unix.Close(epoll)
		unix.Close(wake)
		return nil, err
	}
	go l.run()
	return l, nil
}

// add has handler called on the loop whenever fd can be read. The handler gets
// what remove wants; it may run before add returns.
func (l *loop) add(fd int, handler func(token uint64)) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return 0, errClosed
	}
	l.last++
	token := l.last
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return 0, fmt.Errorf("cannot watch a descriptor: %w", err)
	}
	l.handlers[token] = handler
	return token, nil
}

// remove ends the calls of add's handler. It is for the loop's goroutine (from
// elsewhere a call could be under way) and for after close.
func (l *loop) remove(fd int, token uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.handlers, token)
	if l.epoll >= 0 {
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) // fails only if it was not there
	}
}

// post runs f on the loop soon; false when the loop is closed and f never runs.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.posted = append(l.posted, f)
	l.poke()
	return true
}

// call is post and waits until f has run. Never from the loop's own goroutine.
func (l *loop) call(f func()) bool {
	ran := make(chan struct{})
	if !l.post(func() { f(); close(ran) }) {
		return false
	}
	<-ran
	return true
}

func (l *loop) poke() {
	_, _ = unix.Write(l.wake, binary.NativeEndian.AppendUint64(nil, 1)) // full means it is awake already
}

func (l *loop) runPosted() {
	var count [8]byte
	_, _ = unix.Read(l.wake, count[:]) // it only resets the descriptor
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

func (l *loop) run() {
	defer close(l.done)
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(fmt.Sprintf("sandbox: epoll_wait: %v", err)) // a bug of ours: a bad descriptor or buffer
		}
		for _, event := range events[:max(n, 0)] {
			token := uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32
			l.mu.Lock()
			handler := l.handlers[token] // nil: removed by an earlier handler of this round
			l.mu.Unlock()
			if handler != nil {
				handler(token)
			}
		}
		if l.ended() {
			return
		}
	}
}

// ended reports that close was called and everything posted has run.
func (l *loop) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing && len(l.posted) == 0
}

// close ends the goroutine and waits for it; descriptors that were added stay
// their owners' to close.
func (l *loop) close() {
	l.mu.Lock()
	closed := l.closing
	l.closing = true
	if !closed {
		l.poke()
	}
	l.mu.Unlock()
	<-l.done
	if closed {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	unix.Close(l.epoll)
	unix.Close(l.wake)
	l.epoll, l.wake = -1, -1
}
