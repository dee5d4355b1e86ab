package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority is pebble, a real ACME server, with a DNS server of its own that
// sends every name to loopback; the built binary takes its certificates there.
type authority struct {
	t         *testing.T
	directory string
	root      string // PEM of pebble's own HTTPS, not of what it issues
	roots     string // where the root of what it issues is told
	dns       string // where the DNS server is told what to say
	log       string
	trusts    *http.Client // believes root
	http      int          // where it asks by plain HTTP
	https     int
}

// tool finds a program of pebble's; `.ci/run full` installs both.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: go install github.com/letsencrypt/pebble/v2/cmd/%s@v2.10.1", name, name)
	}
	return path
}

// newAuthority starts both. Its certificates are valid for that long.
func newAuthority(t *testing.T, valid time.Duration) *authority {
	t.Helper()
	server, names := tool(t, "pebble"), tool(t, "pebble-challtestsrv")
	dir := t.TempDir()
	at := func() string { return fmt.Sprint("127.0.0.1:", freePort(t)) }
	a := &authority{t: t, root: filepath.Join(dir, "root.pem"), log: filepath.Join(dir, "pebble.log"), http: freePort(t), https: freePort(t)}
	key := filepath.Join(dir, "key.pem")
	a.trusts = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: selfSigned(t, a.root, key)}}}
	acme, management, dns, told := at(), at(), at(), at()
	a.directory, a.roots, a.dns = "https://"+acme+"/dir", "https://"+management+"/roots/0", "http://"+told
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": acme, "managementListenAddress": management, "certificate": a.root, "privateKey": key,
		"httpPort": a.http, "tlsPort": a.https, "retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "default", "validityPeriod": int(valid.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	a.run(filepath.Join(dir, "dns.log"), names, "-dnsserver", dns, "-management", told, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	a.run(a.log, server, "-config", file, "-dnsserver", dns)
	for _, address := range []string{acme, told} {
		eventually(t, "pebble listens", 30*time.Second, func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return a
}

// run starts a program until the test ends.
func (a *authority) run(log string, argv ...string) {
	a.t.Helper()
	f, err := os.Create(log)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// selfSigned writes a certificate for loopback and its key.
func selfSigned(t *testing.T, certificate, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, cert, cert, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		text := pem.EncodeToMemory(block)
		pool.AppendCertsFromPEM(text) // the key is none
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// ordered is how many orders pebble got.
func (a *authority) ordered() int {
	a.t.Helper()
	log, err := os.ReadFile(a.log)
	if err != nil {
		a.t.Fatal(err)
	}
	return bytes.Count(log, []byte("Added order"))
}

// issued are the roots of what it issues.
func (a *authority) issued() *x509.CertPool {
	a.t.Helper()
	r, err := a.trusts.Get(a.roots)
	if err != nil {
		a.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		a.t.Fatalf("%q is no certificate, %v", text, err)
	}
	return pool
}

// secured is a daemon that takes its certificates at an authority.
type secured struct {
	*daemon
	authority *authority
}

// launchTLS starts one with two tenants of the service web, one of which has a
// domain of its own.
func launchTLS(t *testing.T, a *authority, more string, env ...string) secured {
	t.Helper()
	s := secured{authority: a, daemon: prepare(t, setup{
		settings: fmt.Sprintf("[settings.tls]\nenabled = true\nacme_email = \"ops@example.test\"\nacme_directory = %q\nacme_ca_root = %q\nhttp_port = %d\n%s", a.directory, a.root, a.http, more),
		services: character("web", "serves", "listen = \"fd\""), domain: "example.test", env: env,
	})}
	s.port = a.https
	s.serve()
	s.must("register", "web:alice", "web:bob")
	s.must("domain", "add", "web:alice", "shop.example.org")
	return s
}

// serve waits by the control socket: nobody can ask for a page without a certificate.
func (s secured) serve() {
	s.t.Helper()
	s.spawn()
	eventually(s.t, "the daemon answers", 60*time.Second, func() bool {
		if !s.running() {
			s.t.Fatalf("the daemon has ended:\n%s", s.output)
		}
		r, err := s.api("GET", "/api/tls/status", "")
		return err == nil && r.status == http.StatusOK
	})
}

// shown is the certificate that a client is shown who trusts the authority.
func (s secured) shown(name string) (*x509.Certificate, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 90 * time.Second}, "tcp", s.address(), &tls.Config{ServerName: name, RootCAs: s.authority.issued()})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

func (s secured) mustShow(name, subject string) *x509.Certificate {
	s.t.Helper()
	c, err := s.shown(name)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, s.output.Tail(4000))
	}
	if len(c.DNSNames) != 1 || c.DNSNames[0] != subject {
		s.t.Errorf("%s is shown a certificate for %q, want %s", name, c.DNSNames, subject)
	}
	return c
}

// used is how much of the week's budget is spent, as the API tells it.
func (s secured) used() int {
	s.t.Helper()
	r, err := s.api("GET", "/api/tls/status", "")
	var status struct {
		Budget   struct{ Used int }
		Failures []struct{ Name, Error string }
	}
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &status)
	}
	if err != nil || len(status.Failures) > 0 {
		s.t.Errorf("status %s, %v", r.body, err)
	}
	return status.Budget.Used
}

