package edge

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"tenement/conf"
)

// Body lengths that are not a number of bytes.
const (
	noBody     int64 = 0
	chunked    int64 = -1
	untilClose int64 = -2
)

// request is a client's request in parts that were checked; the bytes belong to
// the server and live until the handler returns.
type request struct {
	method  []byte
	target  []byte // origin form, or "*"
	host    hostname
	named   *namedHost // the one before it on the same connection; nil = none
	headers []byte     // raw lines, without the request line
	length  int64      // of the body: bytes, noBody or chunked
	http10  bool
	nom     nominated
	upgrade []byte // the protocols that it would switch to, those that may be; nil = none
	expects bool   // to hear "100 Continue" before it sends its body
	trails  bool   // takes trailers (TE)
	hops    int    // Max-Forwards as it came; 0 = none
	id      requestID
	remote  netip.Addr
	trusted bool // remote is one of trusted_proxies
	secure  bool // came over TLS
}

// fault is a request that is answered by the edge itself.
type fault struct {
	status int
	reason string // for operators
}

func (f *fault) Error() string { return f.reason }

// check reads the header lines once and fills in what they say about host,
// framing and connection.
func (r *request) check(limits *conf.Clients) error {
	var hosts, lengths, codings, fields int
	var host []byte
	declared := noBody
	if len(r.target) > limits.MaxURL {
		return &fault{414, "a target longer than max_url_bytes"}
	}
	err := eachField(r.headers, func(name, value []byte) error {
		if fields++; fields > limits.MaxHeaders {
			return &fault{431, "more header lines than max_headers"}
		}
		switch {
		case is(name, "host"):
			hosts++
			host = value
		case is(name, "content-length"):
			n, ok := contentLength(value)
			if !ok || lengths > 0 && n != declared {
				return &fault{400, "bad Content-Length"}
			}
			lengths++
			declared = n
		case is(name, "transfer-encoding"):
			codings++
			if !is(value, "chunked") {
				return &fault{400, "unknown Transfer-Encoding"}
			}
		case is(name, "connection"):
			if !r.nom.add(value) {
				return &fault{400, "too many names in Connection"}
			}
		default:
			return r.checkWish(name, value)
		}
		return nil
	})
	if err == errField {
		return &fault{400, err.Error()}
	}
	if err != nil {
		return err
	}
	switch {
	case codings > 1 || codings == 1 && (lengths > 0 || r.http10):
		return &fault{400, "ambiguous framing"}
	case codings == 1:
		declared = chunked
	}
	r.length = declared
	if r.length != noBody || !r.nom.upgrade {
		r.upgrade = nil // a body would be the first thing that the new protocol reads
	}
	r.expects = r.expects && r.length != noBody
	return r.checkHost(hosts, host)
}

// checkWish reads what a client asks of the hops to the tenant. A version before
// 1.1 knows none of it (RFC 9110, sections 7.8 and 10.1.1).
func (r *request) checkWish(name, value []byte) error {
	switch {
	case r.trusted && is(name, "x-request-id"):
		r.id.take(value)
	case is(name, "max-forwards") && string(r.method) == "OPTIONS": // RFC 9110, section 7.6.2
		n, ok := contentLength(value)
		switch {
		case !ok:
			return &fault{400, "bad Max-Forwards"}
		case n == 0:
			return &fault{204, "Max-Forwards: we are the last"}
		}
		r.hops = int(min(n, 1000))
	case r.http10:
	case is(name, "expect"):
		if !is(value, "100-continue") {
			return &fault{417, "unknown Expect"}
		}
		r.expects = true
	case is(name, "upgrade"):
		eachListed(value, func(protocol []byte) {
			if mayBecome(protocol) {
				if r.upgrade != nil {
					r.upgrade = append(r.upgrade, ", "...)
				}
				r.upgrade = append(r.upgrade, protocol...)
			}
		})
	case is(name, "te"):
		eachListed(value, func(coding []byte) { r.trails = r.trails || is(coding, "trailers") })
	}
	return nil
}

// mayBecome refuses protocols that carry further requests: inside of those
// nobody would see to Host and X-Forwarded-For.
func mayBecome(protocol []byte) bool {
	return !is(protocol, "h2c") && !hasPrefix(protocol, "http/") && !hasPrefix(protocol, "tls/") && isValue(protocol)
}

// checkHost makes sure there is one host, whatever form the target has.
func (r *request) checkHost(hosts int, host []byte) error {
	if hosts != 1 {
		return &fault{400, strconv.Itoa(hosts) + " Host headers"}
	}
	if r.named != nil && r.named.host.name != "" && bytes.Equal(r.named.raw, host) {
		r.host = r.named.host
		return r.checkTarget()
	}
	var err error
	if r.host, err = parseHost(string(host)); err != nil {
		return &fault{400, err.Error()}
	}
	if r.named != nil {
		r.named.raw, r.named.host = append(r.named.raw[:0], host...), r.host
	}
	return r.checkTarget()
}

