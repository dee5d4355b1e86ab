package main

import (
	"net"
	"strings"
	"sync"
	"time"
)

// The backend's standard answer, which no proxy would make up.
const (
	mark     = "X-Backend: yes"
	standard = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + mark + "\r\n\r\nseen"
	bodiless = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + mark + "\r\n\r\n" // to HEAD
)

// backend is a server behind a proxy that records every byte, connection by
// connection, and answers as a trial says.
type backend struct {
	patience time.Duration

	mu    sync.Mutex
	reply reply
	used  bool // the trial's reply has been given
	wires []*wire
}

// serve accepts until the listener is closed.
func (b *backend) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		w := newWire(c)
		b.mu.Lock()
		b.wires = append(b.wires, w)
		b.mu.Unlock()
		go b.attend(w) // ends with the connection
	}
}

// begin forgets the trial before and closes its connections.
func (b *backend) begin(r reply) {
	b.mu.Lock()
	before := b.wires
	b.wires, b.reply, b.used = nil, r, len(r.steps) == 0
	b.mu.Unlock()
	for _, w := range before {
		w.conn.Close()
		<-w.done
	}
	if len(before) > 0 {
		time.Sleep(lull) // a proxy notices when a connection that it keeps is closed
	}
}

// attend answers the requests of one connection.
func (b *backend) attend(w *wire) {
	for at := 0; ; {
		size, ok := b.answer(w, at)
		if !ok {
			w.conn.Close()
			return
		}
		at += size
	}
}

// answer gives one reply to the request that begins at a byte of the wire.
func (b *backend) answer(w *wire, at int) (size int, goOn bool) {
	var m *message
	var err error
	ready := func(when moment) func([]byte, bool) bool {
		return func(got []byte, ended bool) bool {
			if len(got) > at {
				m, size, err = parseRequest(got[at:])
			}
			switch {
			case len(got) == at:
				return false
			case err != nil && err != errShort: // ambiguous: a lenient server would answer
				return true
			case when == atByte:
				return true
			case when == atHead:
				return m != nil
			}
			return m != nil && m.whole
		}
	}
	when := b.next(false).when
	if !w.until(time.Minute, ready(when)) {
		return 0, false
	}
	mine := b.next(true)
	if len(mine.steps) > 0 {
		if !w.perform(mine.steps, b.patience) {
			return 0, false
		}
		if err == nil && m.whole {
			return size, true
		}
		return size, w.until(time.Minute, ready(atWhole)) && err == nil // the rest of an early-answered request
	}
	text := standard
	if m != nil && m.method == "HEAD" {
		text = bodiless
	}
	_, wrong := w.conn.Write([]byte(text))
	return size, wrong == nil && err == nil
}

// next is the reply that is due; taking it leaves the standard one.
func (b *backend) next(take bool) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used {
		return reply{}
	}
	b.used = b.used || take
	return b.reply
}

// arrival is everything that a trial brought.
type arrival struct {
	messages  []*message
	ambiguous []string
	raw       string
	waits     bool // a message that is not whole, on a connection that is open
}

// whole counts the complete messages.
func (a *arrival) whole() (n int) {
	for _, m := range a.messages {
		if m.whole {
			n++
		}
	}
	return n
}

// arrived reads what has come since begin.
func (b *backend) arrived() arrival {
	b.mu.Lock()
	wires := b.wires
	b.mu.Unlock()
	var a arrival
	var raw strings.Builder
	for _, w := range wires {
		got, end := w.bytes()
		raw.Write(got)
		messages, err := parseAll(got)
		if n := len(messages); n > 0 && !messages[n-1].whole && end == "" {
			a.waits = true
		}
		a.messages = append(a.messages, messages...)
		if err != nil {
			a.ambiguous = append(a.ambiguous, err.Error())
		}
	}
	a.raw = raw.String()
	return a
}

// settle waits until nothing has come for a moment.
func (b *backend) settle(quiet time.Duration) {
	for size := -1; ; {
		now := len(b.arrived().raw)
		if now == size {
			return
		}
		size = now
		time.Sleep(quiet)
	}
}

// rest waits until every message that came is whole or cut off.
func (b *backend) rest(patience time.Duration) {
	for deadline := time.Now().Add(patience); b.arrived().waits && time.Now().Before(deadline); {
		time.Sleep(lull)
	}
}
