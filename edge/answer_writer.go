package edge

import (
	"bytes"
	"maps"
	"net/http"
	"net/textproto"
	"strconv"
)

// answerWriter takes an answer as HTTP/1.1 has it, in pieces of any size, and
// gives it to an http.ResponseWriter.
type answerWriter struct {
	w           http.ResponseWriter
	rc          *http.ResponseController
	head        bool   // the request was HEAD
	pieceBegins func() // before each piece of the body

	state answerState
	line  []byte // of a head, a chunk's size or a trailer, still without its end
	left  int64  // bytes of the body, or of the chunk
}

// answerState is what comes next.
type answerState uint8

const (
	nextHead    answerState = iota // the head, or one more after an interim one
	nextBytes                      // left bytes of the body
	nextSize                       // a line with a chunk's size
	nextChunk                      // left bytes of a chunk
	nextLine                       // the end of the line after a chunk
	nextTrailer                    // a trailer, or the empty line
	nextNothing                    // the answer is whole
)

// whole reports whether all of the answer has come.
func (a *answerWriter) whole() bool { return a.state == nextNothing }

// Write takes the next bytes of the answer, and sends what they complete.
func (a *answerWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var err error
		if rest, err = a.take(rest); err != nil {
			return 0, err
		}
	}
	if a.state != nextHead && a.state != nextNothing {
		return len(p), a.rc.Flush()
	}
	return len(p), nil
}

// take does one step and gives what it left.
func (a *answerWriter) take(p []byte) ([]byte, error) {
	switch a.state {
	case nextBytes, nextChunk:
		return a.takeBody(p)
	case nextNothing:
		return nil, errMalformedAnswer
	case nextHead:
		return a.takeHead(p)
	}
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		a.line = append(a.line, p...)
		return nil, nil
	}
	line := bytes.TrimSuffix(append(a.line, p[:end]...), []byte("\r"))
	a.line = a.line[:0]
	return p[end+1:], a.takeLine(line)
}

// takeLine is a line between the bytes of chunks.
func (a *answerWriter) takeLine(line []byte) error {
	switch a.state {
	case nextSize:
		size, err := strconv.ParseInt(string(line), 16, 62)
		if err != nil || size < 0 {
			return errMalformedAnswer
		}
		a.state, a.left = nextChunk, size
		if size == 0 {
			a.state = nextTrailer
		}
	case nextLine:
		if len(line) > 0 {
			return errMalformedAnswer
		}
		a.state = nextSize
	case nextTrailer:
		if len(line) == 0 {
			a.state = nextNothing
			return nil
		}
		return eachField(line, func(name, value []byte) error {
			a.w.Header().Add(http.TrailerPrefix+textproto.CanonicalMIMEHeaderKey(string(name)), string(value))
			return nil
		})
	}
	return nil
}

func (a *answerWriter) takeBody(p []byte) ([]byte, error) {
	piece := p[:min(int64(len(p)), a.left, bodyPiece)]
	a.pieceBegins()
	if _, err := a.w.Write(piece); err != nil {
		return nil, err
	}
	if a.left -= int64(len(piece)); a.left == 0 {
		if a.state == nextBytes {
			a.state = nextNothing
		} else {
			a.state = nextLine
		}
	}
	return p[len(piece):], nil
}

// takeHead gathers a head up to its empty line.
func (a *answerWriter) takeHead(p []byte) ([]byte, error) {
	before := len(a.line)
	a.line = append(a.line, p...)
	end := bytes.Index(a.line[max(0, before-3):], []byte("\r\n\r\n"))
	if end < 0 {
		return nil, nil
	}
	end += max(0, before-3) + 4
	err := a.sendHead(a.line[:end-2])
	a.line = a.line[:0]
	return p[end-before:], err
}

// sendHead sends a head: status line and header lines.
func (a *answerWriter) sendHead(head []byte) error {
	line, lines, _ := bytes.Cut(head, []byte("\r\n"))
	var parsed answer
	if err := parsed.parseStatus(line); err != nil {
		return err
	}
	h := a.w.Header()
	length := int64(0)
	err := eachField(lines, func(name, value []byte) error {
		switch {
		case is(name, "transfer-encoding"):
			length = chunked
		case is(name, "connection"), is(name, "keep-alive"), is(name, "upgrade"): // RFC 9113, section 8.2.2
		default:
			if is(name, "content-length") {
				n, ok := contentLength(value)
				if !ok {
					return errMalformedAnswer
				}
				length = n
			}
			key := textproto.CanonicalMIMEHeaderKey(string(name))
			h[key] = append(h[key], string(value))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if parsed.status < 200 {
		a.w.WriteHeader(parsed.status)
		maps.DeleteFunc(h, func(name string, _ []string) bool { return name != "Connection" }) // which is the library's
		return nil
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // else the library guesses one
	}
	a.begin(&parsed, length)
	a.w.WriteHeader(parsed.status)
	return nil
}

// begin says what the body will be.
func (a *answerWriter) begin(parsed *answer, length int64) {
	method := []byte(http.MethodGet)
	if a.head {
		method = []byte(http.MethodHead)
	}
	a.left = length
	switch {
	case parsed.bodiless(method) || length == 0:
		a.state = nextNothing
	case length == chunked:
		a.state = nextSize
	default:
		a.state = nextBytes
	}
}