// checkTarget brings an absolute-form target to origin form. Its authority has
// to be the Host: otherwise one of the two was meant for somebody else.
func (r *request) checkTarget() error {
	for _, c := range r.target {
		if c <= ' ' || c == 0x7f || c == '#' { // bytes above: browsers and curl send them raw
			return &fault{400, "bad request target"}
		}
	}
	switch {
	case len(r.target) > 0 && r.target[0] == '/':
		return nil
	case string(r.target) == "*" && string(r.method) == "OPTIONS":
		return nil
	}
	scheme, rest, found := bytes.Cut(r.target, []byte("://"))
	if !found || !is(scheme, "http") && !is(scheme, "https") {
		return &fault{400, "bad request target"}
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, err := parseHost(string(rest[:end]))
	if err != nil || !authority.same(r.host) {
		return &fault{400, "request target for another host"}
	}
	r.target = rest[end:]
	if len(r.target) == 0 && string(r.method) == "OPTIONS" { // RFC 9112, section 3.2.4
		r.target = []byte("*")
	} else if len(r.target) == 0 || r.target[0] != '/' {
		r.target = append([]byte("/"), r.target...)
	}
	return nil
}

// path is the target without its query.
func (r *request) path() string {
	path, _, _ := strings.Cut(string(r.target), "?")
	return path
}

// head appends the request's head as the tenant gets it: rebuilt from checked
// parts, hop-by-hop and spoofed headers left out, ours added.
func (r *request) head(b []byte) []byte {
	b = append(b, r.method...)
	b = append(b, ' ')
	b = append(b, r.target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = r.host.appendTo(b)
	b = append(b, "\r\n"...)
	var told forwardedBy
	eachChecked(r.headers, func(name, value []byte) {
		switch {
		case r.trusted && told.take(name, value):
		case is(name, "trailer") && r.length == chunked:
			b = field(b, name, value) // those fields will come
		case is(name, "x-request-id"): // see forwarded
		case r.hops > 0 && is(name, "max-forwards"):
			b = field(b, name, strconv.AppendInt(nil, int64(r.hops-1), 10))
		case r.drops(name) || r.nom.has(name):
		default:
			b = field(b, name, value)
		}
	})
	if r.length == chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	} else if r.length > 0 || r.sendsLength() {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, r.length, 10), "\r\n"...)
	}
	b = r.wishes(b)
	return r.forwarded(b, told)
}

// wishes appends what the client asked of this hop and we ask of the next.
func (r *request) wishes(b []byte) []byte {
	if r.expects {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if r.upgrade != nil {
		b = append(b, "Connection: Upgrade\r\n"...)
		b = field(b, []byte("Upgrade"), r.upgrade)
	}
	if r.trails {
		b = append(b, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	return b
}

// drops says which of the client's headers never reach a tenant.
func (r *request) drops(name []byte) bool {
	if bytes.IndexByte(name, '_') >= 0 {
		return true // CGI-like servers read X_Forwarded_For as X-Forwarded-For
	}
	if hopByHop(name) {
		return true
	}
	switch {
	case is(name, "host"), is(name, "content-length"), is(name, "expect"):
		return true // ours: see head and wishes
	case is(name, "forwarded"), hasPrefix(name, "x-forwarded-"):
		return !r.trusted // for, proto and host are ours in any case: see forwarded
	}
	return false
}

// repeatable reports a request that may be sent to another process after one
// that did not read all of it: nothing but a head, which is no request before
// its last byte, and by a method that changes nothing (RFC 9110, section 9.2.1).
func (r *request) repeatable() bool {
	return r.length == noBody && (string(r.method) == "GET" || string(r.method) == "HEAD")
}

// sendsLength: methods that have a meaning with a body say so when it is empty
// (RFC 9110, section 8.6).
func (r *request) sendsLength() bool {
	m := string(r.method)
	return m == "POST" || m == "PUT" || m == "PATCH"
}

// visitor is who asked: behind trusted proxies, the last in X-Forwarded-For that
// is none of them. What stands before it anybody can have written.
func (r *request) visitor(trusts func(netip.Addr) bool) netip.Addr {
	who, chain := r.remote, []byte(nil)
	if !r.trusted {
		return who
	}
	eachChecked(r.headers, func(name, value []byte) {
		if is(name, "x-forwarded-for") {
			chain = append(append(chain, ','), value...)
		}
	})
	for trusts(who) && len(chain) > 0 {
		last := bytes.LastIndexByte(chain, ',')
		addr, err := netip.ParseAddr(string(bytes.TrimSpace(chain[last+1:])))
		if err != nil {
			break
		}
		who, chain = addr.Unmap(), chain[:last]
	}
	return who
}

// forwardedBy is what a trusted proxy said of where a request came from.
type forwardedBy struct {
	chain, proto, host []byte
}

func (f *forwardedBy) take(name, value []byte) bool {
	switch {
	case is(name, "x-forwarded-for"):
		f.chain = append(append(f.chain, value...), ", "...)
	case is(name, "x-forwarded-proto"):
		f.proto = value
	case is(name, "x-forwarded-host"):
		f.host = value
	default:
		return false
	}
	return true
}

// forwarded appends where the request came from, and the end of the head.
func (r *request) forwarded(b []byte, told forwardedBy) []byte {
	b = append(append(b, "X-Forwarded-For: "...), told.chain...)
	switch {
	case r.remote.IsValid():
		b = r.remote.AppendTo(b)
	case told.chain != nil:
		b = b[:len(b)-len(", ")] // a Unix socket has no address to add
	default:
		b = append(b, "unknown"...) // RFC 7239, section 6.2
	}
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	switch {
	case told.proto != nil:
		b = append(b, told.proto...)
	case r.secure:
		b = append(b, "https"...)
	default:
		b = append(b, "http"...)
	}
	b = append(b, "\r\nX-Forwarded-Host: "...)
	if told.host != nil {
		b = append(b, told.host...)
	} else {
		b = r.host.appendTo(b)
	}
	b = r.id.appendLine(append(b, "\r\n"...))
	if r.http10 {
		return append(b, "Via: 1.0 tenement\r\n\r\n"...)
	}
	return append(b, "Via: 1.1 tenement\r\n\r\n"...) // RFC 9110, section 7.6.3
}

func field(b, name, value []byte) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
