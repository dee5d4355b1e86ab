package journal

import "bytes"

// splitter makes messages of one stream's raw bytes. Any split of the same bytes
// into chunks gives the same messages, and it never holds more than maxLine.
type splitter struct {
	pending []byte // of a line whose end has not come yet
}

// next takes the first message out of chunk and gives the rest of chunk; false
// when the chunk is used up. The message is valid until the next call. A '\r'
// before the line's end belongs to the end.
func (s *splitter) next(chunk []byte) (message []byte, partial bool, rest []byte, ok bool) {
	room := maxLine - len(s.pending)
	if i := bytes.IndexByte(chunk[:min(len(chunk), room+1)], '\n'); i >= 0 {
		return bytes.TrimSuffix(s.take(chunk[:i]), []byte("\r")), false, chunk[i+1:], true
	}
	if len(chunk) > room {
		return s.take(chunk[:room]), true, chunk[room:], true
	}
	s.pending = append(s.pending, chunk...)
	return nil, false, nil, false
}

// take is what was pending with the end of it.
func (s *splitter) take(end []byte) []byte {
	if len(s.pending) == 0 {
		return end
	}
	message := append(s.pending, end...)
	s.pending = message[:0]
	return message
}

// flush gives the unfinished line, if there is one.
func (s *splitter) flush() (message []byte, ok bool) {
	message, s.pending = s.pending, nil
	return bytes.TrimSuffix(message, []byte("\r")), len(message) > 0
}

// rest lets go of memory that nothing waits in: most tenants sit still.
func (s *splitter) rest() {
	if len(s.pending) == 0 {
		s.pending = nil
	}
}
