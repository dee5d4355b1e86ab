package edge

import (
	"bytes"
	"errors"
)

// errField is a header line that is not one (RFC 9112, section 5).
var errField = errors.New("malformed header line")

// eachField calls f with every name and value of raw header lines, values
// without surrounding white space, until f says stop or a line is malformed:
// folded, without a colon, with a space before it, or with a control byte.
func eachField(raw []byte, f func(name, value []byte) error) error {
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		raw = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			return nil
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) {
			return errField
		}
		value := trimBlank(line[colon+1:])
		if !isValue(value) {
			return errField
		}
		if err := f(line[:colon], value); err != nil {
			return err
		}
	}
	return nil
}

// eachChecked calls f with every name and value of lines that eachField has let
// pass before.
func eachChecked(raw []byte, f func(name, value []byte)) {
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			end = len(raw)
		}
		line := raw[:end]
		raw = raw[min(end+1, len(raw)):]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 { // the empty line
			return
		}
		f(line[:colon], trimBlank(line[colon+1:]))
	}
}

// trimBlank is bytes.Trim of spaces and tabs, which costs a table each time.
func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// tokenBytes is tchar of RFC 9110, section 5.6.2.
var tokenBytes = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(b) > 0
}

// isValue refuses control bytes but tab: a bare CR or NUL reads differently to
// different servers.
func isValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// is compares a header name without regard to case; lower is lower-case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasPrefix is like is, for the beginning of a name.
func hasPrefix(name []byte, lower string) bool {
	return len(name) >= len(lower) && is(name[:len(lower)], lower)
}

// hopByHop are the headers that end at each hop (RFC 9110, section 7.6.1), and
// those that only one hop can honour.
func hopByHop(name []byte) bool {
	switch len(name) {
	case 2:
		return is(name, "te")
	case 7:
		return is(name, "upgrade") || is(name, "trailer")
	case 10:
		return is(name, "connection") || is(name, "keep-alive")
	case 16:
		return is(name, "proxy-connection")
	case 17:
		return is(name, "transfer-encoding")
	case 18:
		return is(name, "proxy-authenticate")
	case 19:
		return is(name, "proxy-authorization")
	}
	return false
}

// eachListed calls f with the members of a comma-separated value.
func eachListed(value []byte, f func(member []byte)) {
	for len(value) > 0 {
		member, rest, _ := bytes.Cut(value, []byte(","))
		value = rest
		if member = trimBlank(member); len(member) > 0 {
			f(member)
		}
	}
}

// maxNominated bounds the names in Connection headers; two or three are usual.
const maxNominated = 32

// nominated is what Connection headers named as hop-by-hop. Framing and Host
// cannot be: a client would take them away from the request it came with.
type nominated struct {
	names   [][]byte
	close   bool
	upgrade bool
}

// add reads one Connection header. False: it names more than anybody needs,
// and each name costs time with every other header.
func (n *nominated) add(value []byte) bool {
	eachListed(value, func(m []byte) {
		switch {
		case is(m, "close"):
			n.close = true
		case is(m, "upgrade"):
			n.upgrade = true
		case is(m, "keep-alive"), is(m, "host"), is(m, "content-length"), is(m, "transfer-encoding"):
		default:
			n.names = append(n.names, m)
		}
	})
	return len(n.names) <= maxNominated
}

func (n *nominated) has(name []byte) bool {
	for _, m := range n.names {
		if bytes.EqualFold(m, name) {
			return true
		}
	}
	return false
}

// contentLength parses a Content-Length: digits only, no sign, below 2^62.
func contentLength(value []byte) (int64, bool) {
	if len(value) == 0 || len(value) > 19 {
		return 0, false
	}
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' || n > (1<<62)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
