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
	tls       *TLS   // nil = plain
	hsts      string // Strict-Transport-Security; "" = none
	httpsPort int    // not 0: whoever comes is sent there
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
// HTTPS, at that port, until Shutdown.
func (s *Server) ServeRedirect(l net.Listener, httpsPort int) error {
	return s.accept(s.public, l, entrance{httpsPort: httpsPort})
}

func (e entrance) secure(conn net.Conn) net.Conn {
	if e.tls == nil {
		return conn
	}
	return tls.Server(conn, e.tls.config)
}

// defaultHTTPS is the port that URLs leave out.
const defaultHTTPS = 443

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
