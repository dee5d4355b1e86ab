package edge

import (
	"encoding/binary"
	"io"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Strict reads an HTTP/2 connection for the library, and mends where that
// departs from RFC 9113:
//
//   - A header that belongs to a connection makes a request malformed (section
//     8.2.2), which is a stream error; the library answers 400. The field
//     section is given one more field, which the library knows to be malformed.
//   - A setting may come twice in a frame, the last one counts (section 6.5.3);
//     the library hangs up. It gets the last one only.
//
// Nothing is held back for longer than a frame, none of them larger than the
// 16 KB that we announce.
type h2Strict struct {
	net.Conn
	out    []byte // for the library
	pass   int64  // bytes of a payload that go through as they are
	header [frameHeader]byte
	buf    []byte
	fields *hpack.Decoder // in step with the library's; nil after an error, which ends the connection
	bad    bool           // of the field section that is being read
}

const (
	frameHeader = 9
	maxFrame    = 16 << 10
	tableSize   = 4096 // the default, which we do not change
	settingSize = 6
	maxSettings = 100 // the library hangs up on more
)

// malformedField is the header "X" with an empty value, as a literal: names are
// lower-case in HTTP/2.
var malformedField = []byte{0x00, 0x01, 'X', 0x00}

func newH2Strict(c net.Conn) *h2Strict {
	s := &h2Strict{Conn: c, pass: int64(len(http2.ClientPreface))}
	s.fields = hpack.NewDecoder(tableSize, func(f hpack.HeaderField) { s.bad = s.bad || connectionSpecific(f) })
	s.fields.SetMaxStringLength(maxFrame)
	return s
}

// connectionSpecific: RFC 9113, section 8.2.2.
func connectionSpecific(f hpack.HeaderField) bool {
	switch f.Name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	case "te":
		return f.Value != "trailers"
	}
	return false
}

// Read gives the library what came.
func (s *h2Strict) Read(p []byte) (int, error) {
	for len(s.out) == 0 && s.pass == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	if len(s.out) > 0 {
		n := copy(p, s.out)
		s.out = s.out[n:]
		return n, nil
	}
	n, err := s.Conn.Read(p[:min(int64(len(p)), s.pass)])
	s.pass -= int64(n)
	return n, err
}

// next reads a frame's header, and its payload if that has to be looked at.
func (s *h2Strict) next() error {
	if _, err := io.ReadFull(s.Conn, s.header[:]); err != nil {
		return err
	}
	length := int(binary.BigEndian.Uint32(s.header[:]) >> 8)
	kind, flags := http2.FrameType(s.header[3]), http2.Flags(s.header[4])
	looked := kind == http2.FrameHeaders || kind == http2.FrameContinuation || kind == http2.FrameSettings
	if !looked || length > maxFrame { // the library refuses what is larger
		s.out, s.pass = append(s.buf[:0], s.header[:]...), int64(length)
		s.buf = s.out
		return nil
	}
	s.buf = append(append(s.buf[:0], s.header[:]...), make([]byte, length)...)
	payload := s.buf[frameHeader:]
	if _, err := io.ReadFull(s.Conn, payload); err != nil {
		return err
	}
	if kind == http2.FrameSettings {
		s.settings(payload)
	} else {
		s.section(kind, flags, payload)
	}
	s.out = s.buf
	if len(s.out) > frameHeader+1<<10 { // one large head is no reason to keep so much
		s.buf = nil
	}
	return nil
}

// settings leaves the last of each.
func (s *h2Strict) settings(payload []byte) {
	if len(payload) > maxSettings*settingSize || len(payload)%settingSize != 0 {
		return
	}
	kept := 0
	for i := 0; i < len(payload); i += settingSize {
		again := false
		for j := i + settingSize; j < len(payload); j += settingSize {
			again = again || payload[i] == payload[j] && payload[i+1] == payload[j+1]
		}
		if !again {
			copy(payload[kept:], payload[i:i+settingSize])
			kept += settingSize
		}
	}
	s.buf = s.buf[:frameHeader+kept]
	s.buf[1], s.buf[2] = byte(kept>>8), byte(kept)
}

// section reads a part of a field section; the last one of a malformed request
// gets a frame of ours after it.
func (s *h2Strict) section(kind http2.FrameType, flags http2.Flags, payload []byte) {
	if kind == http2.FrameHeaders {
		s.bad = false
		payload = fragment(flags, payload)
	}
	if s.fields != nil {
		if _, err := s.fields.Write(payload); err != nil {
			s.fields = nil
		}
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) || s.fields == nil {
		return
	}
	if s.fields.Close() != nil { // a field that is cut off
		s.fields = nil
	} else if s.bad {
		s.buf[4] &^= byte(http2.FlagHeadersEndHeaders)
		s.buf = append(s.buf, 0, 0, byte(len(malformedField)), byte(http2.FrameContinuation), byte(http2.FlagContinuationEndHeaders))
		s.buf = append(append(s.buf, s.header[5:]...), malformedField...)
	}
}

// fragment is a HEADERS frame's part of the field section, without padding and
// priority; nothing of a frame that the library refuses.
func fragment(flags http2.Flags, payload []byte) []byte {
	padding := 0
	if flags.Has(http2.FlagHeadersPadded) {
		if len(payload) == 0 {
			return nil
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if flags.Has(http2.FlagHeadersPriority) {
		if len(payload) < 5 {
			return nil
		}
		payload = payload[5:]
	}
	if padding > len(payload) {
		return nil
	}
	return payload[:len(payload)-padding]
}
