package edge

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/http2"
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
	base *http.Server
	h2   *http2.Server
}

func newH2Server(s *Server) *h2Server {
	limits := &s.o.Clients
	h := &h2Server{
		base: &http.Server{MaxHeaderBytes: limits.MaxHeader, ErrorLog: log.New(debugLines{s.o.Log}, "", 0)},
		h2: &http2.Server{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrame, MaxUploadBufferPerStream: streamWindow, MaxUploadBufferPerConnection: connWindow,
			IdleTimeout: limits.IdleTimeout, ReadIdleTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: limits.WriteTimeout,
		},
	}
	if err := http2.ConfigureServer(h.base, h.h2); err != nil {
		panic(err) // it refuses suites that we do not offer
	}
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
// after its last.
func (h *h2Server) end(ctx context.Context) { _ = h.base.Shutdown(ctx) } // it has no listener that could fail

// serveH2 is called by the server after a handshake that chose HTTP/2.
func (s *Server) serveH2(c net.Conn) error {
	outer := c.(*client)
	outer.begun.Store(true)
	var requests atomic.Int64
	s.h2.h2.ServeConn(newH2Strict(outer.Conn.(*tls.Conn)), &http2.ServeConnOpts{BaseConfig: s.h2.base, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == int64(s.o.Clients.RequestsPerConn) {
			w.Header().Set("Connection", "close") // to the library: no more streams
		}
		s.serveStream(outer, w, r)
	})})
	return nil
}

// serveStream answers one request.
func (s *Server) serveStream(outer *client, w http.ResponseWriter, r *http.Request) {
	stream, err := newH2Stream(outer.Conn, w, r)
	if err != nil {
		http.Error(w, statusTexts[400], http.StatusBadRequest)
		return
	}
	c := newClient(stream, s.crowd, &s.o.Clients)
	c.at = outer.at
	_ = s.public.ServeConn(c)
	if !stream.whole() {
		panic(http.ErrAbortHandler) // a reset: the client must not take what it got for whole
	}
}
