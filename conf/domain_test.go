package conf

import (
	"errors"
	"strings"
	"testing"
)

func TestParseDomain_AcceptsWhatTheDNSHas(t *testing.T) {
	label := strings.Repeat("a", maxDomainLabel)
	for in, want := range map[string]string{
		"shop.example.org": "shop.example.org", "Shop.Example.ORG.": "shop.example.org", "a-b.c1": "a-b.c1",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "1.2.org": "1.2.org", label + ".org": label + ".org",
	} {
		if got, err := ParseDomain(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestParseDomain_SaysWhyNot(t *testing.T) {
	label := strings.Repeat("a", maxDomainLabel)
	for in, why := range map[string]string{
		"": "no dot", ".": "no dot", "localhost": "no dot", "a..org": "an empty part", ".org": "an empty part", "a.org..": "an empty part",
		"127.0.0.1": "an address", "[::1]": "an address", "::1": "an address", "1.2": "last part is a number", "*.example.org": "wildcard",
		"a_b.org": "only a-z", "bücher.de": "only a-z", "a b.org": "only a-z", "a.org:443": "only a-z", "https://a.org": "only a-z", "a.org/x": "only a-z", "a\x00.org": "only a-z",
		"-a.org": "begins or ends with -", "a-.org": "begins or ends with -", label + "a.org": "more than 63",
		strings.Repeat(label+".", 4) + "org": "more than 253",
	} {
		got, err := ParseDomain(in)
		if !errors.Is(err, ErrDomain) || !strings.Contains(err.Error(), why) || got != "" {
			t.Errorf("%q: %q, %v, want %q", in, got, err, why)
		}
	}
}

func FuzzParseDomain(f *testing.F) {
	f.Add("shop.example.org")
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseDomain(s)
		if err != nil {
			return
		}
		if again, err := ParseDomain(name); again != name || err != nil || strings.ContainsAny(name, "/:_ @%") {
			t.Errorf("%q is %q, and then %q, %v", s, name, again, err)
		}
	})
}
