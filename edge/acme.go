package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
)

// ACMEOptions is how certificates come from a certificate authority (RFC 8555).
type ACMEOptions struct {
	Directory    string // its URL; "" = Let's Encrypt
	Staging      bool   // of Let's Encrypt: for trying out
	RootFile     string // PEM: who is trusted to be it; "" = the system's roots
	Email        string
	Dir          string   // of account, keys and certificates; made 0700
	Hook         []string // argv, see dnsHook; nil = no wildcards
	HookTimeout  time.Duration
	WeeklyBudget int

	renewEvery time.Duration // tests only; 0 = the library's ten minutes
}

// acmeClient holds the certificates that an authority gave us. Handshakes read
// the library's cache; what is missing there the issuer gets.
type acmeClient struct {
	o       ACMEOptions
	log     zerolog.Logger
	roots   *x509.CertPool
	storage *certmagic.FileStorage
	budget  *budget // the issuer's from begin on
	names   names
	cache   *certmagic.Cache
	single  *certmagic.Config // by a handshake or plain HTTP
	hooked  *certmagic.Config // by DNS; nil without a hook
	issuer  *issuer
	end     context.CancelFunc
	tidied  chan struct{}
}

// budgetKey is where the storage keeps the budget.
const budgetKey = "tenement-budget.json"

// newACME checks all that can be checked without asking anybody.
func newACME(o ACMEOptions, log zerolog.Logger) (*acmeClient, error) {
	a := &acmeClient{o: o, log: log, storage: &certmagic.FileStorage{Path: o.Dir}}
	if o.RootFile != "" {
		pem, err := os.ReadFile(o.RootFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read tls.acme_ca_root: %w", err)
		}
		a.roots = x509.NewCertPool()
		if !a.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.acme_ca_root: %s holds no certificate in PEM", o.RootFile)
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of the certificates: %w", err)
	}
	note, err := a.storage.Load(context.Background(), budgetKey)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the budget of certificates: %w", err)
	}
	if a.budget, err = decodeBudget(o.WeeklyBudget, note); err != nil {
		return nil, fmt.Errorf("the budget of certificates, %s/%s, is damaged: %w; without the file the week begins anew", o.Dir, budgetKey, err)
	}
	return a, nil
}

// begin starts to get and renew certificates for names; close ends it.
func (a *acmeClient) begin(n names, at challengePorts) {
	a.names = n
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: a.configFor, RenewCheckInterval: a.o.renewEvery, Logger: zap.NewNop(),
	})
	a.single = a.config(certmagic.ACMEIssuer{
		ListenHost: at.host, AltTLSALPNPort: at.https, AltHTTPPort: at.http, DisableHTTPChallenge: at.http == 0,
	})
	if a.o.Hook != nil {
		a.hooked = a.config(certmagic.ACMEIssuer{DNS01Solver: newDNSHook(a.o.Hook, a.o.HookTimeout)})
	}
	ctx, end := context.WithCancel(context.Background())
	a.end, a.tidied = end, make(chan struct{})
	a.issuer = newIssuer(ctx, a, a.budget, a.log)
	go a.keep(ctx) // close ends it
}

// challengePorts are where the authority's questions arrive; 0 = nowhere.
type challengePorts struct {
	host        string // "" = every address
	https, http int
}

// config is one way to get certificates.
func (a *acmeClient) config(way certmagic.ACMEIssuer) *certmagic.Config {
	c := certmagic.New(a.cache, certmagic.Config{Storage: a.storage, Logger: zap.NewNop(), OnEvent: a.happened})
	way.CA, way.Email, way.Agreed, way.TrustedRoots = a.directory(), a.o.Email, true, a.roots
	way.DisableDistributedSolvers, way.Logger = true, zap.NewNop()
	c.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(c, way)}
	return c
}

func (a *acmeClient) directory() string {
	switch {
	case a.o.Directory != "":
		return a.o.Directory
	case a.o.Staging:
		return certmagic.LetsEncryptStagingCA
	}
	return certmagic.LetsEncryptProductionCA
}

// close ends all that begin started. An order that is under way is given up.
func (a *acmeClient) close() {
	if a.cache == nil {
		return
	}
	a.end()
	<-a.issuer.ended
	<-a.tidied
	a.cache.Stop()
}

// errNobody keeps the certificate of a name that is nobody's any more from being
// renewed.
var errNobody = errors.New("the name is nobody's")

// configFor is asked by the library when a certificate is to be renewed.
func (a *acmeClient) configFor(c certmagic.Certificate) (*certmagic.Config, error) {
	if len(c.Names) == 0 || a.subject(strings.Replace(c.Names[0], "*", "any", 1)) != c.Names[0] {
		return nil, errNobody
	}
	return a.by(c.Names[0]), nil
}

