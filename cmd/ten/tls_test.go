package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tenement/conf"
	"tenement/edge"
)

func TestServe_TheFlagsWinOverTheFile(t *testing.T) {
	file := conf.Settings{Bind: []string{"10.0.0.1"}, TLS: conf.TLS{HTTPSPort: 443, HTTPPort: 80, Domain: "example.com", Certificates: []conf.Certificate{{CertFile: "/c", KeyFile: "/k"}}}}
	enabled := file
	enabled.TLS.Enabled = true
	for _, c := range []struct {
		flags  serveFlags
		file   conf.Settings
		bind   []string
		port   int
		domain string
	}{
		{serveFlags{port: 8080, domain: "localhost"}, file, []string{"10.0.0.1"}, 8080, "localhost"},
		{serveFlags{port: 8080, domain: "localhost"}, enabled, []string{"10.0.0.1"}, 443, "example.com"},
		{serveFlags{port: 8080, domain: "localhost", tls: true}, file, []string{"10.0.0.1"}, 443, "example.com"},
		{serveFlags{port: 1, portSet: true, domain: "x.org", domainSet: true, bind: []string{"[::1]", "unix:/s"}}, enabled, []string{"::1", "unix:/s"}, 1, "x.org"},
	} {
		config := &conf.Config{Settings: c.file}
		secure, err := c.flags.secure(config)
		if err != nil {
			t.Fatal(err)
		}
		o := c.flags.listenOptions(config, secure, nil)
		if !slices.Equal(o.bind, c.bind) || o.port != c.port || o.tls != secure.Enabled || o.httpPort != 80 || secure.Domain != c.domain {
			t.Errorf("%+v: %+v, %+v", c.flags, o, secure)
		}
	}
	got, err := serveFlags{email: "a@b.org", staging: true}.secure(&conf.Config{Settings: enabled})
	if err != nil || !got.Staging || got.ACMEEmail != "a@b.org" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestServe_WhatCouldGetNoCertificateIsRefused(t *testing.T) {
	w := newWorld(t)
	for says, args := range map[string][]string{
		"give --email or tls.acme_email":                                                {"-d", "example.com"},
		"certifies the domain localhost: give --domain or tls.domain":                   {"--email", "a@b.org"},
		"certifies the domain a.localhost: give --domain":                               {"--email", "a@b.org", "-d", "a.localhost"},
		`certifies the domain my_host.org: give --domain or tls.domain, or set tls.cer`: {"--email", "a@b.org", "-d", "my_host.org"},
	} {
		w.wants(1, "", says, append([]string{"serve", "--tls"}, args...)...)
	}
	w.write(conf.FileName, "[settings.tls]\nacme = false\n"+worldConfig)
	w.wants(1, "", "Error: TLS needs certificates: set tls.certificates, or leave out tls.acme = false", "serve", "--tls")
	w.write(conf.FileName, "[settings.tls]\nacme_ca_root = '/nowhere.pem'\n"+worldConfig)
	w.wants(1, "", "Error: cannot read tls.acme_ca_root: open /nowhere.pem", "serve", "--tls", "--email", "a@b.org", "-d", "example.com", "-p", "0", "--bind", "127.0.0.1")
}

func TestServe_WhatTheFileSaysOfACMEReachesTheEdge(t *testing.T) {
	o := daemonOptions{domain: "example.com", tls: conf.TLS{
		ACME: true, ACMEEmail: "a@b.org", ACMEDirectory: "https://ca.test/", ACMECARoot: "/root.pem", ACMEWeeklyBudget: 7, CacheDir: "/acme",
		DNSHook: []string{"/dns"}, DNSHookTimeout: time.Minute, Staging: true, HTTPSPort: 443, HTTPPort: 80,
	}}
	got := tlsOptions(o)
	want := edge.ACMEOptions{
		Directory: "https://ca.test/", Staging: true, RootFile: "/root.pem", Email: "a@b.org", Dir: "/acme", Hook: []string{"/dns"}, HookTimeout: time.Minute, WeeklyBudget: 7,
	}
	if got.Domain != "example.com" || got.HTTPSPort != 443 || got.HTTPPort != 80 || !reflect.DeepEqual(*got.ACME, want) {
		t.Errorf("%+v, %+v", got, *got.ACME)
	}
	o.tls.ACME = false
	if got := tlsOptions(o); got.ACME != nil {
		t.Errorf("with acme = false: %+v", got.ACME)
	}
}

// certificate writes site.pem and site.key for names, and gives who trusts it.
func (w *world) certificate(names ...string) *x509.CertPool {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.write("site.pem", string(cert))
	w.write("site.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

func TestServe_HTTPSOfCertificateFilesAndPlainHTTPIsSentThere(t *testing.T) {
	w := newWorld(t)
	pool := w.certificate("localhost")
	w.write(conf.FileName, "[settings.tls]\nenabled = true\nhsts_max_age = 60\nhttp_port = 1\ncertificates = [['"+w.dir+"/site.pem', '"+w.dir+"/site.key']]\n"+worldConfig)
	a, _, _ := w.app()
	config, err := a.loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	plain := freePort(t)
	d, err := a.startDaemon(daemonOptions{place: a.placeOf(config), listen: listenOptions{bind: loopback, tls: true, httpPort: plain}, tls: config.Settings.TLS, domain: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.stop(context.Background()) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	r, err := client.Get(fmt.Sprintf("http://localhost:%d/health", plain)) // and follows the redirect
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); r.StatusCode != 200 || r.Request.URL.String() != d.url+"/health" || !strings.Contains(string(body), "ok") || r.Header.Get("Strict-Transport-Security") != "max-age=60" {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, body)
	}
}

func TestServe_ACertificateOfNoUseStopsTheStartAndNamesTheFile(t *testing.T) {
	w := newWorld(t)
	w.certificate("localhost")
	w.write("site.key", "no key")
	w.write(conf.FileName, "[settings.tls]\ncertificates = [['"+w.dir+"/site.pem', '"+w.dir+"/site.key']]\n"+worldConfig)
	w.wants(1, "", "Error: cannot use the certificate "+w.dir+"/site.pem with the key "+w.dir+"/site.key: tls: failed to find any PEM data", "serve", "--tls", "-p", "0", "--bind", "127.0.0.1")
}

// freePort is one that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
