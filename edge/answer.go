package edge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// maxAnswerHead bounds the head of a tenant's answer.
const maxAnswerHead = 64 << 10

// errAnswer is wrapped by everything that makes a tenant's answer unusable.
var errAnswer = errors.New("the tenant's answer is malformed")

// answer is the head of a tenant's answer, checked. raw lives until the next
// answer is read into it.
type answer struct {
	raw    []byte // status line and header lines
	lines  int    // where the header lines begin in raw
	status int
	reason []byte
	length int64 // of the body: bytes, chunked, or untilClose
	says   int64 // Content-Length, which HEAD and 304 have without a body; -1 = none
	http10 bool
	close  bool // the connection cannot be used after this
	nom    nominated
	kind   []byte // Content-Type
	offers []byte // Upgrade
	dated  bool   // has a Date
	named  bool   // has an X-Request-Id
	hsts   string // what the edge says of it, unless the tenant does
	strict bool   // has a Strict-Transport-Security
}

// maxInterim bounds the interim answers (1xx) to one request.
const maxInterim = 64

// read reads one head, which may be an interim one (1xx). method decides whether
// there is a body.
func (a *answer) read(br buffered, method []byte) error {
	if err := a.readHead(br); err != nil {
		return err
	}
	return a.parse(method)
}

// readFinal reads heads up to the one that is the answer. Each before it is given
// to interim. upgrade is what the request asked to switch to; nil = nothing.
func (a *answer) readFinal(br buffered, method, upgrade []byte, interim func() error) error {
	for range maxInterim {
		switch err := a.read(br, method); {
		case err != nil:
			return err
		case a.status == 101:
			return a.checkSwitch(upgrade)
		case a.status >= 200:
			return nil
		}
		if err := interim(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d interim answers", errAnswer, maxInterim)
}

// checkSwitch: a protocol that was not asked for is spoken by nobody on the other side.
func (a *answer) checkSwitch(upgrade []byte) error {
	if a.http10 || !a.nom.upgrade || len(a.offers) == 0 {
		return fmt.Errorf("%w: a 101 that does not say what it switches to", errAnswer)
	}
	asked := false
	eachListed(upgrade, func(protocol []byte) { asked = asked || bytes.EqualFold(protocol, a.offers) })
	if !asked {
		return fmt.Errorf("%w: it switches to %.40q, which nobody asked for", errAnswer, a.offers)
	}
	return nil
}

// readHead gathers raw up to the empty line.
func (a *answer) readHead(br buffered) error {
	*a = answer{raw: a.raw[:0], nom: nominated{names: a.nom.names[:0]}}
	begun := 0 // where the line that is being read begins
	for {
		piece, err := br.ReadSlice('\n')
		a.raw = append(a.raw, piece...)
		if len(a.raw) > maxAnswerHead {
			return fmt.Errorf("%w: a head of more than %d bytes", errAnswer, maxAnswerHead)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return err
		}
		if a.lines == 0 {
			a.lines = len(a.raw)
		} else if line := a.raw[begun:]; len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			return nil
		}
		begun = len(a.raw)
	}
}

func (a *answer) parse(method []byte) error {
	if err := a.parseStatus(bytes.TrimRight(a.raw[:a.lines], "\r\n")); err != nil {
		return err
	}
	a.length, a.says = untilClose, -1
	codings := 0
	err := eachField(a.raw[a.lines:], func(name, value []byte) error {
		switch {
		case is(name, "content-length"):
			n, ok := contentLength(value)
			if !ok || a.says >= 0 && n != a.says {
				return fmt.Errorf("%w: bad Content-Length", errAnswer)
			}
			a.length, a.says = n, n
		case is(name, "transfer-encoding"):
			codings++
			if !is(value, "chunked") {
				return fmt.Errorf("%w: unknown Transfer-Encoding", errAnswer)
			}
		case is(name, "connection"):
			if !a.nom.add(value) {
				return fmt.Errorf("%w: too many names in Connection", errAnswer)
			}
		case is(name, "content-type"):
			a.kind = value
		case is(name, "date"):
			a.dated = true
		case is(name, "x-request-id"):
			a.named = true
		case is(name, "upgrade"):
			a.offers = value
		case is(name, "strict-transport-security"):
			a.strict = true
		}
		return nil
	})
	if err == errField {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	if err != nil {
		return err
	}
	if codings > 1 || codings == 1 && (a.says >= 0 || a.http10) {
		return fmt.Errorf("%w: ambiguous framing", errAnswer)
	}
	if codings == 1 {
		a.length = chunked
	}
	a.close = a.nom.close || a.http10 || a.length == untilClose
	if a.bodiless(method) {
		// A body that may not be there, but is, would be read as the next answer.
		a.close = a.nom.close || a.http10 || string(method) != "HEAD" && (codings > 0 || a.status == 204 && a.says > 0)
		a.length = noBody
	}
	return nil
}

// parseStatus reads "HTTP/1.1 200 OK" (RFC 9112, section 4).
func (a *answer) parseStatus(line []byte) error {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		a.http10 = true
	default:
		return fmt.Errorf("%w: status line %.40q", errAnswer, line)
	}
	code, reason, _ := bytes.Cut(rest, []byte(" "))
	if len(code) != 3 || code[0] < '1' || code[0] > '5' || code[1] < '0' || code[1] > '9' || code[2] < '0' || code[2] > '9' || !isValue(reason) {
		return fmt.Errorf("%w: status line %.40q", errAnswer, line)
	}
	a.status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	a.reason = reason
	return nil
}

// bodiless: RFC 9112, section 6.3, rule 1.
func (a *answer) bodiless(method []byte) bool {
	return string(method) == "HEAD" || a.status == 204 || a.status == 304 || a.status < 200
}

// streams reports server-sent events: an answer that goes on for as long as both
// sides like.
func (a *answer) streams() bool { return hasPrefix(a.kind, "text/event-stream") }

// head appends the answer's head as the client gets it. framing is how the body
// goes on to this client: bytes, chunked, or untilClose. close: the connection
// ends after it. id is the request's, nil when it is not to be told.
func (a *answer) head(b []byte, id *requestID, framing int64, close bool) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(append(append(b, ' '), a.reason...), "\r\n"...)
	eachChecked(a.raw[a.lines:], func(name, value []byte) {
		switch {
		case is(name, "trailer") && framing == chunked:
			b = field(b, name, value) // those fields will come
		case hopByHop(name) || a.nom.has(name) || is(name, "content-length"):
		default:
			b = field(b, name, value)
		}
	})
	if id != nil && !a.named {
		b = id.appendLine(b)
	}
	if !a.dated && a.status >= 200 {
		b = appendDate(b, time.Now())
	}
	switch {
	case framing == chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case a.says >= 0 && a.status >= 200 && a.status != 204: // which have none (RFC 9110, section 8.6)
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, a.says, 10), "\r\n"...)
	}
	if a.hsts != "" && !a.strict {
		b = append(append(append(b, "Strict-Transport-Security: "...), a.hsts...), "\r\n"...)
	}
	return a.connection(b, close)
}

// connection appends what this hop says for itself, and the end of the head.
func (a *answer) connection(b []byte, close bool) []byte {
	switch upgrades := a.offers != nil && (a.status == 101 || a.status == 426); { // which must say to what
	case upgrades && close:
		b = append(b, "Connection: Upgrade, close\r\n"...)
		b = field(b, []byte("Upgrade"), a.offers)
	case upgrades:
		b = append(b, "Connection: Upgrade\r\n"...)
		b = field(b, []byte("Upgrade"), a.offers)
	case close:
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...)
}
