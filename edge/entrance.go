package edge

import (
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"time"
)

// entrance is what is spoken on one listener. The zero value is plain HTTP.
type entrance struct {
	tls       *TLS   // nil = plain, and no certificates are taken
	hsts      string // Strict-Transport-Security; "" = none
	httpsPort int    // not 0: plain, and whoever comes is sent there
}

// ServeTLS answers visitors and API calls over TLS until Shutdown.
func (s *Server) ServeTLS(l net.Listener, t *TLS) error {
	at := entrance{tls: t}
	if s.o.HSTS > 0 {
		at.hsts = "max-age=" + strconv.FormatInt(int64(s.o.HSTS/time.Second), 10)
	}
	return s.accept(s.public, l, at)
}

// ServeRedirect sends everybody who speaks plain HTTP to the same place by
// HTTPS, at that port, until Shutdown. It answers the authority of t.
func (s *Server) ServeRedirect(l net.Listener, t *TLS, httpsPort int) error {
	return s.accept(s.public, l, entrance{tls: t, httpsPort: httpsPort})
}

// secured reports whether TLS is spoken.
func (e *entrance) secured() bool { return e.tls != nil && e.httpsPort == 0 }

func (e *entrance) secure(conn net.Conn) net.Conn {
	if !e.secured() {
		return conn
	}
	return tls.Server(conn, e.tls.config)
}

// defaultHTTPS is the port that URLs leave out.
const defaultHTTPS = 443

// challenge is what a certificate authority wants to read here; false for all
// other requests.
func (e *entrance) challenge(x *exchange) (Reply, bool) {
	if e.tls == nil || e.tls.acme == nil || string(x.method) != "GET" {
		return Reply{}, false
	}
	text, ok := e.tls.acme.httpChallenge(x.host.name, x.path())
	return Reply{Status: 200, ContentType: "text/plain", Body: []byte(text)}, ok
}

// redirect is the answer to plain HTTP where HTTPS is at home. 308: a POST stays
// one (RFC 9110, section 15.4.9).
func redirect(x *exchange, port int) *verdict {
	host := hostname{name: x.host.name, ip: x.host.ip}
	if port != defaultHTTPS {
		host.port = strconv.Itoa(port)
	}
	target := string(x.target)
	if !strings.HasPrefix(target, "/") { // OPTIONS *
		target = "/"
	}
	return &verdict{status: 308, reason: "plain HTTP", location: "https://" + string(host.appendTo(nil)) + target}
}
