package journal

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable_ShowsWhatATerminalWouldObey(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"GET / 200 {\"a\":1} \\x": "GET / 200 {\"a\":1} \\x",
		"grüße, 日本 👍":             "grüße, 日本 👍",
		"\x1b[2J\x1b]0;title\a":   `\x1b[2J\x1b]0;title\a`,
		"a\x00b\tc\r\nd\x7f":      `a\x00b\tc\r\nd\x7f`,
		"\xff\xfe\x80 \xc3":       `\xff\xfe\x80 \xc3`,
		"\u009b31m\u0085":         `\u009b31m\u0085`,
		"user\u202egpj.exe":       `user\u202egpj.exe`,
		"\u2028'\ufeff":           `\u2028'\ufeff`,
		"~\ufffd":                 "~\ufffd",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[31mred\x1b[0m \x9b1m \u009b \u202e\xf0\x9f")
	f.Fuzz(func(t *testing.T, in string) {
		out := Printable(in)
		if !utf8.ValidString(out) {
			t.Errorf("%q is shown as invalid %q", in, out)
		}
		for _, r := range out {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q is shown with %U", in, r)
			}
		}
		if Printable(out) != out {
			t.Errorf("%q is not shown as itself", out)
		}
	})
}