// by is the way in which a subject is certified.
func (a *acmeClient) by(subject string) *certmagic.Config {
	if slices.Contains(a.wild(), subject) {
		return a.hooked
	}
	return a.single
}

// wild are the names that are certified by DNS; none without a hook.
func (a *acmeClient) wild() []string {
	if a.hooked == nil {
		return nil
	}
	return a.names.wildcards()
}

// subject is what a certificate for a host has to be for: the host itself, or a
// wildcard where there is a hook; "" for a host that gets none.
func (a *acmeClient) subject(host string) string {
	for _, wanted := range [...]string{host, wildcardOf(host)} {
		if slices.Contains(a.wild(), wanted) {
			return wanted
		}
	}
	if strings.Contains(host, "_") || !a.names.known(host) { // no authority certifies an underscore
		return ""
	}
	return host
}

// certificate is for a handshake. nil: the name is nobody's.
func (a *acmeClient) certificate(hello *tls.ClientHelloInfo, host string) (*tls.Certificate, error) {
	subject := a.subject(host)
	if subject == "" {
		return nil, nil
	}
	asked := *hello
	asked.ServerName = host
	c, err := a.single.GetCertificate(&asked)
	if err == nil {
		return c, nil
	}
	if hello.Conn != nil {
		_ = hello.Conn.SetDeadline(time.Now().Add(issueTime + handshakeTime))
	}
	if err := a.issuer.ask(hello.Context(), subject); err != nil {
		return nil, fmt.Errorf("no certificate for %s: %w", host, err)
	}
	return a.single.GetCertificate(&asked)
}

// isChallenge reports whether a handshake is the authority's (RFC 8737).
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == protoChallenge
}

// tlsChallenge answers the authority, when it was asked to look.
func (a *acmeClient) tlsChallenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if _, ok := certmagic.GetACMEChallenge(serverName(hello)); !ok {
		return nil, nil
	}
	return a.single.GetCertificate(hello)
}

// httpChallenge is what the authority shall read at a path of a host; false when
// it was not asked to look.
func (a *acmeClient) httpChallenge(host, path string) (string, bool) {
	c, ok := certmagic.GetACMEChallenge(host)
	if !ok || c.Type != "http-01" || path != c.HTTP01ResourcePath() {
		return "", false
	}
	return c.KeyAuthorization, true
}

// stored reports whether there is a certificate for a subject on disk.
func (a *acmeClient) stored(subject string) bool {
	key := a.single.Issuers[0].IssuerKey()
	return a.storage.Exists(context.Background(), certmagic.StorageKeys.SiteCert(key, subject))
}

// obtain brings a certificate into the cache. One that is there is renewed when
// it is time; from then on the library renews it.
func (a *acmeClient) obtain(ctx context.Context, subject string) error {
	return a.by(subject).ManageSync(ctx, []string{subject})
}

func (a *acmeClient) remember(note []byte) error {
	if err := a.storage.Store(context.Background(), budgetKey, note); err != nil {
		return fmt.Errorf("cannot write the budget of certificates: %w", err)
	}
	return nil
}

// tidyEvery is how often the wildcards are looked at and old files removed; keys
// of those who left must not lie about for ever.
const (
	tidyEvery = 24 * time.Hour
	keepOld   = 14 * 24 * time.Hour
)

// keep gets the wildcards, which nobody should have to wait for, and tidies.
func (a *acmeClient) keep(ctx context.Context) {
	defer close(a.tidied)
	for {
		for _, subject := range a.wild() {
			_ = a.issuer.ask(ctx, subject) // the issuer says what is wrong
		}
		err := certmagic.CleanStorage(ctx, a.storage, certmagic.CleanStorageOptions{
			Logger: zap.NewNop(), OCSPStaples: true, ExpiredCerts: true, ExpiredCertGracePeriod: keepOld,
		})
		if err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("cannot tidy the certificates")
		}
		select {
		case <-time.After(tidyEvery):
		case <-ctx.Done():
			return
		}
	}
}

// happened logs what the library did, as one of its events.
func (a *acmeClient) happened(_ context.Context, event string, data map[string]any) error {
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cert_obtained":
		a.log.Info().Any("name", data["identifier"]).Bool("renewal", renewal).Msg("got a certificate")
	case "cert_failed":
		if renewal { // a first one's failure is the issuer's to tell
			a.log.Error().Any("name", data["identifier"]).Any("err", fmt.Sprint(data["error"])).Msg("cannot renew a certificate")
		}
	}
	return nil
}

// held are the certificates in memory, of the wildcards and of names.
func (a *acmeClient) held(names []string) (leaves []*x509.Certificate) {
	all := slices.Concat(a.wild(), names)
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		for _, c := range a.cache.AllMatchingCertificates(name) {
			if c.Leaf != nil && slices.Contains(c.Names, name) {
				leaves = append(leaves, c.Leaf)
			}
		}
	}
	return leaves
}
