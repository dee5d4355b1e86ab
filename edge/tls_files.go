package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// lookEvery is how often the files are looked at: soon enough for whoever
// renewed a certificate and waits, and nothing that a machine would feel.
const lookEvery = 10 * time.Second

// certificateFiles are the operator's own certificates. Handshakes read a
// snapshot; one goroutine replaces it when a file has changed.
type certificateFiles struct {
	pairs  []conf.Certificate
	log    zerolog.Logger
	loaded atomic.Pointer[[]*loadedCertificate] // in the order of pairs
}

// loadedCertificate is one pair as it was read.
type loadedCertificate struct {
	tls.Certificate
	names []string // lower-case; "*.example.com" among them
	stamp string   // of both files
}

// loadCertificates reads every pair, or fails.
func loadCertificates(pairs []conf.Certificate, log zerolog.Logger) (*certificateFiles, error) {
	f := &certificateFiles{pairs: pairs, log: log}
	loaded := make([]*loadedCertificate, len(pairs))
	for i, p := range pairs {
		var err error
		if loaded[i], err = loadCertificate(p); err != nil {
			return nil, err
		}
	}
	f.loaded.Store(&loaded)
	return f, nil
}

func loadCertificate(p conf.Certificate) (*loadedCertificate, error) {
	stamp := stampOf(p) // before reading: what changes meanwhile is read again
	pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err == nil && len(pair.Leaf.DNSNames)+len(pair.Leaf.IPAddresses) == 0 {
		err = errors.New("it names no host (subject alternative name), and browsers look at nothing else")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate %s with the key %s: %w", p.CertFile, p.KeyFile, err)
	}
	l := &loadedCertificate{Certificate: pair, stamp: stamp}
	for _, name := range pair.Leaf.DNSNames {
		l.names = append(l.names, strings.ToLower(name))
	}
	return l, nil
}

// stampOf changes when one of the files does, in place or by a rename.
func stampOf(p conf.Certificate) string {
	stamp := ""
	for _, path := range []string{p.CertFile, p.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			stamp += err.Error()
			continue
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), info.Sys().(*syscall.Stat_t).Ino, " ")
	}
	return stamp
}

// find gives the certificate for a client, else the first, which is better than
// none to a client that names nobody. nil when there are none.
func (f *certificateFiles) find(hello *tls.ClientHelloInfo) *tls.Certificate {
	if c := f.match(hello); c != nil {
		return c
	}
	if loaded := *f.loaded.Load(); len(loaded) > 0 {
		return &loaded[0].Certificate
	}
	return nil
}

// match gives one for the name that a client asks for, else for its parent's
// "*"; nil when there is none.
func (f *certificateFiles) match(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := serverName(hello)
	for _, wanted := range [...]string{name, wildcardOf(name)} {
		for _, l := range *f.loaded.Load() {
			if wanted != "" && l.has(wanted) && hello.SupportsCertificate(&l.Certificate) == nil {
				return &l.Certificate
			}
		}
	}
	return nil
}

// wildcardOf is the wildcard that stands for a name; "" when none can.
func wildcardOf(name string) string {
	_, parent, found := strings.Cut(name, ".")
	if !found {
		return ""
	}
	return "*." + parent
}

func (l *loadedCertificate) has(name string) bool {
	for _, n := range l.names {
		if n == name {
			return true
		}
	}
	return false
}

// follow looks at the files now and then, until ctx ends.
func (f *certificateFiles) follow(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f.refresh()
		case <-ctx.Done():
			return
		}
	}
}

// refresh reads again what has changed. Half of a change, and a pair that is no
// longer of use, leaves the one that was; it is tried again after the next change.
func (f *certificateFiles) refresh() {
	before := *f.loaded.Load()
	after := make([]*loadedCertificate, len(before))
	for i, old := range before {
		after[i] = old
		stamp := stampOf(f.pairs[i])
		if stamp == old.stamp {
			continue
		}
		fresh, err := loadCertificate(f.pairs[i])
		if err != nil {
			kept := *old
			kept.stamp = stamp
			after[i] = &kept
			f.log.Error().Err(err).Time("not_after", old.Leaf.NotAfter).Msg("a changed certificate is of no use: the one before stays")
			continue
		}
		after[i] = fresh
		f.log.Info().Str("file", f.pairs[i].CertFile).Strs("names", fresh.names).Time("not_after", fresh.Leaf.NotAfter).Msg("took a changed certificate")
	}
	f.loaded.Store(&after)
}
