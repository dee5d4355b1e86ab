package edge

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// testCA signs certificates for tests.
type testCA struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

var serial atomic.Int64

func newTestCA(t testing.TB) *testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &testCA{t: t, dir: t.TempDir(), key: key, pool: x509.NewCertPool(), cert: &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// write puts a certificate for names into NAME.pem and NAME.key.
func (a *testCA) write(name string, private crypto.Signer, names ...string) conf.Certificate {
	a.t.Helper()
	var addresses []net.IP
	names = slices.DeleteFunc(names, func(name string) bool {
		ip := net.ParseIP(name)
		if ip != nil {
			addresses = append(addresses, ip)
		}
		return ip != nil
	})
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), DNSNames: names, IPAddresses: addresses, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}, a.cert, private.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	c := conf.Certificate{CertFile: filepath.Join(a.dir, name+".pem"), KeyFile: filepath.Join(a.dir, name+".key")}
	a.put(c.CertFile, "CERTIFICATE", der)
	a.put(c.KeyFile, "PRIVATE KEY", key)
	return c
}

func (a *testCA) put(path, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue writes a certificate with an ordinary key.
func (a *testCA) issue(name string, names ...string) conf.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name, key, names...)
}

// serves makes a TLS of certificates, until the test ends.
func (a *testCA) serves(log zerolog.Logger, certificates ...conf.Certificate) *TLS {
	a.t.Helper()
	made, err := NewTLS(TLSOptions{Certificates: certificates, Log: log})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(made.Close)
	return made
}

// listenTLS adds an HTTPS listener to a world.
func (w *edgeWorld) listenTLS(t *TLS) string {
	return w.listenBy(func(l net.Listener) error { return w.server.ServeTLS(l, t) })
}

func (w *edgeWorld) listenBy(serve func(net.Listener) error) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(l) }()
	w.t.Cleanup(func() {
		w.end()
		if err := <-served; err != nil {
			w.t.Errorf("the listener ended with %v", err)
		}
	})
	return l.Addr().String()
}

// dialTLS is a raw client over TLS.
func (a *testCA) dialTLS(address, name string, change ...func(*tls.Config)) (*visitorConn, error) {
	config := &tls.Config{ServerName: name, RootCAs: a.pool}
	for _, f := range change {
		f(config)
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	a.t.Cleanup(func() { c.Close() })
	return &visitorConn{Conn: c, t: a.t, br: bufio.NewReader(c)}, nil
}

func (a *testCA) mustDial(address, name string, change ...func(*tls.Config)) *visitorConn {
	a.t.Helper()
	v, err := a.dialTLS(address, name, change...)
	if err != nil {
		a.t.Fatal(err)
	}
	return v
}

const aliceHost = "alice.notes.example.test"

// secured is a world whose tenant alice is reached by HTTPS.
func secured(t *testing.T, b *backend, change ...func(*ServerOptions)) (w *edgeWorld, a *testCA, address string) {
	t.Helper()
	w, a = newWorld(t, change...), newTestCA(t)
	w.tenant(b)
	return w, a, w.listenTLS(a.serves(zerolog.Nop(), a.issue("site", "*.notes.example.test")))
}

func TestTLS_ATenantIsToldThatItWasHTTPS(t *testing.T) {
	seen := make(chan string, 2)
	_, a, address := secured(t, answering(t, "unix", func(r *http.Request, body string) string {
		seen <- r.Header.Get("X-Forwarded-Proto") + " " + body
		return ok("hello")
	}))
	v := a.mustDial(address, aliceHost)
	for range 2 { // on one connection
		v.say("POST / HTTP/1.1\r\nHost: alice.notes.example.test\r\nX-Forwarded-Proto: http\r\nContent-Length: 2\r\n\r\nhi")
		v.hear("POST").wants(t, 200, "hello")
		if got := <-seen; got != "https hi" {
			t.Errorf("the tenant saw %q", got)
		}
	}
}

func TestTLS_OldVersionsAndWeakSuitesAreRefused(t *testing.T) {
	_, a, address := secured(t, saying(t, "hello"))
	for what, change := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"CBC": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		if _, err := a.dialTLS(address, aliceHost, change); err == nil {
			t.Errorf("%s was agreed on", what)
		}
	}
	a.mustDial(address, aliceHost, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
}

func TestTLS_PlainHTTPIsToldWhereItIs(t *testing.T) {
	w, _, address := secured(t, saying(t, "hello"))
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	v := &visitorConn{Conn: c, t: t, br: bufio.NewReader(c)}
	v.get("/")
	v.hear("GET").wants(t, 400, "This port speaks HTTPS: use https://")
	if w.host.wakes.Load() > 0 {
		t.Error("the tenant was asked")
	}
}

func TestTLS_NoiseInsteadOfAHandshakeIsClosed(t *testing.T) {
	_, _, address := secured(t, saying(t, "hello"))
	for _, noise := range []string{"\x00\x01\x02\x03\x04\x05", "\x16\x03\x01\x00\x05hello", "ssh-2"} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, noise); err != nil {
			t.Error(err)
		}
		if b, err := io.ReadAll(c); strings.Contains(string(b), "HTTP/") || os.IsTimeout(err) {
			t.Errorf("%q: got %q, %v", noise, b, err)
		}
		c.Close()
	}
}

