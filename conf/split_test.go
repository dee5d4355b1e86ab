package conf

import (
	"fmt"
	"strings"
	"testing"
)

func TestSplit_FollowsTheShell(t *testing.T) {
	for command, want := range map[string][]string{
		"":                             nil,
		" \t\r\n ":                     nil,
		"a":                            {"a"},
		" a  b\tc\nd ":                 {"a", "b", "c", "d"},
		`a 'b c' "d e"`:                {"a", "b c", "d e"},
		`a'b'"c"d`:                     {"abcd"},
		`'' "" a`:                      {"", "", "a"},
		`a\ b \'c \\ \n`:               {"a b", "'c", `\`, "n"},
		`"a\nb" "\"\\\$\` + "`" + `"`:  {`a\nb`, `"\$` + "`"},
		`'a\nb' '"'`:                   {`a\nb`, `"`},
		"a \\\n b c\\\nd \"e\\\nf\"":   {"a", "b", "cd", "ef"},
		"app --color #fff # x":         {"app", "--color", "#fff", "#", "x"},
		"a && b | c > $D *":            {"a", "&&", "b", "|", "c", ">", "$D", "*"},
		"größe 日本":                     {"größe", "日本"},
		`sh -c "printf 'x {id}\n'" {}`: {"sh", "-c", `printf 'x {id}\n'`, "{}"},
	} {
		got, err := split(command)
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q: got %q, %v, want %q", command, got, err, want)
		}
	}
}

func TestSplit_RefusesWhatIsNotClosed(t *testing.T) {
	for command, want := range map[string]string{
		`a "b`: `has a " quote that is never closed`,
		`a 'b`: `has a ' quote that is never closed`,
		`"a\"`: `has a " quote that is never closed`,
		`"a\`:  `has a " quote that is never closed`,
		`a\`:   "ends in a backslash that quotes nothing",
	} {
		if got, err := split(command); err == nil || err.Error() != want {
			t.Errorf("%q: got %q, %v, want %s", command, got, err, want)
		}
	}
}

// FuzzSplit: any list of words, quoted the safe way, comes back as it was.
func FuzzSplit(f *testing.F) {
	f.Add("a b", "it's", "#")
	f.Add("", `\`, `"x`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		words := []string{a, b, c}
		var command []string
		for _, w := range words {
			command = append(command, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		got, err := split(strings.Join(command, " "))
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", words) {
			t.Errorf("got %q, %v, want %q", got, err, words)
		}
		split(a) // and whatever it is, it ends
	})
}
