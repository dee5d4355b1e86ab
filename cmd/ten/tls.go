package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"

	"tenement/conf"
	"tenement/edge"
)

// secure is what the file and the flags together say of TLS, with the domain in it.
func (f serveFlags) secure(config *conf.Config) (conf.TLS, error) {
	t := config.Settings.TLS
	t.Enabled = t.Enabled || f.tls
	if !t.Enabled {
		if f.email != "" || f.staging {
			return t, errors.New("--email and --staging go with --tls, or with tls.enabled in the file")
		}
		t.Domain = f.domain
		return t, nil
	}
	t.ACMEEmail = cmp.Or(f.email, t.ACMEEmail)
	t.Staging = t.Staging || f.staging
	if t.Domain == "" || f.domainSet {
		t.Domain = f.domain
	}
	return t, checkTLS(t)
}

// checkTLS refuses what could not get any certificate.
func checkTLS(t conf.TLS) error {
	if !t.ACME {
		if len(t.Certificates) == 0 {
			return errors.New("TLS needs certificates: set tls.certificates, or leave out tls.acme = false")
		}
		return nil
	}
	if t.ACMEEmail == "" {
		return errors.New("the certificate authority wants an address to write to: give --email or tls.acme_email, or set tls.certificates")
	}
	_, err := conf.ParseDomain(t.Domain)
	if err == nil && strings.HasSuffix(t.Domain, ".localhost") {
		err = errors.New("it is this machine only")
	}
	if err != nil {
		return fmt.Errorf("no certificate authority certifies the domain %s: give --domain or tls.domain, or set tls.certificates: %w", t.Domain, err)
	}
	return nil
}

// listenOptions is where to listen: flags win over the file.
func (f serveFlags) listenOptions(config *conf.Config, t conf.TLS, passed []passed) listenOptions {
	o := listenOptions{bind: config.Settings.Bind, port: f.port, tls: t.Enabled, httpPort: t.HTTPPort, passed: passed}
	if t.Enabled && !f.portSet {
		o.port = t.HTTPSPort
	}
	if len(f.bind) > 0 {
		o.bind = make([]string, len(f.bind))
		for i, address := range f.bind {
			o.bind[i] = strings.Trim(address, "[]")
		}
	}
	return o
}

// openTLS makes the certificates ready, if there is TLS; closeTLS ends that.
func (d *daemon) openTLS(o daemonOptions) (err error) {
	if o.listen.tls {
		d.tls, err = edge.NewTLS(tlsOptions(o))
	}
	return err
}

func tlsOptions(o daemonOptions) edge.TLSOptions {
	t := edge.TLSOptions{
		Certificates: o.tls.Certificates, Domain: o.domain, HTTPSPort: o.tls.HTTPSPort, HTTPPort: o.tls.HTTPPort, Log: o.log,
	}
	if o.tls.ACME {
		t.ACME = &edge.ACMEOptions{
			Directory: o.tls.ACMEDirectory, Staging: o.tls.Staging, RootFile: o.tls.ACMECARoot, Email: o.tls.ACMEEmail, Dir: o.tls.CacheDir,
			Hook: o.tls.DNSHook, HookTimeout: o.tls.DNSHookTimeout, WeeklyBudget: o.tls.ACMEWeeklyBudget,
		}
	}
	return t
}

func (d *daemon) closeTLS() {
	if d.tls != nil {
		d.tls.Close()
	}
}

// beginTLS starts to get certificates. The authority finds us where visitors do.
func (d *daemon) beginTLS(public *listeners) {
	if d.tls != nil {
		d.tls.Begin(d.server, tcpAddress(public.https), tcpAddress(public.redirect))
	}
}

// tcpAddress is that of the first TCP listener; nil when there is none.
func tcpAddress(of []net.Listener) *net.TCPAddr {
	for _, one := range of {
		if a, ok := one.Addr().(*net.TCPAddr); ok {
			return a
		}
	}
	return nil
}
