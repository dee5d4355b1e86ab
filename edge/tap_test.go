package edge

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
)

// tcpPair is both ends of a connection over loopback.
func tcpPair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close(); in.Close() })
	return out.(*net.TCPConn), in.(*net.TCPConn)
}

// atOnce calls what a RawConn's Read would call, once.
func atOnce(t *testing.T, c net.Conn, try func(uintptr) bool) (came bool) {
	t.Helper()
	if err := rawConn(c).Control(func(fd uintptr) { came = try(fd) }); err != nil {
		t.Fatal(err)
	}
	return came
}

func TestTap_HoldsNoBufferWhileNothingComes(t *testing.T) {
	here, there := tcpPair(t)
	pool := &readerPool{plenty: 1}
	var in tap
	in.fit(rawConn(here), here, pool, 16<<10)
	if atOnce(t, here, in.look) || in.br != nil || pool.used.Load() != 0 {
		t.Errorf("nothing has come, and it holds %v", in.br)
	}
	if _, err := io.WriteString(there, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := in.await(); err != nil || in.Buffered() != 5 || pool.used.Load() != 1 {
		t.Errorf("%d bytes are there, %d buffers in use, %v", in.Buffered(), pool.used.Load(), err)
	}
	in.rest()
	if in.Buffered() != 5 {
		t.Error("what has come is lost")
	}
	if b, err := io.ReadAll(io.LimitReader(&in, 5)); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	in.rest()
	there.Close()
	if err := in.await(); err != io.EOF || in.br != nil || pool.used.Load() != 0 {
		t.Errorf("at the end: %v, %v", err, in.br)
	}
}

func TestTap_ASmallBufferGrowsWithWhatItHolds(t *testing.T) {
	text := strings.Repeat("0123456789", 3000)
	for _, source := range []io.Reader{strings.NewReader(text), bufio.NewReaderSize(strings.NewReader(text), 100)} {
		var in tap
		in.fit(nil, source, &readerPool{}, 16<<10)
		for n := 1; n <= 16<<10; n += 1000 {
			if b, err := in.Peek(n); err != nil || string(b) != text[:n] {
				t.Fatalf("%d bytes: %d came, %v", n, len(b), err)
			}
		}
		if _, err := in.Peek(16<<10 + 1); err != bufio.ErrBufferFull {
			t.Errorf("more than it may hold: %v", err)
		}
		if b, err := io.ReadAll(&in); err != nil || string(b) != text {
			t.Errorf("%d of %d bytes, %v", len(b), len(text), err)
		}
		in.drop()
	}
}

func TestTap_WhatFillsABufferPassesItBy(t *testing.T) {
	var in tap
	in.fit(nil, bytes.NewReader(make([]byte, 100<<10)), &readerPool{}, 16<<10)
	if n, err := in.Read(make([]byte, 64<<10)); n != 64<<10 || err != nil || in.br != nil {
		t.Errorf("%d bytes, %v, by way of %v", n, err, in.br)
	}
}

func TestReaderPool_GivesSmallOnesWhenManyAreInUse(t *testing.T) {
	pool := &readerPool{plenty: 2}
	var all []*bufio.Reader
	for _, want := range []int{16 << 10, 16 << 10, smallReader} {
		br := pool.get(16 << 10)
		if br.Size() != want {
			t.Errorf("number %d has %d bytes, want %d", len(all)+1, br.Size(), want)
		}
		all = append(all, br)
	}
	for _, br := range all {
		pool.put(br)
	}
	if br := pool.get(16 << 10); br.Size() != 16<<10 {
		t.Errorf("after all are back: %d bytes", br.Size())
	}
	if br := pool.get(2 << 10); br.Size() != 2<<10 {
		t.Errorf("asked for less than a small one: %d bytes", br.Size())
	}
}
