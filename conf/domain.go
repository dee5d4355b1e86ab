package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrDomain is wrapped by every refusal of ParseDomain.
var ErrDomain = errors.New("not a domain that a tenant can have")

// The longest name and label of the DNS, in bytes.
const (
	maxDomain      = 253
	maxDomainLabel = 63
)

// ParseDomain reads a customer's own domain in the form that the DNS has
// (xn--…): lower-case, without the trailing dot. What no certificate authority
// would certify is refused with the reason.
func ParseDomain(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if why := notDomain(name); why != "" {
		return "", fmt.Errorf("%q: %w: %s", clip(s), ErrDomain, why)
	}
	return name, nil
}

func notDomain(name string) string {
	labels := strings.Split(name, ".")
	switch {
	case len(name) > maxDomain:
		return fmt.Sprintf("it has more than %d characters", maxDomain)
	case isIP(name):
		return "it is an address"
	case strings.HasPrefix(name, "*."):
		return "a wildcard is many domains; add each of them"
	case len(labels) < 2:
		return "it has no dot"
	}
	for _, label := range labels {
		if why := notLabel(label); why != "" {
			return why
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "its last part is a number"
	}
	return ""
}

func notLabel(label string) string {
	switch {
	case label == "":
		return "it has an empty part"
	case len(label) > maxDomainLabel:
		return fmt.Sprintf("a part of it has more than %d characters", maxDomainLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a part of it begins or ends with -"
	}
	for i := range len(label) {
		if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "only a-z, 0-9, - and dots"
		}
	}
	return ""
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}
