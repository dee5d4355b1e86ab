package conf

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// MaxSocketPath is the longest path of a Unix socket, in bytes (unix(7): 108
// with the NUL that ends it).
const MaxSocketPath = 107

// maxRunDir leaves room below run_dir for "/t/<unique>/<generation>.sock".
const maxRunDir = MaxSocketPath - len("/t/12345678/123456.sock")

// WithDataDir returns a copy of the config that keeps its state in another
// directory, as --data-dir asks. A relative one starts in the working directory.
func (c *Config) WithDataDir(dir string) (*Config, error) {
	if problem := isPath(dir); problem != "" {
		return nil, fmt.Errorf("data_dir %q: %s", dir, problem)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot find data_dir %q: %w", dir, err)
	}
	other := *c
	if c.Settings.TLS.CacheDir == filepath.Join(c.Settings.DataDir, "acme") {
		other.Settings.TLS.CacheDir = filepath.Join(abs, "acme")
	}
	other.Settings.DataDir = abs
	other.Remarks = slices.DeleteFunc(slices.Clone(c.Remarks), func(r Remark) bool { return strings.HasPrefix(r.Text, elsewhere) })
	return &other, nil
}

// TrustedPrefixes are the TrustedProxies as networks; unix reports whether
// whoever connects to a Unix socket is one of them.
func (s *Settings) TrustedPrefixes() (prefixes []netip.Prefix, unix bool) {
	for _, text := range s.TrustedProxies {
		if text == unixPeer {
			unix = true
			continue
		}
		p, _ := network(text) // was checked
		prefixes = append(prefixes, p)
	}
	return prefixes, unix
}

// readSettings reads [settings], there or not.
func readSettings(c *Config, v value) {
	s := &c.Settings
	fill(v, settingsKeys, s)
	if s.DataDir == "" {
		s.DataDir = v.abs("tenement-data")
	}
	if s.TLS.CacheDir == "" {
		s.TLS.CacheDir = filepath.Join(s.DataDir, "acme")
	}
	s.TLS.settle(v.field("tls"))
	if !v.field("circuit_cooldown").present() {
		s.CircuitCooldown = s.BackoffMax
	}
	if s.BackoffBase > s.BackoffMax {
		v.field("backoff_max_ms").fail("must not be less than backoff_base_ms: %d < %d",
			s.BackoffMax.Milliseconds(), s.BackoffBase.Milliseconds())
	}
}

// UnixPrefix begins a Unix socket in a list of addresses.
const UnixPrefix = "unix:"

// bind reads an IP address, or a Unix socket as an absolute "unix:/path".
func bind(v value) (string, bool) {
	s, ok := text(v)
	if !ok {
		return "", false
	}
	path, unix := strings.CutPrefix(s, UnixPrefix)
	if !unix {
		return checked(text, isAddress)(v)
	}
	problem := isPath(path)
	if path = v.abs(path); problem == "" && len(path) > MaxSocketPath {
		problem = fmt.Sprintf("%q is %d bytes long, and a socket's path has at most %d", clip(path), len(path), MaxSocketPath)
	}
	if problem != "" {
		v.fail("%s", problem)
	}
	return UnixPrefix + path, problem == ""
}

func isAddress(s string) string {
	if _, err := netip.ParseAddr(s); err != nil {
		return fmt.Sprintf("%q is neither an IP address (without a port) nor unix:/path", clip(s))
	}
	return ""
}

// unixPeer is the word for whoever connects to a Unix socket.
const unixPeer = "unix"

func isPeer(s string) string {
	if s == unixPeer {
		return ""
	}
	if _, err := network(s); err != nil {
		return fmt.Sprintf("%q is neither an IP address, a network like 10.0.0.0/8, nor the word unix", clip(s))
	}
	return ""
}

// network reads an address as the network of that one address.
func network(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.WithZone("").Prefix(addr.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

func fitsSockets(dir string) string {
	if len(dir) > maxRunDir {
		return fmt.Sprintf("is %d bytes long, more than the %d that leave room for a socket's path", len(dir), maxRunDir)
	}
	return ""
}
