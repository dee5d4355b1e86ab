package edge

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// pebble is a real ACME server with a DNS server of its own, both on loopback,
// and an edge that takes its certificates there. One at a time: the library
// keeps the challenges that are open in one table for the whole program.
type pebble struct {
	t         *testing.T
	ca        *testCA // of pebble's own HTTPS, not of what it issues
	world     *edgeWorld
	made      *TLS
	directory string
	dns       string // where the DNS server is told what to say
	https     string // where the edge listens
	plain     string
	orders    string // pebble's log
}

// freePorts are ports of loopback that were free a moment ago.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// tool finds a program of pebble's; CI installs both.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: go install github.com/letsencrypt/pebble/v2/cmd/%s@v2.10.1", name, name)
	}
	return path
}

// run starts a program until the test ends. Its output goes to a file.
func run(t *testing.T, log string, argv ...string) {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// newPebble starts both. valid is how long its certificates are.
func newPebble(t *testing.T, valid time.Duration, change ...func(p *pebble, o *TLSOptions)) *pebble {
	t.Helper()
	server, names := tool(t, "pebble"), tool(t, "pebble-challtestsrv")
	p := &pebble{t: t, ca: newTestCA(t), world: newWorld(t)}
	ports := freePorts(t, 7)
	at := func(i int) string { return fmt.Sprint("127.0.0.1:", ports[i]) }
	p.directory, p.dns, p.https, p.plain = "https://"+at(0)+"/dir", "http://"+at(3), at(4), at(5)
	p.orders = filepath.Join(p.ca.dir, "pebble.log")
	key := p.ca.issue("pebble", "127.0.0.1")
	config := map[string]any{"pebble": map[string]any{
		"listenAddress": at(0), "managementListenAddress": at(1), "certificate": key.CertFile, "privateKey": key.KeyFile,
		"httpPort": ports[5], "tlsPort": ports[4], "retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "default", "validityPeriod": int(valid.Seconds())}},
	}}
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.ca.dir, "pebble.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, filepath.Join(p.ca.dir, "dns.log"), names, "-dnsserver", at(2), "-management", at(3), "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	run(t, p.orders, server, "-config", file, "-dnsserver", at(2))
	for _, address := range []string{at(0), at(3)} {
		eventually(t, "pebble listens", func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	p.serve(change...)
	return p
}

// serve has the edge listen where pebble looks.
func (p *pebble) serve(change ...func(p *pebble, o *TLSOptions)) {
	p.t.Helper()
	root := filepath.Join(p.ca.dir, "root.pem")
	p.ca.put(root, "CERTIFICATE", p.ca.cert.Raw)
	o := TLSOptions{Domain: "example.test", Log: zerolog.New(p.world.log), ACME: &ACMEOptions{
		Directory: p.directory, RootFile: root, Email: "ops@example.test", Dir: filepath.Join(p.ca.dir, "acme"), WeeklyBudget: 40, HookTimeout: patience,
		renewEvery: 200 * time.Millisecond,
	}}
	for _, f := range change {
		f(p, &o)
	}
	var err error
	if p.made, err = NewTLS(o); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.made.Close)
	listeners := make([]*net.TCPListener, 2)
	for i, address := range []string{p.https, p.plain} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			p.t.Fatal(err)
		}
		listeners[i] = l.(*net.TCPListener)
	}
	https, plain := listeners[0].Addr().(*net.TCPAddr), listeners[1].Addr().(*net.TCPAddr)
	p.made.Begin(p.world.server, https, plain)
	ended := make(chan error, 2)
	go func() { ended <- p.world.server.ServeTLS(listeners[0], p.made) }()
	go func() { ended <- p.world.server.ServeRedirect(listeners[1], p.made, https.Port) }()
	p.t.Cleanup(func() {
		p.world.end()
		<-ended
		<-ended
	})
}

// shown gives the certificate that a client is shown for a name.
func (p *pebble) shown(name string) (*x509.Certificate, error) {
	v, err := p.ca.dialTLS(p.https, name, func(c *tls.Config) { c.InsecureSkipVerify = true }) // pebble's roots are of the moment
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return v.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func (p *pebble) mustShow(name, subject string) *x509.Certificate {
	p.t.Helper()
	c, err := p.shown(name)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, p.world.log)
	}
	if len(c.DNSNames) != 1 || c.DNSNames[0] != subject {
		p.t.Errorf("%s is shown a certificate for %q, want %s", name, c.DNSNames, subject)
	}
	return c
}

