package edge

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// What one HTTP/2 connection may hold. A stream is a request: as many as a page
// has parts. The windows are what a client may send before anybody reads it.
const (
	maxStreams   = 128
	streamWindow = 256 << 10
	connWindow   = 1 << 20
	pingAfter    = 30 * time.Second // of silence; who does not answer is gone
	pingTimeout  = 15 * time.Second
)

// h2Server speaks HTTP/2 (RFC 9113) on connections that agreed on it. Each stream
// becomes a connection on which HTTP/1.1 is spoken (h2Stream), and goes the way
// of every other: what holds for one holds for both.
type h2Server struct {
	base  *http.Server
	conns *handed
	ended chan struct{}
}

// newH2Server starts the server; end ends it.
func newH2Server(s *Server) *h2Server {
	limits := &s.o.Clients
	h := &h2Server{conns: &handed{conns: make(chan net.Conn), done: make(chan struct{})}, ended: make(chan struct{})}
	h.base = &http.Server{
		Handler: http.HandlerFunc(s.serveStream), ErrorLog: log.New(debugLines{s.o.Log}, "", 0),
		MaxHeaderBytes: limits.MaxHeader, ReadHeaderTimeout: limits.HeaderTimeout, IdleTimeout: limits.IdleTimeout,
		Protocols: &http.Protocols{}, ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, h2Key{}, c) },
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrame, MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connWindow,
			SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: limits.WriteTimeout,
		},
	}
	h.base.Protocols.SetUnencryptedHTTP2(true) // TLS has been spoken below already
	go func() {
		defer close(h.ended)
		_ = h.base.Serve(h.conns) // until end
	}()
	return h
}

// debugLines sends the library's log lines, about connections that strangers
// broke, to Debug.
type debugLines struct{ log zerolog.Logger }

func (d debugLines) Write(p []byte) (int, error) {
	d.log.Debug().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}

// end tells every client to open no more streams, and closes each connection
// after its last; it returns when they are closed, or when ctx ends.
func (h *h2Server) end(ctx context.Context) {
	_ = h.base.Shutdown(ctx) // who is left is cut off by the caller
	<-h.ended
}

// handed is a listener of connections that were accepted elsewhere.
type handed struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Accept gives the next one.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr is nobody's.
func (h *handed) Addr() net.Addr { return &net.UnixAddr{Name: protoH2, Net: "unix"} }

// h2Conn is a connection that was handed over.
type h2Conn struct {
	net.Conn
	outer    *client
	requests atomic.Int64
	closed   chan struct{}
	once     sync.Once
}

// h2Key finds a request's h2Conn.
type h2Key struct{}

// Close lets serveH2 return.
func (c *h2Conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// serveH2 is called by the server after a handshake that chose HTTP/2, and
// returns when the connection is closed.
func (s *Server) serveH2(c net.Conn) error {
	outer := c.(*client)
	conn := &h2Conn{Conn: newH2Strict(outer.Conn.(*tls.Conn)), outer: outer, closed: make(chan struct{})}
	select {
	case s.h2.conns.conns <- conn:
		<-conn.closed
	case <-s.h2.conns.done:
	}
	return nil
}

// serveStream answers one request.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	conn := r.Context().Value(h2Key{}).(*h2Conn)
	conn.outer.begun.Store(true)
	if conn.requests.Add(1) == int64(s.o.Clients.RequestsPerConn) {
		w.Header().Set("Connection", "close") // to the library: no more streams
	}
	stream, err := newH2Stream(conn, w, r)
	if err != nil {
		http.Error(w, statusTexts[400], http.StatusBadRequest)
		return
	}
	c := newClient(stream, s.crowd, &s.o.Clients)
	c.at = conn.outer.at
	_ = s.public.ServeConn(c)
	if !stream.whole() {
		panic(http.ErrAbortHandler) // a reset: the client must not take what it got for whole
	}
}
