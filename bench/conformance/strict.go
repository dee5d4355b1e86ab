package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// message is a request as it reached the backend.
type message struct {
	method, target, version string
	head                    string // request line and fields, without the empty line
	fields                  []pair
	body                    string
	trailer                 string
	whole                   bool // it ended where its framing says
}

type pair struct{ name, value string }

// get gives the values of a field, in order.
func (m *message) get(name string) (values []string) {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return values
}

// The grammar of RFC 9110 and 9112 with nothing loosened: what two servers could
// read in two ways is an error here.
var (
	requestLine = regexp.MustCompile(`^([!#$%&'*+.^_\x60|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) (HTTP/1\.[01])$`)
	fieldLine   = regexp.MustCompile(`^([!#$%&'*+.^_\x60|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$`)
	hostValue   = regexp.MustCompile(`^([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?$`)
	chunkLine   = regexp.MustCompile(`^([0-9A-Fa-f]{1,15})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?$`)
	digits      = regexp.MustCompile(`^[0-9]{1,18}$`)
	control     = regexp.MustCompile(`[\x00\r\n]`)
)

// errShort: the bytes end before the message does.
var errShort = errors.New("the message is not complete")

// parseRequest reads one request from the front of b strictly and says how many
// bytes it took. m is nil while the head is not complete; errShort means that
// more has to come; every other error names an ambiguity.
func parseRequest(b []byte) (m *message, size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if lone := bytes.Index(b, []byte("\n\n")); lone >= 0 {
			return nil, 0, errors.New("bare LF ends the head")
		}
		return nil, 0, errShort
	}
	m = &message{head: string(b[:end])}
	size = end + 4
	if err := m.parseHead(); err != nil {
		return m, size, err
	}
	n, err := m.parseBody(b[size:])
	return m, size + n, err
}

func (m *message) parseHead() error {
	lines := strings.Split(m.head, "\r\n")
	for _, line := range lines {
		if bad := control.FindString(line); bad != "" {
			return fmt.Errorf("control byte %q in %.60q", bad, line)
		}
	}
	parts := requestLine.FindStringSubmatch(lines[0])
	if parts == nil {
		return fmt.Errorf("request line %.60q", lines[0])
	}
	m.method, m.target, m.version = parts[1], parts[2], parts[3]
	for _, line := range lines[1:] {
		f := fieldLine.FindStringSubmatch(line)
		if f == nil {
			return fmt.Errorf("field line %.60q", line)
		}
		m.fields = append(m.fields, pair{f[1], f[2]})
	}
	return m.checkHost()
}

func (m *message) checkHost() error {
	hosts := m.get("Host")
	if len(hosts) != 1 {
		return fmt.Errorf("%d Host fields", len(hosts))
	}
	if !hostValue.MatchString(hosts[0]) {
		return fmt.Errorf("value of Host %.60q", hosts[0])
	}
	if _, rest, found := strings.Cut(m.target, "://"); found && m.target[0] != '/' {
		authority := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:-_[]"))]
		if !strings.EqualFold(authority, hosts[0]) {
			return fmt.Errorf("target %.60q with Host %.60q", m.target, hosts[0])
		}
	}
	return nil
}

func (m *message) parseBody(b []byte) (size int, err error) {
	codings, lengths := m.get("Transfer-Encoding"), m.get("Content-Length")
	switch {
	case len(codings) > 0 && len(lengths) > 0:
		return 0, errors.New("both Transfer-Encoding and Content-Length")
	case len(lengths) > 1:
		return 0, fmt.Errorf("%d Content-Length fields", len(lengths))
	case len(codings) > 1 || len(codings) == 1 && codings[0] != "chunked":
		return 0, fmt.Errorf("values of Transfer-Encoding %.60q", codings)
	case len(codings) == 1 && m.version != "HTTP/1.1":
		return 0, fmt.Errorf("chunks in %s", m.version)
	case len(codings) == 1:
		return m.parseChunks(b)
	case len(lengths) == 0:
		m.whole = true
		return 0, nil
	case !digits.MatchString(lengths[0]):
		return 0, fmt.Errorf("value of Content-Length %.60q", lengths[0])
	}
	n, _ := strconv.Atoi(lengths[0])
	if len(b) < n {
		m.body = string(b)
		return len(b), errShort
	}
	m.body, m.whole = string(b[:n]), true
	return n, nil
}

func (m *message) parseChunks(b []byte) (size int, err error) {
	for {
		line, found := bytesLine(b[size:])
		if !found {
			return size, errShort
		}
		parts := chunkLine.FindStringSubmatch(line)
		if parts == nil {
			return size, fmt.Errorf("chunk line %.60q", line)
		}
		size += len(line) + 2
		n, _ := strconv.ParseInt(parts[1], 16, 64)
		if n == 0 {
			return m.parseTrailer(b, size)
		}
		if int64(len(b)-size) < n+2 {
			return size, errShort
		}
		m.body += string(b[size : size+int(n)])
		size += int(n)
		if string(b[size:size+2]) != "\r\n" {
			return size, fmt.Errorf("chunk data ends with %.10q", b[size:size+2])
		}
		size += 2
	}
}

func (m *message) parseTrailer(b []byte, size int) (int, error) {
	for {
		line, found := bytesLine(b[size:])
		if !found {
			return size, errShort
		}
		size += len(line) + 2
		if line == "" {
			m.whole = true
			return size, nil
		}
		if control.MatchString(line) || !fieldLine.MatchString(line) {
			return size, fmt.Errorf("trailer line %.60q", line)
		}
		m.trailer += line + "\r\n"
	}
}

// bytesLine cuts at CR LF. A line with a bare LF is given as it stands, for the
// grammar to refuse.
func bytesLine(b []byte) (line string, found bool) {
	before, _, found := bytes.Cut(b, []byte("\r\n"))
	return string(before), found
}

// parseAll reads everything that one connection brought: the messages, the last
// of which may not be whole, and the first ambiguity, after which nothing can be
// told apart any more. What follows an upgrade need not be HTTP.
func parseAll(b []byte) (messages []*message, ambiguous error) {
	switching := false
	for len(b) > 0 {
		m, size, err := parseRequest(b)
		if switching && err != nil {
			return messages, nil
		}
		if m != nil {
			messages = append(messages, m)
			switching = len(m.get("Upgrade")) > 0
		}
		if err == errShort {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		b = b[size:]
	}
	return messages, nil
}