// A reader of a TLS stream takes close_notify for its end: a cut answer must not
// have one.
func TestTLS_AnAnswerThatIsCutIsNotAnOrderlyEnd(t *testing.T) {
	_, a, address := secured(t, newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 50000))
	}))
	v := a.mustDial(address, aliceHost)
	v.get("/")
	if b, err := io.ReadAll(v.br); err == nil {
		t.Errorf("%d bytes, and then an orderly end", len(b))
	}
}

func TestTLS_AClientThatLeavesEndsWhatItWaitedFor(t *testing.T) {
	closed := make(chan struct{})
	w, a, address := secured(t, newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = br.ReadByte()
		close(closed)
	}))
	v := a.mustDial(address, aliceHost)
	v.get("/")
	eventually(t, "the tenant is asked", func() bool { return w.host.Door("notes", "alice").Inflight() == 1 })
	v.Close()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the tenant still works for nobody")
	}
}

func TestTLS_ShutdownLetsAnAnswerEnd(t *testing.T) {
	go1, asked := make(chan struct{}), make(chan struct{})
	w, a, address := secured(t, answering(t, "unix", func(*http.Request, string) string { close(asked); <-go1; return ok("late") }))
	v := a.mustDial(address, aliceHost)
	idle := a.mustDial(address, aliceHost)
	v.get("/")
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(t.Context()) }()
	if n, err := idle.br.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
		t.Errorf("who has said nothing is still connected: %d bytes, %v", n, err)
	}
	close(go1)
	v.hear("GET").wants(t, 200, "late")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// named is the name of the certificate that a client is shown.
func (a *testCA) named(address, name string, change ...func(*tls.Config)) string {
	a.t.Helper()
	v, err := a.dialTLS(address, name, append(change, func(c *tls.Config) { c.InsecureSkipVerify = true })...)
	if err != nil {
		return err.Error()
	}
	leaf := v.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return fmt.Sprint(leaf.DNSNames[0], " ", leaf.PublicKeyAlgorithm)
}

