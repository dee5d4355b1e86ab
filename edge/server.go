package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"tenement/conf"
)

// ServerOptions is what a Server is made of.
type ServerOptions struct {
	Host           Host
	API            *API
	Domain         string // under which the services have their names
	Log            zerolog.Logger
	TrustedProxies []netip.Prefix // whose X-Forwarded-* is believed
	Clients        conf.Clients   // what a visitor's connection may cost
	Access         zerolog.Logger // where requests are noted, of services that want it
	Metrics        *Metrics       // nil: nobody reads them
	TrustUnix      bool           // and so is that of whoever connects to a Unix socket
	HSTS           time.Duration  // for which browsers shall know HTTPS only; 0 = nothing is said
}

// Server is the HTTP door. This file is the only one that knows fasthttp; the
// rest of the edge works on exchange, Call and Reply.
type Server struct {
	o       ServerOptions
	domain  string
	api     apiHandler
	visitor visitor
	watcher *watcher
	turns   *turns
	base    context.Context // of everything that waits or streams
	crowd   *crowd
	pages   pages
	public  *fasthttp.Server
	control *fasthttp.Server
	h2      *h2Server
	end     context.CancelFunc // of base
	wild    atomic.Pointer[wildcards]
	once    sync.Once
	down    error
}

// NewServer makes a server; Shutdown ends it.
func NewServer(o ServerOptions) (*Server, error) {
	w, err := newWatcher()
	if err != nil {
		return nil, err
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	base, end := context.WithCancel(context.Background())
	s := &Server{
		o: o, domain: strings.ToLower(strings.TrimSuffix(o.Domain, ".")), api: o.API,
		pages: pages{log: o.Log}, visitor: visitor{host: o.Host, base: base, metrics: o.Metrics}, watcher: w, turns: newTurns(), base: base, end: end,
	}
	s.crowd = newCrowd(o.Clients.ConnsPerAddress, s.trusts)
	s.public = s.server(s.handle)
	s.control = s.server(s.handleControl)
	s.h2 = newH2Server(s)
	s.public.NextProto(protoH2, s.serveH2)
	if o.API != nil {
		o.API.names = s
	}
	return s, nil
}

// idleWorker is how long fasthttp keeps a goroutine for the next connection. It
// looks that often, on each listener, whether there is one to end: on a host on
// which all sleep nothing else wakes the daemon.
const idleWorker = time.Minute

func (s *Server) server(handler fasthttp.RequestHandler) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                       handler,
		ErrorHandler:                  s.malformed,
		HeaderReceived:                bodiless,
		Logger:                        quiet{s.o.Log},
		ReadBufferSize:                s.o.Clients.MaxHeader,
		DisablePreParseMultipartForm:  true,
		DisableHeaderNamesNormalizing: true,
		NoDefaultServerHeader:         true,
		NoDefaultDate:                 true,
		NoDefaultContentType:          true,
		MaxIdleWorkerDuration:         idleWorker,
		ReduceMemoryUsage:             true, // also: one Write for each answer, which client counts on
		CloseOnShutdown:               true,
	}
}

// bodiless tells fasthttp that no body follows: bodies are read past it.
func bodiless(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	h.SetContentLength(0)
	return fasthttp.RequestConfig{}
}

// quiet sends fasthttp's own log lines, about connections that strangers broke,
// to Debug.
type quiet struct{ log zerolog.Logger }

func (q quiet) Printf(format string, args ...any) { q.log.Debug().Msgf(format, args...) }

// Serve answers visitors and API calls until Shutdown; it may be called for
// several listeners.
func (s *Server) Serve(l net.Listener) error {
	return s.accept(s.public, l, entrance{})
}

// ServeControl answers API calls of a listener whose connections were checked
// (ListenControl): they need no token.
func (s *Server) ServeControl(l net.Listener) error {
	return s.accept(s.control, l, entrance{})
}

func (s *Server) accept(server *fasthttp.Server, l net.Listener, at entrance) error {
	a := newAcceptor(s.base, l, s.crowd, &s.o.Clients, s.o.Log)
	a.at = at
	defer a.release()
	s.crowd.accepting.Add(1)
	defer s.crowd.accepting.Add(-1)
	defer context.AfterFunc(s.base, func() { _ = a.Close() })() // a Shutdown that came first knows nothing of it
	return server.Serve(a)
}

// Shutdown takes no new connections, hears out those who were let in and have not
// asked yet, lets requests that are under way end, and returns when they have.
// Whoever waits for a tenant or follows a stream is ended at once; who is still
// there when ctx ends is cut off, and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() {
		s.end()
		s.crowd.endIdle()
		s.crowd.hearOut(ctx)
		s.crowd.endSilent()
		s.h2.end(ctx)
		s.down = errors.Join(s.public.ShutdownWithContext(ctx), s.control.ShutdownWithContext(ctx))
		if s.down != nil {
			s.crowd.endAll()
		}
		s.watcher.close()
	})
	return s.down
}

