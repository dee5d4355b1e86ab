package egress

import (
	"bytes"
	"encoding/binary"
)

// A DNS message begins with twelve bytes (RFC 1035, 4.1.1):
//
//	id | QR opcode AA TC RD | RA Z RCODE | questions | answers | authorities | additions
//	 2 |         1          |      1     |     2     |    2    |      2      |     2
//
// followed by the question: a name, a type and a class.
const (
	dnsHeader  = 12
	maxQuery   = 2048 // a name has 255 bytes; some options may come on top
	isResponse = 0x80
	truncated  = 0x02
	recursion  = 0x80 // RA, in the second byte
	opcodeBits = 0x78
	keptBits   = 0x79 // opcode and RD: what a reply repeats

	servFail = 2
	refusal  = 5

	typeIXFR = 251
	typeAXFR = 252
)

// question finds the end of a query's question. It is no question of ours when
// it is anything but one ordinary lookup: an update or the transfer of a zone
// would be asked in the host's name.
func question(query []byte) (end int, ok bool) {
	if len(query) < dnsHeader || query[2]&(isResponse|opcodeBits) != 0 {
		return 0, false
	}
	if !bytes.Equal(query[4:10], []byte{0, 1, 0, 0, 0, 0}) {
		return 0, false
	}
	at := dnsHeader
	for {
		if at >= len(query) || query[at] > 63 { // compressed: there is nothing to point to
			return 0, false
		}
		n := int(query[at])
		at += 1 + n
		if n == 0 {
			break
		}
	}
	if at+4 > len(query) || at-dnsHeader > 255 {
		return 0, false
	}
	kind := binary.BigEndian.Uint16(query[at:])
	return at + 4, kind != typeAXFR && kind != typeIXFR
}

// answers reports whether a message is a reply to a query whose question ends at
// end. A server that did not understand the question may leave it out.
func answers(reply, query []byte, end int) bool {
	if len(reply) < dnsHeader || reply[2]&isResponse == 0 || !bytes.Equal(reply[:2], query[:2]) {
		return false
	}
	if binary.BigEndian.Uint16(reply[4:]) == 0 {
		return true
	}
	return len(reply) >= end && bytes.EqualFold(reply[dnsHeader:end], query[dnsHeader:end])
}

// failure is a reply without an answer, nil to what is no query at all. end is
// where the question ends, 0 if it is not to be repeated.
func failure(query []byte, end int, code byte) []byte {
	if len(query) < dnsHeader || query[2]&isResponse != 0 {
		return nil
	}
	reply := make([]byte, dnsHeader, max(dnsHeader, end))
	copy(reply, query[:2])
	reply[2] = isResponse | query[2]&keptBits
	reply[3] = recursion | code
	if end > dnsHeader {
		reply[5] = 1
		reply = append(reply, query[dnsHeader:end]...)
	}
	return reply
}

// cut is a reply that tells to ask again over TCP.
func cut(query []byte, end int) []byte {
	reply := failure(query, end, 0)
	reply[2] |= truncated
	return reply
}
