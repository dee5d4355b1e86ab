package conf

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// namePattern is the contract's own.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$`)

func TestParseInstance_LowerCasesBothParts(t *testing.T) {
	got, err := ParseInstance("Notes:Alice-2_b")
	if err != nil || got != (Instance{"notes", "alice-2_b"}) || got.String() != "notes:alice-2_b" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestParseInstance_RefusalsQuoteTheOffendingPart(t *testing.T) {
	long := strings.Repeat("a", 64)
	for s, want := range map[string]string{
		"notes":          `"notes": not a valid name: expected SERVICE:ID`,
		long:             `"` + long[:63] + `…": not a valid name: expected SERVICE:ID`,
		":a":             `service "": not a valid name: 1 to 63 characters`,
		"a:":             `id "": not a valid name: 1 to 63 characters`,
		"a:" + long:      `id "` + long[:63] + `…": not a valid name: 1 to 63 characters`,
		"a:b:c":          `id "b:c": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:../x":         `id "../x": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"/home:b":        `service "/home": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:-b":           `id "-b": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:b_":           `id "b_": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:.":            `id ".": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:-":            `id "-": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:b\x00":        `id "b\x00": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:b\r\nX: y":    `id "b\r\nX: y": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"a:\u212aelvin":  "id \"\u212aelvin\": not a valid name: only a-z, 0-9 and, inside, - and _", // lower-cases to k
		"a:a%2fb":        `id "a%2fb": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"größe:a":        `service "größe": not a valid name: only a-z, 0-9 and, inside, - and _`,
		"notes:bad name": `id "bad name": not a valid name: only a-z, 0-9 and, inside, - and _`,
	} {
		if _, err := ParseInstance(s); !errors.Is(err, ErrName) || err.Error() != want {
			t.Errorf("%q: got %v, want %s", s, err, want)
		}
	}
}

// FuzzInstance: exactly what the contract's pattern allows is accepted, and it
// comes back from its own text.
func FuzzInstance(f *testing.F) {
	for _, s := range []string{"notes:alice", "A:B", "a:b:c", "a:", "a:-", "a:b\u212a", "a_:b", strings.Repeat("a", 63) + ":" + strings.Repeat("b", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		service, id, found := strings.Cut(s, ":")
		want := found && namePattern.MatchString(lowerASCII(service)) && namePattern.MatchString(lowerASCII(id))
		got, err := ParseInstance(s)
		if (err == nil) != want {
			t.Fatalf("%q: got %v, %v, but the pattern says %v", s, got, err, want)
		}
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Errorf("%q: %v is not ErrName", s, err)
			}
			return
		}
		if again, err := ParseInstance(got.String()); err != nil || again != got || got.String() != lowerASCII(s) {
			t.Errorf("%q: came back as %v, %v", s, again, err)
		}
	})
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
