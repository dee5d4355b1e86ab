package edge

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/http"
	"slices"
	"time"
)

// TLSStatusJSON answers GET /api/tls/status.
type TLSStatusJSON struct {
	Enabled      bool              `json:"enabled"`
	Domain       string            `json:"domain"`
	Staging      bool              `json:"staging"`
	HTTPSPort    int               `json:"https_port"`
	HTTPPort     int               `json:"http_port"`
	ACME         bool              `json:"acme"`
	Directory    string            `json:"directory,omitempty"`    // of the certificate authority
	DNSHook      bool              `json:"dns_hook"`               // there are wildcards
	Certificates []CertificateJSON `json:"certificates,omitempty"` // in memory
	Budget       *BudgetJSON       `json:"budget,omitempty"`       // with acme
	Pending      []string          `json:"pending,omitempty"`      // names whose certificate is being taken
	Failures     []TLSFailureJSON  `json:"failures,omitempty"`
}

// CertificateJSON is a certificate that is shown to clients.
type CertificateJSON struct {
	Names    []string `json:"names"`
	Source   string   `json:"source"`    // file, acme
	NotAfter int64    `json:"not_after"` // ms since 1970
}

// BudgetJSON is how many names may still get their first certificate.
type BudgetJSON struct {
	Weekly int   `json:"weekly"`
	Used   int   `json:"used"`              // in the last seven days
	NextAt int64 `json:"next_at,omitempty"` // ms since 1970: when there is room again; absent while there is
}

// TLSFailureJSON is a name that has no certificate.
type TLSFailureJSON struct {
	Name    string `json:"name"`
	Error   string `json:"error"`
	RetryAt int64  `json:"retry_at"` // ms since 1970
}

func (a *API) tlsStatus(_ context.Context, r *apiRequest) Reply {
	s := TLSStatusJSON{Domain: a.domain}
	if a.tls != nil {
		customers := []string{}
		for _, d := range a.host.Domains() {
			customers = append(customers, d.Name)
		}
		s = a.tls.Status(customers)
	}
	if !r.who.admin {
		s.Certificates, s.Pending, s.Failures = nil, nil, nil
	}
	return answerJSON(http.StatusOK, s)
}

// Status tells what there is. Of the certificates of single names, those of the
// customers are told.
func (t *TLS) Status(customers []string) TLSStatusJSON {
	s := TLSStatusJSON{Enabled: true, Domain: t.o.Domain, HTTPSPort: t.o.HTTPSPort, HTTPPort: t.o.HTTPPort}
	for _, c := range *t.files.loaded.Load() {
		s.Certificates = append(s.Certificates, certificateJSON("file", c.Leaf))
	}
	if t.acme == nil {
		return s
	}
	s.ACME, s.Staging, s.Directory, s.DNSHook = true, t.o.ACME.Staging, t.acme.directory(), t.o.ACME.Hook != nil
	for _, leaf := range t.acme.held(append(customers, t.o.Domain)) {
		s.Certificates = append(s.Certificates, certificateJSON("acme", leaf))
	}
	state, ok := t.acme.issuer.state()
	if !ok {
		return s
	}
	s.Budget = &BudgetJSON{Weekly: state.weekly, Used: state.used}
	if !state.next.IsZero() {
		s.Budget.NextAt = state.next.UnixMilli()
	}
	s.Pending = state.pending
	slices.Sort(s.Pending)
	for name, f := range state.failed {
		s.Failures = append(s.Failures, TLSFailureJSON{Name: name, Error: f.err.Error(), RetryAt: f.until.UnixMilli()})
	}
	slices.SortFunc(s.Failures, func(a, b TLSFailureJSON) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func certificateJSON(source string, leaf *x509.Certificate) CertificateJSON {
	return CertificateJSON{Names: leaf.DNSNames, Source: source, NotAfter: leaf.NotAfter.UTC().Truncate(time.Second).UnixMilli()}
}
