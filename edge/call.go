package edge

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Call is one request to the API, whole and free of the server's types.
type Call struct {
	Method        string
	Path          string // decoded, starts with "/"
	Query         url.Values
	Body          []byte // at most 1 MB
	Authorization string // the header as it came, "" when there was none
	Remote        netip.Addr
	Local         bool // came by the control socket, whose peer was checked

	Host   string      // as the browser knows it, with its port
	Secure bool        // the browser spoke TLS, with us or with a trusted proxy
	Header http.Header // of browserLines, those that came; may be nil
}

// browserLines are the header lines that the dashboard's browser is known by.
var browserLines = [...]string{"accept-encoding", "cookie", "if-none-match", "origin", "sec-fetch-site", "x-csrf-token"}

// read takes from a request's header lines what the API looks at. What a proxy
// says of the browser counts when the proxy is trusted.
func (c *Call) read(r *request) {
	c.Host, c.Secure, c.Header = string(r.host.appendTo(nil)), r.secure, http.Header{}
	var told forwardedBy
	eachChecked(r.headers, func(name, value []byte) {
		if is(name, "authorization") {
			c.Authorization = string(value)
			return
		}
		if r.trusted && told.take(name, value) {
			return
		}
		for _, line := range browserLines {
			if is(name, line) {
				c.Header.Add(line, string(value))
			}
		}
	})
	if told.host != nil {
		c.Host = string(told.host)
	}
	c.Secure = c.Secure || string(told.proto) == "https"
}

// Reply answers a Call, with a body or with a stream.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
	RetryAfter  time.Duration // rounded up to seconds; 0 = no header
	Lines       [][2]string   // further header lines; none of a streamed reply

	// Stream, when not nil, writes the body as it comes, after the head and
	// instead of Body. Its context ends when the caller leaves or the server shuts down.
	Stream func(ctx context.Context, w StreamWriter) error
}

// StreamWriter takes the body of a streamed Reply. What was written reaches the
// caller at Flush at the latest; an error means that the caller is gone.
type StreamWriter interface {
	io.Writer
	Flush() error
}

// apiHandler is the API as the server sees it; *API is one.
type apiHandler interface {
	Serve(ctx context.Context, c *Call) Reply
}
