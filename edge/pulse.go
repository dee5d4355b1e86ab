package edge

// pulse tells data of the app's from what only keeps a connection open. It is fed
// everything that goes one way, in pieces of any size.
type pulse interface {
	// beats reports whether a piece holds data of the app's.
	beats(p []byte) bool
}

// anyByte is the pulse of a protocol that we do not know.
type anyByte struct{}

func (anyByte) beats(p []byte) bool { return len(p) > 0 }

// frames is the pulse of a WebSocket (RFC 6455, section 5.2). Control frames, so
// pings, pongs and closes, are no data:
//
//	byte 0         FIN, 3 reserved bits, 4 of opcode; 8 and above: control
//	byte 1         MASK, 7 bits of length; 126, 127: 2 or 8 bytes of length follow
//	0, 2 or 8      length
//	0 or 4         masking key
type frames struct {
	head    [14]byte
	have    int   // bytes of head that have come
	left    int64 // of the payload
	control bool
}

func (f *frames) beats(p []byte) bool {
	data := false
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, int64(len(p)))
			f.left -= n
			p = p[n:]
			data = data || !f.control
			continue
		}
		f.head[f.have] = p[0]
		f.have++
		p = p[1:]
		if f.have == f.headLen() {
			f.begin()
			data = data || !f.control // an empty message is one too
		}
	}
	return data
}

// headLen is how long the head is, as far as that is known.
func (f *frames) headLen() int {
	if f.have < 2 {
		return 2
	}
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin reads a whole head.
func (f *frames) begin() {
	f.have = 0
	f.control = f.head[0]&0x08 != 0
	f.left = int64(f.head[1] & 0x7f)
	extended := 0
	switch f.left {
	case 126:
		extended = 2
	case 127:
		extended = 8
	default:
		return
	}
	f.left = 0
	for _, b := range f.head[2 : 2+extended] {
		f.left = f.left<<8 | int64(b)
	}
	if f.left < 0 { // the highest bit must be 0; whoever sets it is cut off by the app
		f.left = 0
	}
}

// events is the pulse of server-sent events: comments (": ping") and empty lines
// are none. https://html.spec.whatwg.org/multipage/server-sent-events.html
type events struct {
	inside  bool // a line has begun
	comment bool // and is a comment
}

func (e *events) beats(p []byte) bool {
	data := false
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			e.inside = false
		case !e.inside:
			e.inside, e.comment = true, c == ':'
			data = data || !e.comment
		default:
			data = data || !e.comment
		}
	}
	return data
}
