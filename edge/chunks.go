package edge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errTruncated is a message that ended before its end.
var errTruncated = errors.New("the message was cut short")

// maxTrailer bounds what may follow the last chunk.
const maxTrailer = 16 << 10

// maxExtensions bounds what all chunk sizes of a body may carry beside the size.
const maxExtensions = 16 << 10

// bodyReader reads the body of one message strictly: it gives io.EOF only at the
// end that the framing names; an earlier end is errTruncated. After syscall.EAGAIN
// it goes on where it was.
type bodyReader struct {
	br   buffered
	left int64 // of the body or of the chunk; untilClose
	mode int64 // what the head said: bytes, chunked, untilClose
	edge bool  // a chunk's data has ended, the CR LF after it has not been read
	last bool  // the last chunk's size has been read
	done bool

	extra   int    // bytes of chunk extensions so far
	limit   int64  // of all data; 0 = none
	told    int64  // of data by the sizes of chunks, when there is a limit
	read    int64  // of data
	trailer []byte // lines after the last chunk, checked, without the empty one

	heard func([]byte) // is told of all data; nil = nobody
}

// errTooLarge is a body that goes beyond its limit.
var errTooLarge = errors.New("the body is larger than max_body_mb")

func newBodyReader(br buffered, length int64) bodyReader {
	b := bodyReader{br: br, mode: length}
	switch {
	case length > 0:
		b.left = length
	case length == noBody:
		b.done = true
	}
	return b
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.next(p)
	b.read += int64(n)
	if n > 0 && b.heard != nil {
		b.heard(p[:n])
	}
	return n, err
}

func (b *bodyReader) next(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	if b.mode == untilClose {
		n, err := b.br.Read(p)
		b.done = err == io.EOF
		return n, err
	}
	if b.mode == chunked && b.left == 0 {
		if err := b.nextChunk(); err != nil || b.done {
			return 0, orEOF(err)
		}
		if b.br.Buffered() == 0 {
			return 0, nil // a Read that would wait is the next one
		}
	}
	n, err := b.br.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil {
		return n, truncated(err)
	}
	if b.left == 0 {
		b.edge, b.done = b.mode == chunked, b.mode != chunked
	}
	return n, nil
}

// ready reports that a Read would not have to wait for the network. Between two
// chunks that takes whole lines.
func (b *bodyReader) ready() bool {
	if b.done || b.br.Buffered() == 0 || b.mode != chunked || b.left > 0 {
		return b.done || b.br.Buffered() > 0
	}
	lines := 1
	if b.edge {
		lines = 2
	}
	buffered, _ := b.br.Peek(b.br.Buffered())
	return bytes.Count(buffered, []byte("\n")) >= lines
}

// orEOF is the end of a body, unless something went wrong there.
func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errTruncated
	}
	return err
}

// nextChunk reads a chunk's size (RFC 9112, section 7.1): hexadecimal digits,
// at most 15 of them, extensions ignored, CR LF and nothing looser.
func (b *bodyReader) nextChunk() error {
	if b.last {
		return b.readTrailer()
	}
	if b.edge {
		if err := b.endOfLine(); err != nil {
			return err
		}
		b.edge = false
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	size, digits := int64(0), 0
	for digits < len(line) {
		d, ok := hexDigit(line[digits])
		if !ok {
			break
		}
		size, digits = size<<4|d, digits+1
	}
	if digits == 0 || digits > 15 || digits < len(line) && line[digits] != ';' {
		return fmt.Errorf("bad chunk size %.20q", line)
	}
	if b.extra += len(line) - digits; b.extra > maxExtensions {
		return errors.New("chunk extensions without end")
	}
	if size == 0 {
		b.last = true
		return b.readTrailer()
	}
	if b.limit > 0 {
		if b.told += size; b.told > b.limit {
			return errTooLarge
		}
	}
	b.left = size
	return nil
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0'), true
	case 'a' <= c && c <= 'f':
		return int64(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}

// line reads a line, whole or not at all, that ends with CR LF and has no CR
// elsewhere (RFC 9112, section 2.2).
func (b *bodyReader) line() ([]byte, error) {
	for searched := 0; ; {
		here, _ := b.br.Peek(b.br.Buffered())
		if i := bytes.IndexByte(here[searched:], '\n'); i >= 0 {
			line := here[:searched+i+1]
			_, _ = b.br.Discard(len(line)) // it is in the buffer
			if len(line) < 2 || line[len(line)-2] != '\r' {
				return nil, fmt.Errorf("a chunk line that does not end with CR LF: %.20q", line)
			}
			line = line[:len(line)-2]
			if bytes.IndexByte(line, '\r') >= 0 {
				return nil, fmt.Errorf("a chunk line with a bare CR: %.20q", line)
			}
			return line, nil
		}
		searched = len(here)
		if _, err := b.br.Peek(searched + 1); err == bufio.ErrBufferFull {
			return nil, errors.New("a chunk line without end")
		} else if err != nil {
			return nil, truncated(err)
		}
	}
}

func (b *bodyReader) endOfLine() error {
	line, err := b.line()
	if err == nil && len(line) > 0 {
		err = fmt.Errorf("a chunk longer than its size: %.20q", line)
	}
	return err
}

// readTrailer keeps the fields after the last chunk.
func (b *bodyReader) readTrailer() error {
	for len(b.trailer) < maxTrailer {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			err := eachField(b.trailer, func(_, _ []byte) error { return nil })
			b.done = err == nil
			return err
		}
		b.trailer = append(append(b.trailer, line...), "\r\n"...)
	}
	return errors.New("a trailer that is too long")
}

// appendTrailer appends the last chunk and the fields after it that may pass: none
// that frame, route or authorize, which belong into a head (RFC 9110, section 6.5.1).
func (b *bodyReader) appendTrailer(to []byte) []byte {
	to = append(to, "0\r\n"...)
	eachChecked(b.trailer, func(name, value []byte) {
		if !headOnly(name) {
			to = field(to, name, value)
		}
	})
	return append(to, "\r\n"...)
}

// headOnly are the fields that mean nothing good in a trailer.
func headOnly(name []byte) bool {
	if hopByHop(name) || bytes.IndexByte(name, '_') >= 0 || hasPrefix(name, "x-forwarded-") || hasPrefix(name, "content-") {
		return true
	}
	for _, other := range [...]string{"host", "forwarded", "authorization", "cookie", "set-cookie", "expect", "range", "x-request-id"} {
		if is(name, other) {
			return true
		}
	}
	return false
}
