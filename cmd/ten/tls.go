package main

import (
	"errors"
	"strings"

	"tenement/conf"
	"tenement/edge"
)

// secure is what the file and the flags together say of TLS.
func (f serveFlags) secure(config *conf.Config) (conf.TLS, error) {
	t := config.Settings.TLS
	t.Enabled = t.Enabled || f.tls
	if !t.Enabled {
		if f.email != "" || f.staging {
			return t, errors.New("--email and --staging go with --tls, or with tls.enabled in the file")
		}
		return t, nil
	}
	if len(t.Certificates) == 0 {
		return t, errors.New("TLS needs certificates: set tls.certificates")
	}
	if f.email != "" {
		t.ACMEEmail = f.email
	}
	t.Staging = t.Staging || f.staging
	return t, nil
}

// domainOf is the domain to serve: the flag, with TLS else the file's, else the
// flag's default.
func (f serveFlags) domainOf(t conf.TLS) string {
	if t.Enabled && t.Domain != "" && !f.domainSet {
		return t.Domain
	}
	return f.domain
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
		d.tls, err = edge.NewTLS(edge.TLSOptions{Certificates: o.tls.Certificates, Log: o.log})
	}
	return err
}

func (d *daemon) closeTLS() {
	if d.tls != nil {
		d.tls.Close()
	}
}