// ordered is how many orders pebble got.
func (p *pebble) ordered() int {
	p.t.Helper()
	b, err := os.ReadFile(p.orders)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Count(string(b), "Added order")
}

func TestPebble_ACertificateForEachRegisteredNameOnItsFirstHandshake(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour)
	p.world.tenant(saying(t, "hello"))
	p.world.host.door("notes:a_b")
	p.world.host.domain("shop.example.org", "notes:alice")
	first := p.mustShow(aliceHost, aliceHost)
	shop := p.mustShow("shop.example.org", "shop.example.org")
	p.mustShow("example.test", "example.test")
	p.mustShow("", "example.test") // who names nobody
	if again := p.mustShow(aliceHost, aliceHost); again.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("the second handshake has another certificate")
	}
	if n := p.ordered(); n != 3 {
		t.Errorf("%d orders", n)
	}
	for _, name := range []string{"bob.notes.example.test", "notes.example.test", "other.example.org", "a_b.notes.example.test", "localhost", "x.example.test"} {
		if _, err := p.shown(name); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := p.made.Status([]string{"shop.example.org"})
	if s.Budget.Used != 3 || len(s.Failures)+len(s.Pending) > 0 || len(s.Certificates) != 2 {
		t.Errorf("status %+v", s)
	}
	p.restarted(shop)
}

// restarted checks that a new daemon has the certificates of the old one, and its
// budget.
func (p *pebble) restarted(shop *x509.Certificate) {
	p.t.Helper()
	a, err := newACME(p.made.acme.o, zerolog.Nop())
	if err != nil {
		p.t.Fatal(err)
	}
	a.begin(p.world.server, challengePorts{})
	defer a.close()
	if err := a.issuer.ask(p.t.Context(), "shop.example.org"); err != nil {
		p.t.Fatal(err)
	}
	if held := a.held([]string{"shop.example.org"}); len(held) != 1 || held[0].SerialNumber.Cmp(shop.SerialNumber) != 0 {
		p.t.Error("a new daemon has another certificate")
	}
	if state, _ := a.issuer.state(); state.used != 3 {
		p.t.Errorf("a new daemon counts %d", state.used)
	}
}

