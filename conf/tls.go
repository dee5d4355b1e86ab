package conf

import (
	"fmt"
	"net/url"
)

// settle draws the conclusions that need more than one key.
func (t *TLS) settle(v value) {
	if !v.field("acme").present() {
		t.ACME = len(t.Certificates) == 0
	}
	if f := v.field("dns_provider"); f.present() {
		f.remark("not used: set dns_hook to a command that adds and removes a TXT record")
	}
	if f := v.field("acme_directory"); f.present() && t.Staging {
		f.remark("staging is not used, because the directory is given")
	}
	if t.ACME {
		return
	}
	for _, name := range []string{"dns_hook", "dns_hook_timeout", "acme_directory", "acme_ca_root", "acme_weekly_budget"} {
		if f := v.field(name); f.present() {
			f.remark("not used: with certificates of your own, ACME is off unless acme = true")
		}
	}
}

// certificate reads [certificate file, key file].
func certificate(v value) (Certificate, bool) {
	parts := v.elems()
	if len(parts) != 2 {
		v.fail(`must be [certificate, key], like ["/etc/ssl/site.pem", "/etc/ssl/site.key"]`)
		return Certificate{}, false
	}
	cert, okCert := absolute(parts[0])
	key, okKey := absolute(parts[1])
	return Certificate{CertFile: cert, KeyFile: key}, okCert && okKey
}

// command reads a command line into words.
func command(v value) ([]string, bool) {
	line, ok := text(v)
	if !ok {
		return nil, false
	}
	words, err := split(line)
	switch {
	case err != nil:
		v.fail("%v", err)
	case len(words) == 0 || words[0] == "":
		v.fail("names no program")
	case words[0][0] == '~':
		v.fail("starts with ~, which only a shell understands; write the whole path")
	default:
		return words, true
	}
	return nil, false
}

func isHTTPS(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Sprintf("%q is not a URL of https", clip(s))
	}
	return ""
}