// malformed answers what could not be read as a request.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	v := &verdict{status: 400, reason: err.Error()}
	if c, ok := ctx.Conn().(*client); ok {
		c.lingers = true // the connection ends, whatever the client still sends
		if c.fault != nil {
			v = &verdict{status: c.fault.status, reason: c.fault.reason}
		}
	}
	s.say(ctx, v)
}

// handle answers one request on a public listener, and those that follow it
// while fasthttp is not needed for them.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	for goesOn := s.first(ctx); goesOn; {
		goesOn = s.next(ctx)
	}
}

// first answers the request that fasthttp has read. True: by a tenant, and the
// connection goes on.
func (s *Server) first(ctx *fasthttp.RequestCtx) bool {
	x := begin(ctx.Conn().(*client), s.watcher, s.turns)
	defer x.finish()
	defer s.recovered(ctx, x)
	if v := s.read(ctx, x); v != nil {
		s.refuse(ctx, x, v)
		return false
	}
	if at := &x.client.at; at.httpsPort != 0 {
		if r, ok := at.challenge(x); ok {
			s.reply(ctx, x, s.base, "", r)
		} else {
			s.refuse(ctx, x, redirect(x, at.httpsPort))
		}
		return false
	}
	switch r := s.route(x); r.to {
	case toNobody:
		s.refuse(ctx, x, &verdict{status: 404, reason: "no such name: " + x.host.name})
	case toAPI:
		s.call(ctx, x, false)
	case toApex, toTenant:
		return s.visit(ctx, x, r)
	}
	return false
}

// next answers a request that fasthttp has not seen.
func (s *Server) next(ctx *fasthttp.RequestCtx) bool {
	x, r := s.warm(ctx.Conn().(*client))
	if x == nil {
		return false
	}
	defer x.finish()
	defer s.recovered(ctx, x)
	return s.visit(ctx, x, r)
}

// visit brings a request to its tenant. True: the client has its answer and may
// ask again.
func (s *Server) visit(ctx *fasthttp.RequestCtx, x *exchange, r route) bool {
	if service := s.o.Host.Config().Services[r.name.Service]; service != nil {
		x.front = &service.Front
	}
	s.note(x)
	v := s.visitor.visit(x, r)
	s.account(x, v)
	if v != nil {
		v.page = s.page(x, r, v)
		s.refuse(ctx, x, v)
		return false
	}
	s.answered(ctx, x)
	return !x.ends
}

// route finds out where the request goes. The path counts on DOMAIN itself only.
func (s *Server) route(x *exchange) route {
	path := ""
	if x.host.name == s.domain {
		path = x.path()
		if plain, err := url.PathUnescape(path); err == nil {
			path = plain
		}
	}
	return s.routeTo(x.host, path)
}

// refuse answers with the edge's own words. A body that nobody took ends the
// connection: there is no telling how much of it is to come.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, x *exchange, v *verdict) {
	if x.ends || !x.upload.done {
		x.client.lingers = true
		ctx.SetConnectionClose()
	}
	s.speak(ctx, x)
	s.say(ctx, v)
	tellID(ctx, x)
}

// speak has fasthttp answer after all, to this request and not to the one that
// it has read.
func (s *Server) speak(ctx *fasthttp.RequestCtx, x *exchange) {
	x.client.swallow = false
	ctx.Request.Header.SetMethodBytes(x.method)
}

// tellID tells the visitor what the request is called.
func tellID(ctx *fasthttp.RequestCtx, x *exchange) {
	ctx.Response.Header.SetBytesV("X-Request-Id", x.id.appendTo(nil))
}

// answered: the client has its answer, written past fasthttp, whose own is
// swallowed.
func (s *Server) answered(ctx *fasthttp.RequestCtx, x *exchange) {
	x.client.swallow = true
	if x.ends {
		ctx.SetConnectionClose()
	}
}

// handleControl answers one request on the control socket.
func (s *Server) handleControl(ctx *fasthttp.RequestCtx) {
	x := begin(ctx.Conn().(*client), s.watcher, s.turns)
	defer x.finish()
	defer s.recovered(ctx, x)
	if v := s.read(ctx, x); v != nil {
		s.refuse(ctx, x, v)
		return
	}
	s.call(ctx, x, true)
}

// recovered ends one request after a panic, and nothing else.
func (s *Server) recovered(ctx *fasthttp.RequestCtx, x *exchange) {
	r := recover()
	if r == nil {
		return
	}
	s.o.Log.Error().Str("panic", fmt.Sprint(r)).Bytes("stack", debug.Stack()).Msg("a fault of tenement's own in a request: please report it")
	ctx.SetConnectionClose()
	if x.started {
		x.client.abort()
		return
	}
	s.speak(ctx, x)
	s.say(ctx, &verdict{status: 500, reason: "panic"})
}

// read takes the request over from fasthttp, checked.
func (s *Server) read(ctx *fasthttp.RequestCtx, x *exchange) *verdict {
	h := &ctx.Request.Header
	x.headers = x.client.take()
	x.method, x.target = h.Method(), h.RequestURI()
	x.http10 = !h.IsHTTP11()
	v := s.admit(x)
	if p := string(h.Protocol()); p != "HTTP/1.1" && p != "HTTP/1.0" {
		v = &verdict{status: 505, reason: "HTTP version " + p}
	}
	s.receive(x)
	x.ends = x.ends || v != nil
	return v
}

