package edge

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/journal"
	"tenement/sandbox"
)

func endedContext(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

// sseReader takes a stream and lets a test wait for what it says.
type sseReader struct {
	mu      sync.Mutex
	pending strings.Builder
	text    strings.Builder // flushed
	fail    error
	closed  bool
}

func (r *sseReader) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errors.New("closed")
	}
	return r.pending.Write(b)
}

func (r *sseReader) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.WriteString(r.pending.String())
	r.pending.Reset()
	return r.fail
}

func (r *sseReader) fails(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

func (r *sseReader) seen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// open starts a stream; its end comes by the channel.
func (d asker) open(ctx context.Context, t *testing.T, token, query string) (*sseReader, <-chan error) {
	t.Helper()
	reply := d.ask(token, "GET", "/api/logs/stream"+query, "")
	if reply.Stream == nil || reply.ContentType != "text/event-stream" {
		t.Fatalf("no stream: %d %s %s", reply.Status, reply.ContentType, reply.Body)
	}
	r, end := &sseReader{}, make(chan error, 1)
	go func() { end <- reply.Stream(ctx, r) }()
	return r, end
}

func TestLogStream_ALineIsOneEventAndTheCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		ctx, cancel := context.WithCancel(t.Context())
		mine, end := d.open(ctx, t, "alice", "")
		all, endAll := d.open(ctx, t, "local", "?process=notes&level=stderr")
		synctest.Wait()
		if mine.seen() != ": following\n\n" {
			t.Errorf("before the first line: %q", mine.seen())
		}
		d.host.write("notes:bob", sandbox.Stderr, "bob's")
		d.host.write("shop:alice", sandbox.Stdout, "two\u2028lines\x1b")
		synctest.Wait()
		data := strings.TrimPrefix(mine.seen(), ": following\n\ndata: ")
		var line LogJSON
		if err := json.Unmarshal([]byte(strings.TrimSuffix(data, "\n\n")), &line); err != nil || line.Message != "two\u2028lines\x1b" || line.Process != "shop" {
			t.Errorf("%q: %+v, %v", mine.seen(), line, err)
		}
		if s := all.seen(); strings.Count(s, "data: ") != 1 || !strings.Contains(s, "bob's") {
			t.Errorf("stderr of notes: %q", s)
		}
		cancel()
		if err := errors.Join(<-end, <-endAll); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestLogStream_AQuietOneIsKeptAliveAndARevokedTokenEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		r, end := d.open(t.Context(), t, "alice", "")
		time.Sleep(sseKeepAlive + time.Millisecond)
		if !strings.HasSuffix(r.seen(), ": keep-alive\n\n") {
			t.Errorf("after %s: %q", sseKeepAlive, r.seen())
		}
		d.host.revoke("alice")
		revoked := time.Now()
		if err := <-end; err != nil || time.Since(revoked) > time.Second {
			t.Errorf("ended after %s with %v", time.Since(revoked), err)
		}
	})
}

func TestLogStream_ARevokedTokenEndsAFloodToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					d.host.write("notes:alice", sandbox.Stdout, strings.Repeat("noise\n", 100))
					time.Sleep(time.Millisecond)
				}
			}
		})
		_, end := d.open(t.Context(), t, "alice", "")
		time.Sleep(100 * time.Millisecond)
		d.host.revoke("alice")
		revoked := time.Now()
		<-end
		if time.Since(revoked) > time.Second {
			t.Errorf("ended after %s", time.Since(revoked))
		}
		close(stop)
		wg.Wait()
	})
}

func TestLogStream_WhatWaitsIsFlushedAtOnceInPiecesOfABatch(t *testing.T) {
	waiting := make(chan journal.Entry, sseBatch+1)
	for range sseBatch + 1 {
		waiting <- journal.Entry{Name: apiName("notes:alice")}
	}
	r := &sseReader{}
	s := logFilter{tenantFilter: tenantFilter{who: localCaller}}.follow(nil)
	s.items = waiting
	for _, want := range []int{sseBatch, sseBatch + 3} { // each call begins with an entry of its own
		if err := s.write(r, journal.Entry{Name: apiName("notes:alice")}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(r.seen(), "data: "); got != want {
			t.Errorf("%d lines are flushed, want %d", got, want)
		}
	}
	r.closed = true
	if err := s.event(r, journal.Entry{Name: apiName("notes:alice")}); err == nil {
		t.Error("a line to a caller who left is no error")
	}
	if err := comment(r, "x"); err == nil {
		t.Error("a comment to a caller who left is no error")
	}
	if err := s.write(r, journal.Entry{Name: apiName("notes:alice")}); err == nil {
		t.Error("lines to a caller who left are no error")
	}
}

func TestLogStream_ACallerWhoLeftEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		r, end := d.open(t.Context(), t, "alice", "")
		synctest.Wait()
		r.fails(errors.New("broken pipe"))
		d.host.write("notes:alice", sandbox.Stdout, "x")
		if err := <-end; err == nil || err.Error() != "broken pipe" {
			t.Errorf("ended with %v", err)
		}
	})
}

// A bubble that a goroutine is left in ends with an error.
func TestLogStream_ManyThatEndLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		ctx, cancel := context.WithCancel(t.Context())
		var ends []<-chan error
		for range 20 {
			_, end := d.open(ctx, t, "alice", "")
			ends = append(ends, end)
		}
		d.host.write("notes:alice", sandbox.Stdout, "x")
		cancel()
		for _, end := range ends {
			<-end
		}
	})
}
