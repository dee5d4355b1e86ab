package edge

import (
	"io"
	"strconv"
)

// intake takes a body piece by piece, each framed for the other side. While
// nothing comes it has no buffer in hand.
type intake struct {
	lent
	from    *tap
	client  *inlet // whose tap that is; nil: a tenant's
	body    *bodyReader
	framing int64 // for the other side: bytes, chunked, or untilClose

	try   func(uintptr) bool // arrived, made once
	piece []byte
}

// open begins with a body; close ends it.
func (i *intake) open(from *tap, client *inlet, body *bodyReader, framing int64) {
	i.from, i.client, i.body, i.framing = from, client, body, framing
	if i.try == nil {
		i.try = i.arrived
	}
}

func (i *intake) close() {
	i.rest()
	*i = intake{try: i.try}
}

// next waits for the next piece, which may be empty between two chunks. What was
// given out before must have been sent.
func (i *intake) next() ([]byte, error) {
	if i.from.raw == nil {
		return i.append(i.borrow())
	}
	if i.from.Buffered() > 0 && i.arrived(dry) {
		return i.piece, i.from.err
	}
	var err error
	if i.client != nil {
		err = i.client.wait(i.try)
	} else {
		err = i.from.raw.Read(i.try)
	}
	if err != nil {
		return nil, err
	}
	return i.piece, i.from.err
}

func (i *intake) arrived(fd uintptr) bool {
	i.from.fd = int(fd)
	i.piece, i.from.err = i.append(i.borrow())
	came := i.from.tried()
	if !came {
		i.rest()
	}
	return came
}

// chunkRoom is for a chunk's size and line ends.
const chunkRoom = 16

// filled reports that a buffer has too little room left to be worth a read.
func filled(b []byte) bool { return cap(b)-len(b) < min(8<<10, cap(b)/2) }

// append reads once and appends what came, framed.
func (i *intake) append(b []byte) ([]byte, error) {
	at := len(b)
	if i.framing == chunked {
		at += chunkRoom - 2
	}
	n, err := i.body.Read(b[at : cap(b)-2])
	if n == 0 {
		return b, notEnd(err)
	}
	if i.framing != chunked {
		return b[:at+n], notEnd(err)
	}
	size := strconv.AppendInt(b[len(b):], int64(n), 16)
	size = append(size, '\r', '\n')
	// The size is shorter than the room left for it: close the gap.
	start := len(b) + len(size)
	copy(b[start:cap(b)], b[at:at+n])
	return append(b[:start+n], '\r', '\n'), notEnd(err)
}

func notEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
