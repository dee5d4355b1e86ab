package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// wire is one end of a connection that keeps everything which comes.
type wire struct {
	conn    net.Conn
	changed chan struct{} // something came, or the end; one waiter at a time
	done    chan struct{} // the reader has ended

	mu  sync.Mutex
	got []byte
	end string // "" while it is open; "end" or "reset"
}

// newWire reads in a goroutine that ends with the connection.
func newWire(c net.Conn) *wire {
	w := &wire{conn: c, changed: make(chan struct{}, 1), done: make(chan struct{})}
	go w.read()
	return w
}

func (w *wire) read() {
	defer close(w.done)
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.conn.Read(buffer)
		w.mu.Lock()
		w.got = append(w.got, buffer[:n]...)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			w.end = "end"
		case errors.Is(err, syscall.ECONNRESET):
			w.end = "reset"
		default:
			w.end = "closed"
		}
		w.mu.Unlock()
		select {
		case w.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// bytes is what has come until now, and how it ended.
func (w *wire) bytes() (got []byte, end string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got[:len(w.got):len(w.got)], w.end
}

// until waits until ok likes what has come, at most d.
func (w *wire) until(d time.Duration, ok func(got []byte, ended bool) bool) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		if got, end := w.bytes(); ok(got, end != "") {
			return true
		} else if end != "" {
			return false
		}
		select {
		case <-w.changed:
		case <-late.C:
			return false
		}
	}
}

// perform does steps, awaits counting from the byte at seen. It says whether the
// connection goes on.
func (w *wire) perform(steps []step, patience time.Duration) (goesOnAfter bool) {
	seen := 0
	for _, s := range steps {
		switch {
		case s.await != "":
			if !w.until(patience, func(got []byte, _ bool) bool {
				at := bytes.Index(got[seen:], []byte(s.await))
				if at >= 0 {
					seen += at + len(s.await)
				}
				return at >= 0
			}) {
				return w.stop(closes)
			}
		case s.end != goesOn:
			if !w.stop(s.end) {
				return false
			}
		case s.every > 0:
			if !w.drip(s) {
				return true
			}
		case s.say != "":
			// An error: the other side has ended, which is what the trial is about.
			_ = w.conn.SetWriteDeadline(time.Now().Add(patience))
			_, _ = io.WriteString(w.conn, s.say)
		}
		time.Sleep(s.pause)
	}
	return true
}

// drip sends byte by byte until the other side has enough.
func (w *wire) drip(s step) bool {
	for i := range len(s.say) {
		if _, err := io.WriteString(w.conn, s.say[i:i+1]); err != nil {
			return false
		}
		if w.until(s.every, func(_ []byte, ended bool) bool { return ended }) {
			return false
		}
	}
	return true
}

// stop ends the connection as told; after finishes, reading goes on.
func (w *wire) stop(how ending) bool {
	switch how {
	case finishes:
		if half, ok := w.conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		return true
	case resets:
		if tcp, ok := w.conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	w.conn.Close()
	<-w.done
	return false
}
