package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func sinkOf(conn net.Conn) *sink {
	s := &sink{}
	s.fit(conn, waitable(conn))
	return s
}

func TestSink_WhatIsWrittenArrivesInOrder(t *testing.T) {
	over, end := net.Pipe() // not a socket
	t.Cleanup(func() { over.Close(); end.Close() })
	tcp, there := tcpPair(t)
	for _, c := range []struct {
		name    string
		to      net.Conn
		from    io.Reader
		through bool
	}{{"a socket", tcp, there, true}, {"a pipe", over, end, false}} {
		s := sinkOf(c.to)
		if (s.raw != nil) != c.through {
			t.Errorf("%s: to the kernel itself: %t", c.name, s.raw != nil)
		}
		sizes := []int{1, 100, muchAtOnce, muchAtOnce + 1, 3 << 20, 0, 7}
		var all []byte
		for i, size := range sizes {
			all = append(all, bytes.Repeat([]byte{byte(i + 1)}, size)...)
		}
		failed := make(chan error, 1)
		go func() {
			var err error
			for rest := all; err == nil && len(sizes) > 0; sizes = sizes[1:] {
				var n int
				if n, err = s.write(rest[:sizes[0]]); err == nil && n != sizes[0] {
					err = io.ErrShortWrite
				}
				rest = rest[sizes[0]:]
			}
			failed <- err
		}()
		got := make([]byte, len(all))
		if _, err := io.ReadFull(c.from, got); err != nil || !bytes.Equal(got, all) {
			t.Errorf("%s: it did not arrive as it was: %v", c.name, err)
		}
		if err := <-failed; err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Many small writes fill the socket; the one that finds no room waits until its
// deadline and says how far it came.
func TestSink_WaitsForRoomUntilTheDeadline(t *testing.T) {
	here, there := tcpPair(t)
	s, sent := sinkOf(here), 0
	if err := here.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	piece := bytes.Repeat([]byte("x"), 10_000)
	var err error
	for err == nil {
		var n int
		n, err = s.write(piece)
		sent += n
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	here.CloseWrite()
	if got, err := io.Copy(io.Discard, there); err != nil || got != int64(sent) {
		t.Errorf("%d of %d bytes arrived, %v", got, sent, err)
	}
}

func TestSink_SaysThatTheOtherEndIsGone(t *testing.T) {
	here, there := tcpPair(t)
	there.Close()
	s := sinkOf(here)
	var err error
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end); {
		_, err = s.write([]byte("x"))
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v", err)
	}
	here.Close()
	if n, err := s.write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after its own end: %d bytes, %v", n, err)
	}
}