func TestTLS_TheNameChoosesTheCertificate(t *testing.T) {
	w, a := newWorld(t), newTestCA(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	address := w.listenTLS(a.serves(zerolog.Nop(), a.issue("first", "first.test"),
		a.issue("wild", "*.notes.test"), a.issue("exact", "bob.notes.test", "UPPER.test"), a.write("rsa", key, "*.notes.test")))
	for name, want := range map[string]string{
		"alice.notes.test": "*.notes.test ECDSA", "ALICE.notes.test": "*.notes.test ECDSA", "bob.notes.test": "bob.notes.test ECDSA",
		"upper.test": "bob.notes.test ECDSA", "notes.test": "first.test ECDSA", "a.b.notes.test": "first.test ECDSA", "": "first.test ECDSA", "localhost": "first.test ECDSA",
	} {
		if got := a.named(address, name); got != want {
			t.Errorf("%q is shown %s, want %s", name, got, want)
		}
	}
	onlyRSA := func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	if got := a.named(address, "alice.notes.test", onlyRSA); got != "*.notes.test RSA" {
		t.Errorf("a client that knows RSA only is shown %s", got)
	}
}

func TestTLS_WithoutCertificatesEveryNameIsUnknown(t *testing.T) {
	w, a := newWorld(t), newTestCA(t)
	address := w.listenTLS(a.serves(zerolog.Nop()))
	if got := a.named(address, aliceHost); !strings.Contains(got, "unrecognized name") {
		t.Errorf("got %s", got)
	}
}

func TestEntrance_HSTSIsTheTenantsOwnOrTheEdges(t *testing.T) {
	_, a, address := secured(t, answering(t, "unix", func(r *http.Request, _ string) string {
		if r.URL.Path == "/own" {
			return "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n"
		}
		return ok("")
	}), func(o *ServerOptions) { o.HSTS = time.Hour })
	v := a.mustDial(address, aliceHost)
	for path, want := range map[string]string{"/": "max-age=3600", "/own": "max-age=1"} {
		v.get(path)
		if got := v.hear("GET").Header.Values("Strict-Transport-Security"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q once", path, got, want)
		}
	}
	v.say("GET / HTTP/1.1\r\nHost: nobody.example.test\r\n\r\n")
	if r := v.hear("GET"); r.StatusCode != 404 || r.Header.Get("Strict-Transport-Security") != "max-age=3600" {
		t.Errorf("an answer of the edge's own: %v", r.Header)
	}
}

func TestEntrance_PlainHTTPIsSentToTheSamePlace(t *testing.T) {
	for port, at := range map[int]string{443: "", 8443: ":8443"} {
		w := newWorld(t)
		w.tenant(saying(t, "not by plain HTTP"))
		w.addr = w.listenBy(func(l net.Listener) error { return w.server.ServeRedirect(l, nil, port) })
		for request, want := range map[string]string{
			"GET /a?b=c%20 HTTP/1.1\r\nHost: Alice.notes.example.test:80\r\n":             "https://alice.notes.example.test" + at + "/a?b=c%20",
			"POST http://bob.example.test/x HTTP/1.1\r\nHost: bob.example.test\r\n":       "https://bob.example.test" + at + "/x",
			"GET //evil.test/ HTTP/1.1\r\nHost: [::1]\r\n":                                "https://[::1]" + at + "//evil.test/",
			"OPTIONS * HTTP/1.1\r\nHost: bob.example.test\r\n":                            "https://bob.example.test" + at + "/",
			"POST / HTTP/1.1\r\nHost: bob.example.test\r\nContent-Length: 5\r\n\r\nhello": "https://bob.example.test" + at + "/",
			"GET /health HTTP/1.1\r\nHost: example.test\r\nStrict-Transport-Security: 1":  "https://example.test" + at + "/health",
		} {
			r := w.ask("GET", request+"\r\n\r\n")
			if got := r.Header.Get("Location"); r.StatusCode != 308 || got != want || r.Header.Get("Strict-Transport-Security") != "" {
				t.Errorf("%q: %d to %q, want %q", request, r.StatusCode, got, want)
			}
		}
		if r := w.ask("GET", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"); r.StatusCode != 400 || r.Header.Get("Location") != "" {
			t.Errorf("a bad host: %d to %q", r.StatusCode, r.Header.Get("Location"))
		}
	}
}
