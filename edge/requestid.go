package edge

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// maxRequestID bounds an id that a trusted proxy gave.
const maxRequestID = 128

// requestID names one request in our log, in the tenant's, and to the visitor
// (X-Request-Id). The zero value has no name yet.
type requestID struct {
	given []byte // by a trusted proxy; nil = none
	made  [2]uint64
}

// make gives an id of 128 random bits: nobody guesses somebody else's.
func (id *requestID) make() { id.made = [2]uint64{rand.Uint64(), rand.Uint64()} }

// take believes an id that is safe to repeat anywhere.
func (id *requestID) take(value []byte) {
	if len(value) > 0 && len(value) <= maxRequestID && !bytes.ContainsFunc(value, unsafeInID) {
		id.given = bytes.Clone(value) // the header does not outlive the reading of a body
	}
}

// unsafeInID: what a log, a shell or a page could take for more than text.
func unsafeInID(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"\\<>'`$,;", c) }

// appendTo writes the id.
func (id *requestID) appendTo(b []byte) []byte {
	if id.given != nil {
		return append(b, id.given...)
	}
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], id.made[0])
	binary.BigEndian.PutUint64(raw[8:], id.made[1])
	return hex.AppendEncode(b, raw[:])
}

// appendLine writes the header.
func (id *requestID) appendLine(b []byte) []byte {
	return append(id.appendTo(append(b, "X-Request-Id: "...)), "\r\n"...)
}
