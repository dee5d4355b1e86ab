package edge

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// pairOf gives both ends of a TCP connection.
func pairOf(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

func newWatch(t *testing.T) *watcher {
	t.Helper()
	w, err := newWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func TestWatcher_AnEndAHalfCloseAndAResetAreNoticedOnce(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	for name, leave := range map[string]func(c *net.TCPConn){
		"end":        func(c *net.TCPConn) { c.Close() },
		"half close": func(c *net.TCPConn) { _ = c.CloseWrite() },
		"reset":      func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
	} {
		here, there := pairOf(t)
		var calls atomic.Int64
		number := w.add(here, func() { calls.Add(1) })
		if number == 0 {
			t.Fatal("not watched")
		}
		leave(there)
		eventually(t, "an "+name+" is noticed", func() bool { return calls.Load() > 0 })
		there.Close()
		w.remove(here, number)
		if calls.Load() != 1 {
			t.Errorf("%s: noticed %d times", name, calls.Load())
		}
	}
}

func TestWatcher_BytesAreNoLeaving(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	here, there := pairOf(t)
	var left atomic.Bool
	number := w.add(here, func() { left.Store(true) })
	_, _ = there.Write([]byte("the next request"))
	other, gone := pairOf(t) // a later event: the loop has seen what came before it
	done := make(chan struct{})
	w.add(other, func() { close(done) })
	gone.Close()
	<-done
	if left.Load() {
		t.Error("a client that sends was taken for one that left")
	}
	w.remove(here, number)
	there.Close()
}

func TestWatcher_NoCallComesAfterRemove(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	for range 300 {
		here, there := pairOf(t)
		var over atomic.Bool
		number := w.add(here, func() {
			if over.Load() {
				t.Error("called after remove")
			}
		})
		go there.Close()
		w.remove(here, number)
		over.Store(true)
		here.Close()
	}
}

// The number of a closed descriptor is the next one's: whoever gets it must not
// be told of the old one's watch, nor lose its own.
func TestWatcher_AReusedDescriptorIsSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	for range 100 {
		old, _ := pairOf(t)
		stale := w.add(old, func() { t.Error("the closed connection's watch was called") })
		w.mu.Lock()
		delete(w.watched, stale) // as a request does that has ended
		w.mu.Unlock()
		old.Close()
		here, there := pairOf(t)
		left := make(chan struct{})
		number := w.add(here, func() { close(left) })
		w.remove(old, stale)
		there.Close()
		<-left
		w.remove(here, number)
		here.Close()
	}
}

func TestWatcher_AClosedConnectionIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	here, _ := pairOf(t)
	here.Close()
	called := false
	if number := w.add(here, func() { called = true }); number != 0 || !called {
		t.Errorf("number %d, called %t", number, called)
	}
	here, there := pairOf(t)
	there.Close()
	left := make(chan struct{})
	if w.add(here, func() { close(left) }) == 0 {
		t.Fatal("not watched")
	}
	<-left // it had left before the watch began
}

func TestWatcher_WhatHasNoDescriptorIsNotWatched(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if number := w.add(a, func() {}); number != 0 {
		t.Errorf("watched as %d", number)
	}
}

// A server that is shut down in a hurry leaves requests behind that still watch.
func TestWatcher_AfterCloseEverybodyIsGone(t *testing.T) {
	t.Parallel()
	w, err := newWatcher()
	if err != nil {
		t.Fatal(err)
	}
	here, there := pairOf(t)
	calls := 0
	number := w.add(here, func() { calls++ })
	w.close()
	there.Close()
	w.remove(here, number) // touches no descriptor that is somebody else's by now
	if n := w.add(here, func() { calls++ }); n != 0 || calls != 2 {
		t.Errorf("watched as %d by a closed watcher, %d calls", n, calls)
	}
}

func TestWatcher_ManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	var all sync.WaitGroup
	for range 200 { // more than one epoll_wait gives
		here, there := pairOf(t)
		all.Add(1)
		w.add(here, all.Done)
		defer there.Close()
		go there.Close()
	}
	all.Wait()
}
