package conf

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader turns a TOML value into ours; when it cannot, it adds the problem and
// returns false.
type reader[V any] func(value) (V, bool)

// checked adds a condition to a reader; check returns "" or what is wrong.
func checked[V any](read reader[V], check func(V) string) reader[V] {
	return func(v value) (V, bool) {
		x, ok := read(v)
		if !ok {
			return x, false
		}
		if problem := check(x); problem != "" {
			v.fail("%s", problem)
			return x, false
		}
		return x, true
	}
}

// text reads a string. None may hold a NUL byte: exec and paths end there.
func text(v value) (string, bool) {
	s, ok := v.raw.(string)
	if !ok {
		v.wrong("a string")
		return "", false
	}
	if strings.Contains(s, "\x00") {
		v.fail("%q contains a NUL byte", clip(s))
		return "", false
	}
	return s, true
}

func boolean(v value) (bool, bool) {
	b, ok := v.raw.(bool)
	if !ok {
		v.wrong("true or false")
	}
	return b, ok
}

// whole reads a number without a fraction from min to max.
func whole[N int | int64 | uint32](min, max int64) reader[N] {
	return func(v value) (N, bool) {
		n, ok := v.raw.(int64)
		switch {
		case !ok:
			v.wrong("a whole number")
		case n < min:
			v.fail("must be at least %d, not %d", min, n)
		case n > max:
			v.fail("must be at most %d, not %d", max, n)
		default:
			return N(n), true
		}
		return 0, false
	}
}

// megabytes reads whole megabytes into bytes.
func megabytes(min, max int64) reader[int64] {
	return func(v value) (int64, bool) {
		n, ok := whole[int64](min, max)(v)
		return n << 20, ok
	}
}

// maxSeconds, ten years, keeps every sum of durations clear of an overflow.
const maxSeconds = 10 * 365 * 24 * 3600

// seconds reads a duration of at least min seconds, with or without a fraction.
func seconds(min float64) reader[time.Duration] { return duration(time.Second, "seconds", min) }

// milliseconds reads a duration in thousandths.
func milliseconds(min float64) reader[time.Duration] {
	return duration(time.Millisecond, "milliseconds", min)
}

func duration(unit time.Duration, name string, min float64) reader[time.Duration] {
	read := number(min, maxSeconds*float64(time.Second/unit), name)
	return func(v value) (time.Duration, bool) {
		n, ok := read(v)
		return time.Duration(math.Round(n * float64(unit))), ok
	}
}

// number reads a number of something, with or without a fraction, from min to
// max.
func number(min, max float64, unit string) reader[float64] {
	return func(v value) (float64, bool) {
		var n float64
		switch raw := v.raw.(type) {
		case int64:
			n = float64(raw)
		case float64:
			n = raw
		default:
			v.wrong("a number of " + unit)
			return 0, false
		}
		switch {
		case n >= min && n <= max:
			return n, true
		case n > max:
			v.fail("must be at most %s %s, not %s", decimal(max), unit, decimal(n))
		default: // and not a number
			v.fail("must be at least %s %s, not %s", decimal(min), unit, decimal(n))
		}
		return 0, false
	}
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// oneOf reads a string that must be one of the names.
func oneOf[E ~string](names ...E) reader[E] {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = string(name)
	}
	return func(v value) (E, bool) {
		s, ok := text(v)
		if ok && !slices.Contains(list, s) {
			v.fail("%q is none of %s%s", clip(s), strings.Join(list, ", "), didYouMean(s, list))
			return "", false
		}
		return E(s), ok
	}
}

// list reads an array whose elements all read; every one that does not has its
// own problem at its own line.
func list[V any](read reader[V]) reader[[]V] {
	return func(v value) ([]V, bool) {
		if k := kind(v.raw); k != "an array" {
			v.wrong("an array")
			return nil, false
		}
		all := true
		var xs []V
		for _, elem := range v.elems() {
			x, ok := read(elem)
			all = all && ok
			xs = append(xs, x)
		}
		return xs, all
	}
}

// oneOrMore reads a value by itself, or an array of them.
func oneOrMore[V any](read reader[V]) reader[[]V] {
	return func(v value) ([]V, bool) {
		if kind(v.raw) == "an array" {
			return list(read)(v)
		}
		x, ok := read(v)
		return []V{x}, ok
	}
}

// path reads where something lies.
func path(v value) (string, bool) { return checked(text, isPath)(v) }

// isPath refuses a leading ~: a shell would replace it, we would make a directory
// of that name.
func isPath(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case strings.HasPrefix(s, "~"):
		return "starts with ~, which only a shell understands; write the whole path"
	}
	return ""
}

// absolute reads a path; a relative one starts in the daemon's working directory.
func absolute(v value) (string, bool) {
	p, ok := path(v)
	return v.abs(p), ok
}

func (r *report) abs(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.wd, p)
}
