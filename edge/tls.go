package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// suites are those of TLS 1.2 with forward secrecy and authenticated
// encryption; TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
}

// The protocols that are offered to clients (ALPN).
const (
	protoH2   = "h2"
	protoHTTP = "http/1.1"

	protoChallenge = "acme-tls/1" // spoken by certificate authorities
)

// TLSOptions is what a TLS is made of.
type TLSOptions struct {
	Certificates        []conf.Certificate // of files
	ACME                *ACMEOptions       // for every other name; nil = files only
	Domain              string             // for whom a client that names nobody comes
	HTTPSPort, HTTPPort int                // as configured, for Status
	Log                 zerolog.Logger
}

// TLS is what HTTPS listeners share: the certificates, by the name that a
// client asks for. Close ends it.
type TLS struct {
	o      TLSOptions
	files  *certificateFiles
	acme   *acmeClient // nil = files only
	config *tls.Config
	end    context.CancelFunc
	ended  chan struct{}
}

// NewTLS reads the certificates and, until Close, keeps looking whether their
// files have changed. The error names the file.
func NewTLS(o TLSOptions) (*TLS, error) {
	files, err := loadCertificates(o.Certificates, o.Log)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	t := &TLS{o: o, files: files, end: end, ended: make(chan struct{})}
	t.config = &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{protoH2, protoHTTP},
		GetCertificate: t.certificate,
	}
	if o.ACME != nil {
		if t.acme, err = newACME(*o.ACME, o.Log); err != nil {
			end()
			return nil, err
		}
		t.config.NextProtos = append(t.config.NextProtos, protoChallenge)
	}
	go func() { // Close ends it
		defer close(t.ended)
		files.follow(ctx)
	}()
	return t, nil
}

// Begin starts to get certificates for the names that a server knows; call it
// before ServeTLS. The addresses are where the authority finds us; nil is nowhere.
func (t *TLS) Begin(s *Server, https, http *net.TCPAddr) {
	if t.acme == nil {
		return
	}
	at := challengePorts{}
	if http != nil {
		at.http = http.Port
	}
	if https != nil {
		at.https = https.Port
		if !https.IP.IsUnspecified() {
			at.host = https.IP.String()
		}
	}
	t.acme.begin(s, at)
}

// Close ends what NewTLS and Begin began. Connections that are there go on.
func (t *TLS) Close() {
	t.end()
	<-t.ended
	if t.acme != nil {
		t.acme.close()
	}
}

// certificate picks what to show a client. nil: the alert unrecognized_name.
func (t *TLS) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if t.acme == nil {
		return t.files.find(hello), nil
	}
	if isChallenge(hello) {
		return t.acme.tlsChallenge(hello)
	}
	if c := t.files.match(hello); c != nil {
		return c, nil
	}
	host := serverName(hello)
	if host == "" {
		host = t.o.Domain
	}
	c, err := t.acme.certificate(hello, host)
	if err != nil {
		t.o.Log.Debug().Err(err).Msg("a handshake failed")
	}
	return c, err
}

// serverName is the name that a client asks for, as routes have it.
func serverName(hello *tls.ClientHelloInfo) string {
	return strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
}

// handshakeTime is how long a client may take to agree on keys.
const handshakeTime = 10 * time.Second

// Handshake is called by fasthttp before anything else is read; a plain
// connection has nothing to agree on.
func (c *client) Handshake() error {
	secured, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	_ = secured.SetDeadline(time.Now().Add(handshakeTime)) // fails on a closed connection only
	err := secured.Handshake()
	if err != nil {
		answerPlain(err)
		secured.NetConn().Close()
		return err
	}
	return secured.SetDeadline(time.Time{})
}

// ConnectionState says what was agreed on; nothing for a plain connection.
func (c *client) ConnectionState() tls.ConnectionState {
	if secured, ok := c.Conn.(*tls.Conn); ok {
		return secured.ConnectionState()
	}
	return tls.ConnectionState{}
}

const spokePlain = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This port speaks HTTPS: use https://\r\n"

// answerPlain tells somebody who spoke plain HTTP where TLS is spoken.
func answerPlain(err error) {
	var wrong tls.RecordHeaderError
	if !errors.As(err, &wrong) || wrong.Conn == nil {
		return
	}
	for _, c := range wrong.RecordHeader {
		if c != ' ' && c != '/' && (c < 'A' || c > 'Z') { // "GET /", "POST "
			return
		}
	}
	_, _ = wrong.Conn.Write([]byte(spokePlain))
}

// socketOf is the connection below TLS, if there is any.
func socketOf(c net.Conn) net.Conn {
	if secured, ok := c.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c
}
