package conf

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// places flattens a tree into "path line", in the order of the file.
func places(path string, n *node, into map[string]int) {
	for key, kid := range n.kids {
		p := join(path, key)
		into[p] = kid.line
		places(p, kid, into)
	}
	for i, elem := range n.elems {
		p := fmt.Sprintf("%s[%d]", path, i)
		into[p] = elem.line
		places(p, elem, into)
	}
}

func TestScan_FindsTheLineOfEveryValue(t *testing.T) {
	tests := []struct {
		name, toml string
		want       map[string]int
	}{
		{"tables and keys", "# a comment\n[a]\nx = 1\n\n[b] # [c]\ny = 2 # z = 3\n",
			map[string]int{"a": 2, "a.x": 3, "b": 5, "b.y": 6}},
		{"dotted keys", "a.b.c = 1\na.b . d = 2\n[t.u]\n  v.w = 3\n",
			map[string]int{"a": 1, "a.b": 1, "a.b.c": 1, "a.b.d": 2, "t": 3, "t.u": 3, "t.u.v": 4, "t.u.v.w": 4}},
		{"a table after its child", "[a.b]\nx = 1\n[a]\ny = 2\n",
			map[string]int{"a": 3, "a.b": 1, "a.b.x": 2, "a.y": 4}},
		{"quoted keys", "\"a b\" = 1\n'c.d' = 2\n\"e\\\"\\u0041\" = 3\n\"\" = 4\n[\"x]y\".'z']\nk = 1\n",
			map[string]int{`"a b"`: 1, `"c.d"`: 2, `"e\"A"`: 3, `""`: 4, `"x]y"`: 5, `"x]y".z`: 5, `"x]y".z.k`: 6}},
		{"multi-line strings", "a = \"\"\"\n[no]\nb = 1 \\\"\"\" \n\"\"\"\nc = '''\n\\'''\nd = \"\"\"x\"\"\"\"\"\ne = 1\n",
			map[string]int{"a": 1, "c": 5, "d": 7, "e": 8}},
		{"strings that look like something else", "a = \"# [x] \\\" y = 1\"\nb = '\\'\nc = \"\"\nd = ''\n",
			map[string]int{"a": 1, "b": 2, "c": 3, "d": 4}},
		{"arrays over many lines", "a = [ # one\n 1,\n\n # [2]\n [\"]\",\n 'x'], ]\nb = 1\n",
			map[string]int{"a": 1, "a[0]": 2, "a[1]": 5, "a[1][0]": 5, "a[1][1]": 6, "b": 7}},
		{"inline tables", "a = { b = 1, c.d = [ {e = 2},\n {e = 3} ] }\nf = {}\n",
			map[string]int{"a": 1, "a.b": 1, "a.c": 1, "a.c.d": 1, "a.c.d[0]": 1, "a.c.d[0].e": 1, "a.c.d[1]": 2, "a.c.d[1].e": 2, "f": 3}},
		{"arrays of tables", "[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = 3\n[[a.c]]\n",
			map[string]int{"a": 1, "a[0]": 1, "a[0].x": 2, "a[1]": 3, "a[1].x": 4, "a[1].b": 5, "a[1].b.y": 6, "a[1].c": 7, "a[1].c[0]": 7}},
		{"windows lines and a BOM", "\xef\xbb\xbfa = 1\r\n[b]\r\nc = 1979-05-27 07:32:00Z\r\n",
			map[string]int{"a": 1, "b": 2, "b.c": 3}},
		{"nothing", "", map[string]int{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := toml.Decode(test.toml, &map[string]any{}); err != nil {
				t.Fatalf("the test's TOML is broken: %v", err)
			}
			root, tooDeep := scan(test.toml)
			got := map[string]int{}
			places("", root, got)
			if fmt.Sprint(got) != fmt.Sprint(test.want) || tooDeep != 0 {
				t.Errorf("got  %v, too deep at %d\nwant %v", got, tooDeep, test.want)
			}
		})
	}
}