func TestPebble_AThousandHandshakesForUnknownNamesCostNothing(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour)
	var wg sync.WaitGroup
	for worker := range 10 {
		wg.Go(func() {
			for i := range 100 {
				if _, err := p.shown(fmt.Sprintf("n%d-%d.example.org", worker, i)); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := p.ordered(); n != 0 {
		t.Errorf("%d orders", n)
	}
	entries, err := os.ReadDir(p.made.acme.o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "locks" && e.Name() != "last_clean.json" {
			t.Errorf("%s was written", e.Name())
		}
	}
	if s := p.made.Status(nil); s.Budget.Used != 0 || len(s.Failures) > 0 {
		t.Errorf("status %+v", s)
	}
}

func TestPebble_AFailureIsRememberedAndTold(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour)
	p.tellDNS("set-servfail", map[string]any{"host": "broken.example.org."})
	p.world.host.door("notes:alice")
	p.world.host.domain("broken.example.org", "notes:alice")
	for range 20 {
		if _, err := p.shown("broken.example.org"); err == nil {
			t.Fatal("a certificate came from somewhere")
		}
	}
	if n := p.ordered(); n > 2 { // the two ways to prove it
		t.Errorf("%d orders", n)
	}
	s := p.made.Status(nil)
	if len(s.Failures) != 1 || s.Failures[0].Name != "broken.example.org" || s.Failures[0].RetryAt < time.Now().UnixMilli() || s.Budget.Used != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestPebble_NothingIsIssuedBeyondTheBudget(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour, func(_ *pebble, o *TLSOptions) { o.ACME.WeeklyBudget = 1 })
	p.world.host.door("notes:alice")
	p.world.host.door("notes:bob")
	p.mustShow(aliceHost, aliceHost)
	if _, err := p.shown("bob.notes.example.test"); err == nil {
		t.Error("bob got one too")
	}
	if s := p.made.Status(nil); s.Budget.NextAt == 0 || p.ordered() != 1 {
		t.Errorf("%d orders, status %+v", p.ordered(), s.Budget)
	}
}

func TestPebble_CertificatesAreRenewedAndThoseOfTheForgottenAreNot(t *testing.T) {
	p := newPebble(t, 12*time.Second)
	p.world.host.door("notes:alice")
	p.world.host.domain("gone.example.org", "notes:alice")
	first := p.mustShow(aliceHost, aliceHost)
	p.mustShow("gone.example.org", "gone.example.org")
	p.world.host.mu.Lock()
	delete(p.world.host.domains, "gone.example.org")
	p.world.host.mu.Unlock()
	eventually(t, "alice's certificate is another", func() bool {
		c, err := p.shown(aliceHost)
		return err == nil && c.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	if strings.Contains(p.world.log.String(), `"name":"gone.example.org","renewal":true`) {
		t.Error("the certificate of a domain that was removed is renewed")
	}
	if s := p.made.Status(nil); s.Budget.Used != 2 {
		t.Errorf("renewals count: %+v", s.Budget)
	}
}

// tellDNS changes what the DNS server answers.
func (p *pebble) tellDNS(what string, body map[string]any) {
	p.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.Post(p.dns+"/"+what, "application/json", strings.NewReader(string(b)))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// dnsScript is a hook as an operator would write one.
const dnsScript = `#!/bin/sh
set -e
echo "$1 $2" >> "$CALLS"
case $1 in
add) path=set-txt ;;
remove) path=clear-txt ;;
esac
curl -sSf -o /dev/null -d "{\"host\": \"$2.\", \"value\": \"$3\"}" "$DNS/$path"
`

func TestPebble_WithADNSHookWildcardsCoverEveryTenant(t *testing.T) {
	tool(t, "curl")
	calls := filepath.Join(t.TempDir(), "calls")
	p := newPebble(t, 90*24*time.Hour, func(p *pebble, o *TLSOptions) {
		hook := filepath.Join(p.ca.dir, "hook")
		if err := os.WriteFile(hook, []byte(dnsScript), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("CALLS", calls) // the hook has the daemon's environment
		t.Setenv("DNS", p.dns)
		o.ACME.Hook = []string{hook}
		p.world.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes"}, "my_app": {Name: "my_app"}}
	})
	p.world.host.domain("shop.example.org", "notes:alice")
	p.world.host.door("notes:alice")
	p.mustShow(aliceHost, "*.notes.example.test")
	p.mustShow("nobody-yet.notes.example.test", "*.notes.example.test") // may be created by the request
	p.mustShow("notes.example.test", "*.example.test")
	p.mustShow("example.test", "example.test")
	p.mustShow("shop.example.org", "shop.example.org")
	if _, err := p.shown("x.my_app.example.test"); err == nil {
		t.Error("a name below an underscore has a certificate")
	}
	if s := p.made.Status(nil); !s.DNSHook || s.Budget.Used != 2 { // the domain itself and the shop
		t.Errorf("status %+v, %+v", s, s.Budget)
	}
	b, err := os.ReadFile(calls)
	if got := string(b); err != nil || strings.Count(got, "add _acme-challenge.notes.example.test\n") != 1 || strings.Count(got, "remove ") != 3 {
		t.Errorf("the hook was called with %q, %v", got, err)
	}
}

func TestPebble_PlainHTTPAnswersTheAuthority(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour)
	p.world.host.door("notes:alice")
	p.made.acme.onlyHTTP(portOf(p.plain))
	p.mustShow(aliceHost, aliceHost)
	r := p.ask("/.well-known/acme-challenge/x")
	if r.StatusCode != 308 {
		t.Errorf("a challenge that nobody asked for: %d", r.StatusCode)
	}
}

func portOf(address string) int {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return n
}

// ask gets a path of alice's by plain HTTP.
func (p *pebble) ask(path string) heard {
	w := *p.world
	w.addr = p.plain
	return w.ask("GET", "GET "+path+" HTTP/1.1\r\nHost: "+aliceHost+"\r\n\r\n")
}
