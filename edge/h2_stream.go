package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// h2Stream is one stream of an HTTP/2 connection in the shape that the rest of
// the edge knows: a connection with one HTTP/1.1 request on it. What is read
// from it is the request; what is written to it becomes the answer.
type h2Stream struct {
	conn net.Conn // that the stream is of
	r    *http.Request
	rc   *http.ResponseController
	in   []byte // of the request, still to be read
	buf  []byte // of a piece of the body; nil before the first
	body bool   // there is more of it in r.Body
	answerWriter

	window atomic.Int64 // how long a piece of the answer may take, in ns; 0 = as long as it likes

	mu   sync.Mutex
	stop func() bool // ends the watch
}

// errPseudo is a pseudo-header that would not be the same thing in HTTP/1.1.
var errPseudo = errors.New("a malformed pseudo-header")

func newH2Stream(conn net.Conn, w http.ResponseWriter, r *http.Request) (*h2Stream, error) {
	s := &h2Stream{conn: conn, r: r, rc: http.NewResponseController(w), body: r.ContentLength != 0}
	s.answerWriter = answerWriter{w: w, rc: s.rc, head: r.Method == http.MethodHead, pieceBegins: s.extend}
	var err error
	s.in, err = requestHead(r)
	return s, err
}

// requestHead writes a request's head as HTTP/1.1 has it. The library has
// checked names and values; the edge checks them again, as everybody's.
func requestHead(r *http.Request) ([]byte, error) {
	target := []byte(r.RequestURI)
	if !isToken([]byte(r.Method)) || len(target) == 0 || !isTarget(target) || !isValue([]byte(r.Host)) {
		return nil, errPseudo
	}
	b := make([]byte, 0, 512)
	b = append(append(append(b, r.Method...), ' '), target...)
	b = field(append(b, " HTTP/1.1\r\n"...), []byte("Host"), []byte(r.Host))
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names) // a map has no order, a request has one
	for _, name := range names {
		for _, value := range r.Header[name] {
			switch {
			case name == "Host" && value == r.Host, name == "Content-Length":
			default:
				b = field(b, []byte(name), []byte(value))
			}
		}
	}
	switch {
	case r.ContentLength < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.ContentLength > 0 || len(r.Header["Content-Length"]) > 0:
		b = field(b, []byte("Content-Length"), strconv.AppendInt(nil, r.ContentLength, 10))
	}
	return append(b, "\r\n"...), nil
}

// isTarget refuses what would end a request target early.
func isTarget(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// Read gives the request.
func (s *h2Stream) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		if !s.body {
			return 0, io.EOF
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// more reads a piece of the body, framed as the head said.
func (s *h2Stream) more() error {
	if s.buf == nil {
		s.buf = make([]byte, chunkRoom+bodyPiece+2)
	}
	n, err := s.r.Body.Read(s.buf[chunkRoom : chunkRoom+bodyPiece])
	length := s.r.ContentLength
	if length < 0 {
		length = chunked
	}
	if n > 0 {
		s.in = frame(s.buf, n, length)
	}
	switch {
	case err == io.EOF:
		s.body = false
		if length == chunked {
			s.in = s.lastChunk(bytes.Clone(s.in)) // which may end where the buffer does
		}
		if len(s.in) == 0 {
			return io.EOF
		}
	case err != nil && n == 0:
		return err // a reset, or the deadline
	}
	return nil
}

// bodyPiece is how much of a body is read at a time, in bytes.
const bodyPiece = 16 << 10

// lastChunk ends a body in chunks, with the trailers that came after it.
func (s *h2Stream) lastChunk(b []byte) []byte {
	b = append(b, "0\r\n"...)
	for name, values := range s.r.Trailer {
		for _, value := range values {
			b = field(b, []byte(name), []byte(value))
		}
	}
	return append(b, "\r\n"...)
}

// Close ends the stream; what is missing of the answer is seen by whole.
func (s *h2Stream) Close() error { return nil }

// LocalAddr is the connection's.
func (s *h2Stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr is the connection's.
func (s *h2Stream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// SetDeadline sets both deadlines.
func (s *h2Stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline ends a read of the body.
func (s *h2Stream) SetReadDeadline(t time.Time) error { return s.rc.SetReadDeadline(t) }

// SetWriteDeadline resets the stream when a piece is not taken in time.
func (s *h2Stream) SetWriteDeadline(t time.Time) error {
	window := time.Duration(0)
	if !t.IsZero() {
		window = max(0, time.Until(t))
	}
	s.window.Store(int64(window))
	return s.rc.SetWriteDeadline(t)
}

// extend gives the next piece as much time as the first had: a long answer is
// not slow because it is long.
func (s *h2Stream) extend() {
	if window := time.Duration(s.window.Load()); window > 0 {
		_ = s.rc.SetWriteDeadline(time.Now().Add(window))
	}
}

// watch calls gone when the client resets the stream or leaves; after unwatch
// has returned, no call is under way.
func (s *h2Stream) watch(gone func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = context.AfterFunc(s.r.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stop != nil {
			gone()
		}
	})
}

func (s *h2Stream) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// errMalformedAnswer is a fault of ours: the edge writes no such answer.
var errMalformedAnswer = fmt.Errorf("%w: as it was sent to a client", errAnswer)

// frame is the piece of n bytes that begins at chunkRoom, ready to be written.
func frame(b []byte, n int, length int64) []byte {
	if length != chunked {
		return b[chunkRoom : chunkRoom+n]
	}
	size := strconv.AppendInt(nil, int64(n), 16)
	start := chunkRoom - len(size) - 2
	copy(b[start:], size)
	copy(b[start+len(size):], "\r\n")
	copy(b[chunkRoom+n:], "\r\n")
	return b[start : chunkRoom+n+2]
}
