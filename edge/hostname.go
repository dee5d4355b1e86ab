package edge

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// namedHost is a Host header that has been parsed. A client says the same one in
// each request of a connection.
type namedHost struct {
	raw  []byte
	host hostname
}

// errHost is wrapped by every refusal of a Host that no name could have.
var errHost = errors.New("not a valid host")

// The longest name and label of the DNS, in bytes.
const (
	maxHost  = 253
	maxLabel = 63
)

// hostname is the one host of a request: what is routed by is what is forwarded.
type hostname struct {
	name string // lower-case; without port, brackets and one trailing dot
	port string // as sent; "" when there was none
	ip   bool   // name is an IP address
}

// parseHost reads a Host header or the authority of a request's target. It
// accepts names of letters, digits, "-" and "_" in labels, and IP literals; all
// else is an error, so that no path, userinfo or control byte comes further.
func parseHost(raw string) (hostname, error) {
	if strings.HasPrefix(raw, "[") {
		return parseIPv6(raw)
	}
	name, port, found := strings.Cut(raw, ":")
	if found && !isPort(port) {
		return hostname{}, fmt.Errorf("%w: bad port in %q", errHost, clipText(raw))
	}
	name = strings.TrimSuffix(name, ".")
	if err := checkName(name); err != nil {
		return hostname{}, fmt.Errorf("%w: %s in %q", errHost, err, clipText(raw))
	}
	name = strings.ToLower(name)
	return hostname{name: name, port: port, ip: isIPv4(name)}, nil
}

func parseIPv6(raw string) (hostname, error) {
	inner, after, found := strings.Cut(raw[1:], "]")
	port, hasPort := strings.CutPrefix(after, ":")
	if !found || after != "" && !hasPort || hasPort && !isPort(port) {
		return hostname{}, fmt.Errorf("%w: %q", errHost, clipText(raw))
	}
	addr, err := netip.ParseAddr(inner)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return hostname{}, fmt.Errorf("%w: bad IPv6 address in %q", errHost, clipText(raw))
	}
	return hostname{name: addr.String(), port: port, ip: true}, nil
}

var (
	errNoName   = errors.New("no name")
	errLongName = errors.New("name too long")
	errBadLabel = errors.New("label empty or too long")
	errBadByte  = errors.New("impossible character")
)

func checkName(name string) error {
	switch {
	case name == "":
		return errNoName
	case len(name) > maxHost:
		return errLongName
	}
	label := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return errBadLabel
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return errBadByte
		}
		if label++; label > maxLabel {
			return errBadLabel
		}
	}
	if label == 0 { // "a..": one trailing dot is gone already
		return errBadLabel
	}
	return nil
}

// isPort accepts what RFC 9110 does, the empty port included.
func isPort(s string) bool {
	if len(s) > 5 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	n, _ := strconv.Atoi(s)
	return n <= 65535
}

func isIPv4(name string) bool {
	if last := name[len(name)-1]; last < '0' || last > '9' { // no address: saves the parsing
		return false
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Is4()
}

// appendTo writes the host as it stands in a Host header.
func (h hostname) appendTo(dst []byte) []byte {
	if h.ip && strings.Contains(h.name, ":") {
		dst = append(append(append(dst, '['), h.name...), ']')
	} else {
		dst = append(dst, h.name...)
	}
	if h.port != "" {
		dst = append(append(dst, ':'), h.port...)
	}
	return dst
}

// same compares two hosts of plain HTTP, where no port means 80.
func (h hostname) same(other hostname) bool {
	return h.name == other.name && webPort(h.port) == webPort(other.port)
}

func webPort(port string) string {
	if port == "" {
		return "80"
	}
	return port
}
