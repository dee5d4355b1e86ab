package conf

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// value is one decoded TOML value, with its place and with where to say what is
// wrong with it.
type value struct {
	raw  any    // nil when the key is absent
	name string // its key, the last part of path
	path string // as in messages: service.notes.args[1]
	at   *node
	*report
}

// fail adds a problem at the value's line.
func (v value) fail(format string, args ...any) {
	v.problems = append(v.problems, Problem{File: v.file, Line: v.at.line, Key: v.path, Text: fmt.Sprintf(format, args...)})
}

// wrong adds the problem of a value of another type than want.
func (v value) wrong(want string) { v.fail("must be %s, not %s", want, kind(v.raw)) }

// remark adds a warning at the value's line.
func (v value) remark(format string, args ...any) {
	v.remarks = append(v.remarks, Remark{Line: v.at.line, Text: v.path + ": " + fmt.Sprintf(format, args...)})
}

func (v value) present() bool { return v.raw != nil }

// field is the value under a key of a table; when absent, it stands where the
// table does.
func (v value) field(name string) value {
	table, _ := v.raw.(map[string]any)
	f := value{raw: table[name], name: name, path: join(v.path, name), at: v.at, report: v.report}
	if n := v.at.kids[name]; n != nil && f.present() {
		f.at = n
	}
	return f
}

// table are all values of what has to be a table, in the order of the file. A
// problem is added when it is none: ask once.
func (v value) table() []value {
	if v.present() && kind(v.raw) != "a table" {
		v.wrong("a table")
	}
	return v.fields()
}

// fields are all values of a table, none of anything else.
func (v value) fields() []value {
	table, _ := v.raw.(map[string]any)
	fields := make([]value, 0, len(table))
	for name := range table {
		fields = append(fields, v.field(name))
	}
	slices.SortFunc(fields, func(a, b value) int {
		return cmp.Or(cmp.Compare(a.at.seq, b.at.seq), cmp.Compare(a.name, b.name))
	})
	return fields
}

// elems are the elements of an array, none of anything else.
func (v value) elems() []value {
	var raws []any
	switch list := v.raw.(type) {
	case []any:
		raws = list
	case []map[string]any:
		for _, table := range list {
			raws = append(raws, table)
		}
	}
	elems := make([]value, len(raws))
	for i, raw := range raws {
		elems[i] = value{raw: raw, path: fmt.Sprintf("%s[%d]", v.path, i), at: v.at, report: v.report}
		if i < len(v.at.elems) {
			elems[i].at = v.at.elems[i]
		}
	}
	return elems
}

// known refuses every key of a table but these.
func (v value) known(names []string) {
	for _, f := range v.table() {
		if !slices.Contains(names, f.name) {
			f.fail("unknown key%s", didYouMean(f.name, names))
		}
	}
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join writes a path as the file would.
func join(path, name string) string {
	if !bareKey.MatchString(name) {
		name = strconv.Quote(clip(name))
	}
	return strings.TrimPrefix(path+"."+name, ".")
}

// kind names the type of a decoded value in a sentence.
func kind(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a decimal number"
	case bool:
		return "a boolean"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "an array"
	default:
		return "a date or time"
	}
}
