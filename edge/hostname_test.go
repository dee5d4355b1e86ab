package edge

import (
	"errors"
	"strings"
	"testing"
)

func TestHostname_OneNameWhateverTheSpelling(t *testing.T) {
	long := strings.Repeat("a", maxLabel)
	for raw, want := range map[string]hostname{
		"alice.notes.example.test":           {name: "alice.notes.example.test"},
		"ALICE.Notes.Example.TEST:8080":      {name: "alice.notes.example.test", port: "8080"},
		"alice.notes.example.test.":          {name: "alice.notes.example.test"},
		"alice.notes.example.test.:80":       {name: "alice.notes.example.test", port: "80"},
		"alice.notes.example.test:":          {name: "alice.notes.example.test"},
		"my_id.notes.localhost":              {name: "my_id.notes.localhost"},
		"localhost":                          {name: "localhost"},
		"127.0.0.1:80":                       {name: "127.0.0.1", port: "80", ip: true},
		"169.254.169.254":                    {name: "169.254.169.254", ip: true},
		"1.2.3.4.5":                          {name: "1.2.3.4.5"},
		"[::1]":                              {name: "::1", ip: true},
		"[2001:DB8::1]:8080":                 {name: "2001:db8::1", port: "8080", ip: true},
		"xn--bcher-kva.notes.example.test":   {name: "xn--bcher-kva.notes.example.test"},
		long + ".test":                       {name: long + ".test"},
		strings.Repeat("a.", 126) + "a":      {name: strings.Repeat("a.", 126) + "a"},
		strings.Repeat("a.", 126) + "a.:443": {name: strings.Repeat("a.", 126) + "a", port: "443"},
	} {
		if got, err := parseHost(raw); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", raw, got, err, want)
		}
	}
}

func TestHostname_ImpossibleOnesAreRefused(t *testing.T) {
	for _, raw := range []string{
		"", ".", "..", ":80", ".:80", "a..b", ".a", "a..", "a/b", "../x", "a b", "a\tb", `"a"`, "a'b", "a\x00b", "a\r\nb", "a%2fb",
		"user@host", "user:pass@host", "a:b", "a:80:80", "a:99999", "a:123456", "a:-1", "bücher.test", "a,b", "a;b", "a\\b", "a?b", "a#b", "*.test",
		"[::1", "::1", "[::1]x", "[::1]:x", "[127.0.0.1]", "[fe80::1%eth0]", "[]", "[", "]",
		strings.Repeat("a", maxLabel+1) + ".test", strings.Repeat("a.", 127) + "a", strings.Repeat("a.", 300),
	} {
		if got, err := parseHost(raw); !errors.Is(err, errHost) {
			t.Errorf("%q was read as %+v, %v", raw, got, err)
		}
	}
}

func TestHostname_SameIsByNameAndPort(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a.test", "A.test.", true}, {"a.test", "a.test:80", true}, {"a.test:80", "a.test:", true},
		{"a.test", "a.test:8080", false}, {"a.test", "b.test", false}, {"[::1]", "[0:0::1]", true},
	} {
		a, errA := parseHost(c.a)
		b, errB := parseHost(c.b)
		if errA != nil || errB != nil || a.same(b) != c.want {
			t.Errorf("%q and %q: same is not %v (%v, %v)", c.a, c.b, c.want, errA, errB)
		}
	}
}

func FuzzHostname_WhatIsAcceptedIsPlainAndStaysTheSame(f *testing.F) {
	for _, s := range []string{"alice.notes.localhost:8080", "[::1]:80", "A.B.", "a@b", "../x", "1.2.3.4", "a:", "[::ffff:1.2.3.4]", "\x00", "ﬀ.test", "K.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		h, err := parseHost(raw)
		if err != nil {
			return
		}
		if h.name == "" || len(h.name) > maxHost || strings.ContainsAny(h.name, "/@%\\ \t\r\n\x00\"'") || strings.ToLower(h.name) != h.name {
			t.Fatalf("%q became %q", raw, h.name)
		}
		for i := range len(h.name) {
			if c := h.name[i]; c >= 0x80 || !h.ip && c == ':' {
				t.Fatalf("%q became %q", raw, h.name)
			}
		}
		again, err := parseHost(string(h.appendTo(nil)))
		if err != nil || again != h {
			t.Fatalf("%q became %+v, and read again %+v, %v", raw, h, again, err)
		}
	})
}