// page gets what a visitor sees.
func (s secured) page(name string) string {
	s.t.Helper()
	client := &http.Client{Timeout: 90 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.authority.issued(), ServerName: name},
	}}
	r, err := http.NewRequest("GET", "https://"+s.address()+"/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = name
	resp, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Status
}

func TestPebble_ARegisteredTenantAndADomainGetCertificatesOnTheFirstHandshake(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	s := launchTLS(t, a, "")
	if n := a.ordered(); n != 0 {
		t.Errorf("%d orders before anybody has asked", n)
	}
	alice := s.mustShow("alice.web.example.test", "alice.web.example.test")
	shop := s.mustShow("shop.example.org", "shop.example.org")
	for _, name := range []string{"alice.web.example.test", "shop.example.org"} {
		if status := s.page(name); status != "200 OK" {
			t.Errorf("%s says %s", name, status)
		}
	}
	for _, name := range []string{"nobody.web.example.test", "other.example.org", "x.example.test"} {
		if _, err := s.shown(name); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s, whom nobody knows: %v", name, err)
		}
	}
	s.must("domain", "remove", "shop.example.org")
	if _, err := s.shown("shop.example.org"); err == nil {
		t.Error("a domain that was removed is still served")
	}
	s.must("domain", "add", "web:alice", "shop.example.org")
	if n, used := a.ordered(), s.used(); n != 2 || used != 2 {
		t.Errorf("%d orders, %d of the budget used, want 2 and 2", n, used)
	}
	s.terminate()
	s.serve()
	for name, before := range map[string]*x509.Certificate{"alice.web.example.test": alice, "shop.example.org": shop} {
		if now := s.mustShow(name, name); now.SerialNumber.Cmp(before.SerialNumber) != 0 {
			t.Errorf("a new daemon shows another certificate for %s", name)
		}
	}
	if n, used := a.ordered(), s.used(); n != 2 || used != 2 {
		t.Errorf("after a restart %d orders, %d of the budget used", n, used)
	}
}

func TestPebble_AThousandHandshakesForUnknownNamesCostNoOrder(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	s := launchTLS(t, a, "")
	var crowd sync.WaitGroup
	for worker := range 10 {
		crowd.Go(func() {
			for i := range 100 {
				c, err := tls.DialWithDialer(&net.Dialer{Timeout: 90 * time.Second}, "tcp", s.address(), &tls.Config{ServerName: fmt.Sprintf("n%d-%d.example.org", worker, i), InsecureSkipVerify: true})
				if err == nil {
					c.Close()
				}
				if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
					t.Errorf("a stranger's name: %v", err)
					return
				}
			}
		})
	}
	crowd.Wait()
	if n, used := a.ordered(), s.used(); n != 0 || used != 0 {
		t.Errorf("%d orders, %d of the budget used", n, used)
	}
	s.mustShow("bob.web.example.test", "bob.web.example.test") // and whoever is known still gets one
	if n := a.ordered(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// The daemon looks for what is to be renewed when it starts, and every ten minutes
// (which edge/pebble_test.go makes shorter).
func TestPebble_ACertificateIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	const valid = 60 * time.Second
	a := newAuthority(t, valid)
	s := launchTLS(t, a, "")
	first := s.mustShow("alice.web.example.test", "alice.web.example.test")
	s.terminate()
	eventually(t, "two thirds of the certificate's time are over", valid, func() bool { return time.Until(first.NotAfter) < valid/4 })
	s.serve()
	eventually(t, "the certificate is another", 2*valid, func() bool {
		c, err := s.shown("alice.web.example.test")
		return err == nil && c.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	if n, used := a.ordered(), s.used(); n != 2 || used != 1 {
		t.Errorf("%d orders, %d of the budget used, want 2 and 1: renewals do not count", n, used)
	}
}

// dnsHook is what an operator would write for a provider.
const dnsHook = `#!/bin/sh
set -e
echo "$1 $2" >> "$CALLS"
case $1 in
add) path=set-txt ;;
remove) path=clear-txt ;;
esac
curl -sSf -o /dev/null -d "{\"host\": \"$2.\", \"value\": \"$3\"}" "$DNS/$path"
`

func TestPebble_TheDNSHookGivesAWildcardOfEachService(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	a := newAuthority(t, 90*24*time.Hour)
	dir := t.TempDir()
	hook, calls := filepath.Join(dir, "hook"), filepath.Join(dir, "calls")
	if err := os.WriteFile(hook, []byte(dnsHook), 0o700); err != nil {
		t.Fatal(err)
	}
	s := launchTLS(t, a, fmt.Sprintf("dns_hook = %q\n", hook), "CALLS="+calls, "DNS="+a.dns)
	s.mustShow("alice.web.example.test", "*.web.example.test")
	s.mustShow("bob.web.example.test", "*.web.example.test")
	s.mustShow("shop.example.org", "shop.example.org")
	if status := s.page("bob.web.example.test"); status != "200 OK" {
		t.Errorf("bob's page: %s", status)
	}
	text, err := os.ReadFile(calls)
	if got := string(text); err != nil || strings.Count(got, "add _acme-challenge.web.example.test\n") != 1 || strings.Count(got, "remove _acme-challenge.web.example.test\n") != 1 {
		t.Errorf("the hook was called with %q, %v", got, err)
	}
}
