package conf

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
