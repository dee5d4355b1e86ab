package edge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

func TestIntake_HoldsNothingWhileNothingComes(t *testing.T) {
	here, there := tcpPair(t)
	u := newUpstream(here)
	defer u.tap.drop()
	body := newBodyReader(&u.tap, chunked)
	var down intake
	down.open(&u.tap, nil, &body, chunked)
	defer down.close()
	idle := func(when string) {
		t.Helper()
		if atOnce(t, here, down.try) || down.buffer != nil {
			t.Errorf("%s there is nothing to wait for, or a buffer is held: %v", when, down.buffer)
		}
	}
	idle("before anything has come")
	if u.tap.br != nil {
		t.Error("the connection holds a buffer")
	}
	for _, c := range []struct{ says, want string }{
		{"5\r\nhel", "3\r\nhel\r\n"}, {"lo", "2\r\nlo\r\n"}, {"\r\n1\r", ""}, {"\n", ""}, {"x\r\n0", "1\r\nx\r\n"}, {"\r\nX: y\r\n", ""}, {"\r\n", ""},
	} {
		if _, err := io.WriteString(there, c.says); err != nil {
			t.Fatal(err)
		}
		got := ""
		for end := time.Now().Add(patience); got != c.want && time.Now().Before(end); {
			piece, err := down.next()
			if err != nil {
				t.Fatal(err)
			}
			got += string(piece)
		}
		if got != c.want {
			t.Errorf("%q gives %q, want %q", c.says, got, c.want)
		}
		if c.want != "" { // and all of it has been read
			idle(fmt.Sprintf("after %q", c.says))
		}
	}
	for end := time.Now().Add(patience); !body.done && time.Now().Before(end); {
		if _, err := down.next(); err != nil {
			t.Fatal(err)
		}
	}
	if string(body.appendTrailer(nil)) != "0\r\nX: y\r\n\r\n" {
		t.Errorf("the trailer is %q", body.trailer)
	}
}

func TestIntake_TellsOfATruncatedBody(t *testing.T) {
	here, there := tcpPair(t)
	u := newUpstream(here)
	defer u.tap.drop()
	body := newBodyReader(&u.tap, 10)
	var down intake
	down.open(&u.tap, nil, &body, 10)
	defer down.close()
	if _, err := io.WriteString(there, "hello"); err != nil {
		t.Fatal(err)
	}
	if b, err := down.next(); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	there.Close()
	if _, err := down.next(); !errors.Is(err, errTruncated) {
		t.Errorf("the end of half a body: %v", err)
	}
	here.Close()
	if _, err := down.next(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection that was closed: %v", err)
	}
}

// stutter has nothing to read every other time.
type stutter struct {
	io.Reader
	asked int
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.asked++; s.asked%2 == 1 {
		return 0, syscall.EAGAIN
	}
	return s.Reader.Read(p)
}

func TestBody_GoesOnAfterThereWasNothingToRead(t *testing.T) {
	for _, c := range []struct {
		length   int64
		in, want string
	}{{5, "hello", "hello"}, {untilClose, "hello", "hello"}, {chunked, "5;x\r\nhello\r\n00a\r\n0123456789\r\n0\r\nX: y\r\nZ: w\r\n\r\n", "hello0123456789"}} {
		body := newBodyReader(bufio.NewReaderSize(&stutter{Reader: iotest.OneByteReader(strings.NewReader(c.in))}, 16), c.length)
		var all []byte
		p := make([]byte, 7)
		for err := error(nil); err == nil || errors.Is(err, syscall.EAGAIN); {
			var n int
			n, err = body.Read(p)
			all = append(all, p[:n]...)
			if err != nil && err != io.EOF && !errors.Is(err, syscall.EAGAIN) {
				t.Fatalf("%q: %v", c.in, err)
			}
		}
		if string(all) != c.want || c.length == chunked && string(body.trailer) != "X: y\r\nZ: w\r\n" {
			t.Errorf("%q as %d: %q, trailer %q", c.in, c.length, all, body.trailer)
		}
	}
}

// unlent waits until nobody holds a buffer for a body. Tests that ask must not be
// parallel: the stocks are the program's.
func unlent(t *testing.T, more func() bool) {
	t.Helper()
	eventually(t, "all buffers are back", func() bool {
		return stocks[0].left.Load() == 64 && stocks[1].left.Load() == 256 && stocks[2].left.Load() == 1024 && answers.used.Load() == 0 && more()
	})
}

func TestIntake_SlowBodiesHoldNoBuffers(t *testing.T) {
	for name, framing := range map[string]string{"length": "Content-Length: 100000\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var came atomic.Int64
			w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				for p := make([]byte, 100); ; {
					n, err := r.Body.Read(p)
					if came.Add(int64(n)); err != nil {
						return
					}
				}
			}))
			const visitors = 20
			for range visitors {
				w.dial().say("POST / HTTP/1.1\r\n", toAlice, framing, "8\r\n01234567\r\n4")
			}
			least := int64(visitors * 8)
			unlent(t, func() bool { return came.Load() >= least })
		})
	}
}

func TestIntake_SlowReadersHoldNoBuffersAndGetAllInTheEnd(t *testing.T) {
	const size, visitors = 16 << 20, 8
	w := newWorld(t)
	var sent atomic.Int64
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		if _, err := rawHead(br); err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		for block := make([]byte, 64<<10); ; {
			n, err := c.Write(block)
			if all := sent.Add(int64(n)); err != nil || all >= visitors*size {
				return
			}
		}
	}))
	var all []*visitorConn
	for range visitors {
		v := w.dial()
		_ = v.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		v.get("/")
		all = append(all, v)
	}
	for _, v := range all {
		if _, err := v.br.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	before, since := int64(-1), time.Now()
	unlent(t, func() bool { // and it is not just between two pieces
		if now := sent.Load(); now != before {
			before, since = now, time.Now()
		}
		return time.Since(since) > 200*time.Millisecond
	})
	if before >= visitors*size {
		t.Fatal("nobody is slow here")
	}
	v := all[0]
	r, err := http.ReadResponse(v.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
		t.Errorf("%d of %d bytes, %v", n, size, err)
	}
}
