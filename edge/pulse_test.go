package edge

import (
	"strings"
	"testing"
)

// frame makes a WebSocket frame of n bytes.
func wsFrame(opcode byte, n int, masked bool) string {
	b := []byte{0x80 | opcode}
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	switch {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = append(b, mask|126, byte(n>>8), byte(n))
	default:
		b = append(b, mask|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	if masked {
		b = append(b, 1, 2, 3, 4)
	}
	return string(b) + strings.Repeat("x", n)
}

func TestPulse_ControlFramesOfAWebSocketAreNone(t *testing.T) {
	const text, binary, fin, ping, pong = 1, 2, 8, 9, 10
	for _, masked := range []bool{false, true} {
		for _, n := range []int{0, 1, 125, 126, 1000, 70000} {
			for _, data := range []byte{0, text, binary} {
				control := wsFrame(ping, 5, masked) + wsFrame(pong, 0, masked) + wsFrame(fin, 2, masked)
				stream := control + wsFrame(data, n, masked) + control
				for _, size := range []int{1, 3, 4096, len(stream)} {
					f, first := &frames{}, -1
					for at := 0; at < len(stream); at += size {
						if f.beats([]byte(stream[at:min(at+size, len(stream))])) && first < 0 {
							first = at
						}
					}
					begins := len(control)
					if first < 0 || first+size <= begins || first > begins+14 {
						t.Errorf("a frame of %d at %d, in pieces of %d: data seen at %d", n, begins, size, first)
					}
					if f.have != 0 || f.left != 0 {
						t.Errorf("out of step after pieces of %d", size)
					}
					if f.beats([]byte(control)) {
						t.Error("control frames are data")
					}
				}
			}
		}
	}
	f := &frames{}
	f.beats([]byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) // impossible: does not stop the count for ever
	if f.left != 0 {
		t.Errorf("waits for %d bytes", f.left)
	}
}

func TestPulse_CommentsOfAnEventStreamAreNone(t *testing.T) {
	for in, want := range map[string]bool{
		": ping\n\n": false, "\n\r\n\r": false, "": false, ":": false, ": a: b\r\n:c\r:d\n": false,
		"data: x\n\n": true, ": ping\n\ndata\n": true, "x": true, ": a\nb": true,
	} {
		e, got := &events{}, false
		for i := range len(in) {
			got = e.beats([]byte(in[i:i+1])) || got
		}
		if whole := (&events{}).beats([]byte(in)); got != want || whole != want {
			t.Errorf("%q: %t in pieces, %t whole, want %t", in, got, whole, want)
		}
	}
}