// admit checks a request that has been read, and changes nothing.
func (s *Server) admit(x *exchange) *verdict {
	x.id.make()
	x.remote, x.named = x.client.remote, &x.client.named
	x.trusted = s.trusts(x.remote)
	x.secure = x.client.at.secured()
	if m := string(x.method); m == "CONNECT" || m == "TRACE" { // which would show cookies to scripts
		return &verdict{status: 405, reason: m}
	}
	err := x.check(&s.o.Clients)
	var f *fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return &verdict{status: f.status, reason: f.reason}
	}
	return &verdict{status: 400, reason: err.Error()}
}

// receive begins with a request that was taken over.
func (s *Server) receive(x *exchange) {
	x.ends = s.base.Err() != nil || x.client.requests == s.o.Clients.RequestsPerConn
	if x.length != noBody {
		x.upload = x.client.in.body(x.length)
	}
}

// remoteOf is the address at the other end; invalid for a Unix socket.
func remoteOf(c net.Conn) netip.Addr {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (s *Server) trusts(a netip.Addr) bool {
	if !a.IsValid() {
		return s.o.TrustUnix
	}
	for _, p := range s.o.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// say answers with the edge's own words. The reason is for operators only.
func (s *Server) say(ctx *fasthttp.RequestCtx, v *verdict) {
	s.o.Log.Debug().Int("status", v.status).Str("reason", v.reason).Bytes("host", ctx.Request.Header.Host()).Msg("answered by the edge")
	closing := ctx.Response.ConnectionClose()
	ctx.Response.Reset()
	if closing {
		ctx.SetConnectionClose()
	}
	ctx.SetStatusCode(v.status)
	if v.status == 204 {
		return
	}
	retryAfter(ctx, v.retryAfter)
	if v.location != "" {
		ctx.Response.Header.Set("Location", v.location)
	}
	strictTransport(ctx)
	if v.page != nil {
		ctx.SetContentType("text/html; charset=utf-8")
		ctx.Response.Header.Set("Cache-Control", "no-store")
		ctx.SetBody(v.page)
		return
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(statusTexts[v.status] + "\n")
}

func strictTransport(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*client); ok && c.at.hsts != "" {
		ctx.Response.Header.Set("Strict-Transport-Security", c.at.hsts)
	}
}

func retryAfter(ctx *fasthttp.RequestCtx, d time.Duration) {
	if d > 0 {
		seconds := (d + time.Second - 1) / time.Second
		ctx.Response.Header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
}

// call answers an API request.
func (s *Server) call(ctx *fasthttp.RequestCtx, x *exchange, local bool) {
	path, err := url.PathUnescape(x.path())
	if err != nil {
		s.say(ctx, &verdict{status: 400, reason: "bad path"})
		return
	}
	c := &Call{
		Method: string(x.method), Path: path, Remote: x.visitor(s.trusts), Local: local,
	}
	c.read(&x.request)
	if c.Query, err = url.ParseQuery(string(ctx.URI().QueryString())); err != nil {
		s.say(ctx, &verdict{status: 400, reason: "bad query"})
		return
	}
	if v := s.readBody(x, c); v != nil {
		s.refuse(ctx, x, v)
		return
	}
	work := x.context(s.visitor.base)
	x.watch()
	s.reply(ctx, x, work, path, s.api.Serve(work, c))
}

// readBody reads what the API may use of a body.
func (s *Server) readBody(x *exchange, c *Call) *verdict {
	if x.expects {
		if err := x.client.send(continueLine); err != nil {
			return &verdict{status: 400, reason: err.Error()}
		}
	}
	var err error
	c.Body, err = io.ReadAll(io.LimitReader(&x.upload, maxBody+1))
	x.ends = x.ends || !x.upload.done
	if err != nil {
		return failed(x, fmt.Errorf("%w: %w", errClientBody, err))
	}
	return nil
}

// reply sends an API's answer.
func (s *Server) reply(ctx *fasthttp.RequestCtx, x *exchange, work context.Context, path string, r Reply) {
	if r.Stream == nil {
		if x.ends {
			x.client.lingers = !x.upload.done
			ctx.SetConnectionClose()
		}
		ctx.SetStatusCode(r.Status)
		tellID(ctx, x)
		if r.ContentType != "" {
			ctx.SetContentType(r.ContentType)
		}
		for _, line := range r.Lines {
			ctx.Response.Header.Set(line[0], line[1])
		}
		ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
		retryAfter(ctx, r.RetryAfter)
		strictTransport(ctx)
		switch r.Status {
		case 401:
			ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
		case 405:
			ctx.Response.Header.Set("Allow", allowedMethods(path))
		}
		ctx.SetBody(r.Body)
		return
	}
	w := &stream{client: x.client, chunked: !x.http10}
	x.started = true
	err := w.begin(r)
	if err == nil {
		err = r.Stream(work, w)
	}
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		s.o.Log.Debug().Err(err).Msg("a stream ended early")
		x.client.abort()
	}
	x.ends = true
	s.answered(ctx, x)
}
