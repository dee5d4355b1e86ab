package main

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

func TestSlowCrowd_SendsByteByByteAndEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var open, came atomic.Int64
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			go func() {
				defer open.Add(-1)
				n, _ := io.Copy(io.Discard, c)
				came.Add(n)
				c.Close()
			}()
		}
	}()
	s := connectSlow(l.Addr().String(), 20, "GET /")
	if len(s.conns) != 20 {
		t.Fatalf("%d of 20 connected", len(s.conns))
	}
	for deadline := time.Now().Add(5 * time.Second); open.Load() < 20 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	s.end()
	for deadline := time.Now().Add(5 * time.Second); open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d are still connected", open.Load())
		}
	}
	if n := came.Load(); n < 20*5 {
		t.Errorf("%d bytes came", n)
	}
}
