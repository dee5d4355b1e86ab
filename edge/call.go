package edge

import (
	"context"
	"io"
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
}

// Reply answers a Call, with a body or with a stream.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
	RetryAfter  time.Duration // rounded up to seconds; 0 = no header

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
