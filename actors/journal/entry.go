package journal

import (
	"bytes"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

const (
	// maxLine is the longest message, in bytes; what is longer comes in parts.
	maxLine = 64 << 10
	// stampForm is RFC3339Nano with all its digits.
	stampForm = "2006-01-02T15:04:05.000000000Z"
	// maxStored is more than any stored line has.
	maxStored = maxLine + len(stampForm) + len(" stdout F \n")
)

// Entry is one line of a tenant's log.
type Entry struct {
	Time    time.Time // UTC
	Name    conf.Instance
	Stream  sandbox.Stream
	Partial bool   // the line goes on in the tenant's next entry of this stream
	Message string // at most 64 KB, without the line's end; any bytes
}

// appendStored appends the stored form of a line, with its end.
func appendStored(buf, stamp []byte, stream sandbox.Stream, partial bool, message []byte) []byte {
	buf = append(buf, stamp...)
	switch {
	case stream == sandbox.Stderr && partial:
		buf = append(buf, " stderr P "...)
	case stream == sandbox.Stderr:
		buf = append(buf, " stderr F "...)
	case partial:
		buf = append(buf, " stdout P "...)
	default:
		buf = append(buf, " stdout F "...)
	}
	buf = append(buf, message...)
	return append(buf, '\n')
}

// stored is a stored line, taken apart but not yet copied.
type stored struct {
	stamp, message []byte
	stream         sandbox.Stream
	partial        bool
}

// parseStored reads a stored line without its end; false for what is none, as a
// crash of the machine may leave it.
func parseStored(line []byte) (s stored, ok bool) {
	stamp, rest, found := bytes.Cut(line, []byte(" "))
	if !found || len(stamp) > len(time.RFC3339Nano) || len(rest) < len("stdout F ") {
		return s, false
	}
	kind, message := string(rest[:len("stdout F ")]), rest[len("stdout F "):]
	s = stored{stamp: stamp, message: message, stream: sandbox.Stdout, partial: kind[7] == 'P'}
	switch kind {
	case "stdout F ", "stdout P ":
	case "stderr F ", "stderr P ":
		s.stream = sandbox.Stderr
	default:
		return s, false
	}
	return s, len(message) <= maxLine
}

// entry copies a stored line out; false when its time is none.
func (s stored) entry(name conf.Instance) (Entry, bool) {
	at, err := time.Parse(time.RFC3339Nano, string(s.stamp))
	if err != nil {
		return Entry{}, false
	}
	return Entry{Time: at.UTC(), Name: name, Stream: s.stream, Partial: s.partial, Message: string(s.message)}, true
}