func TestScan_GivesUpOnWhatIsNestedTooDeeply(t *testing.T) {
	for _, test := range []struct {
		name, toml string
		line       int
	}{
		{"as deep as allowed", "\na = " + strings.Repeat("[", 16) + strings.Repeat("]", 16), 0},
		{"arrays", "\na = " + strings.Repeat("[", 17) + strings.Repeat("]", 17), 2},
		{"tables", "\na = " + strings.Repeat("{a=", 16) + "1", 2},
		{"dotted keys", "\n" + strings.Repeat("a.", 16) + "a = 1", 2},
		{"a header", "\n[" + strings.Repeat("a.", 16) + "a]", 2},
		{"many that are not deep", strings.Repeat("[a.b.c]\nd.e = [[1]]\n", 50), 0},
	} {
		if _, line := scan(test.toml); line != test.line {
			t.Errorf("%s: got line %d, want %d", test.name, line, test.line)
		}
	}
}

func TestScan_EndsOnWhatIsNotTOML(t *testing.T) {
	for _, text := range []string{"]", "}}\n=", "a = [}]", "a = {]}", "[[", "\"", "'''", "a = \"\\", "[a.", "a.\n.b", "\x00"} {
		root, _ := scan(text)
		got := map[string]int{}
		places("", root, got)
		for path, line := range got {
			if line < 1 || line > strings.Count(text, "\n")+1 {
				t.Errorf("%q: %s is on line %d", text, path, line)
			}
		}
	}
}

// sameShape says where a tree and a decoded document differ; "" is nowhere.
func sameShape(path string, raw any, n *node, doc []string) string {
	if n.line < 1 || n.line > len(doc) {
		return fmt.Sprintf("%s: line %d of %d", path, n.line, len(doc))
	}
	v := value{raw: raw, path: path, at: n, report: &report{}}
	switch kind(raw) {
	case "a table":
		for _, f := range v.fields() {
			if f.at == n {
				return f.path + ": has no place"
			}
			if bareKey.MatchString(f.name) && !strings.Contains(doc[f.at.line-1], f.name) && !strings.Contains(doc[f.at.line-1], `\`) {
				return fmt.Sprintf("%s: is not on line %d: %q", f.path, f.at.line, doc[f.at.line-1])
			}
			if diff := sameShape(f.path, f.raw, f.at, doc); diff != "" {
				return diff
			}
		}
		if len(v.fields()) != len(n.kids) {
			return fmt.Sprintf("%s: %d places for %d keys", path, len(n.kids), len(v.fields()))
		}
	case "an array":
		if len(v.elems()) != len(n.elems) {
			return fmt.Sprintf("%s: %d places for %d elements", path, len(n.elems), len(v.elems()))
		}
		for _, elem := range v.elems() {
			if diff := sameShape(elem.path, elem.raw, elem.at, doc); diff != "" {
				return diff
			}
		}
	case "a string":
	default:
		if n.text == "" {
			return path + ": its text is lost"
		}
	}
	return ""
}

// emptyKeyed finds an empty key, below which the library (v1.6.0) loses elements
// of an array: it gives one for a."" = [0, {}].
func emptyKeyed(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, kid := range v {
			if key == "" || emptyKeyed(kid) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, emptyKeyed)
	case []map[string]any:
		for _, kid := range v {
			if emptyKeyed(kid) {
				return true
			}
		}
	}
	return false
}

// FuzzScan holds the scanner against the library: whatever the one accepts, the
// other has to see in the same shape, with each key on its line.
func FuzzScan(f *testing.F) {
	f.Add("a.\"b.c\" = [1, {x = '''\n'''}]\n[[d]]\n[d.e]\nf = \"\"\"\"\"\"\"\"\n")
	f.Add("a = { b = 1, # x\n c = [ ] , }\n[ d . 'e' ] # y\ng=-inf")
	f.Add("a = [{}]\n[b]\n[[b.c]]\n[b.d]\n[b]\nc.y = 1")
	f.Add("\xff\xfea = 1")
	f.Add("a = [[[[[[[[[[[[[[[[[[[[[[[[")
	f.Fuzz(func(t *testing.T, text string) {
		root, tooDeep := scan(text)
		if tooDeep > 0 {
			if tooDeep > strings.Count(text, "\n")+1 {
				t.Fatalf("too deep at line %d, outside the file", tooDeep)
			}
			return
		}
		raw := map[string]any{}
		if _, err := toml.Decode(text, &raw); err != nil || emptyKeyed(raw) {
			return
		}
		if diff := sameShape("", raw, root, strings.Split(text, "\n")); diff != "" {
			t.Fatal(diff)
		}
	})
}
