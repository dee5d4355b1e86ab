package journal

import (
	"bytes"
	"strings"
	"testing"
)

// piece is one message of a splitter.
type piece struct {
	text    string
	partial bool
}

// split feeds the chunks to a new splitter and ends it.
func split(t testing.TB, chunks ...[]byte) (pieces []piece) {
	t.Helper()
	var s splitter
	for _, chunk := range chunks {
		for {
			message, partial, rest, ok := s.next(chunk)
			if !ok {
				break
			}
			pieces = append(pieces, piece{string(message), partial})
			chunk = rest
		}
		if len(s.pending) > maxLine {
			t.Fatalf("%d bytes are held", len(s.pending))
		}
		s.rest()
	}
	if message, ok := s.flush(); ok {
		pieces = append(pieces, piece{string(message), false})
	}
	return pieces
}

func TestSplitter_MakesLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, tc := range []struct {
		what, in string
		want     []piece
	}{
		{"nothing", "", nil},
		{"a line", "one\n", []piece{{"one", false}}},
		{"an unfinished one", "one\ntwo", []piece{{"one", false}, {"two", false}}},
		{"empty ones", "\n\n", []piece{{"", false}, {"", false}}},
		{"of DOS", "one\r\ntwo\r\r\n\r\n", []piece{{"one", false}, {"two\r", false}, {"", false}}},
		{"a progress bar", "10%\r20%\r\n", []piece{{"10%\r20%", false}}},
		{"the longest", long + "\nx\n", []piece{{long, false}, {"x", false}}},
		{"a longer one", long + "y\n", []piece{{long, true}, {"y", false}}},
		{"three parts", long + long + "y", []piece{{long, true}, {long, true}, {"y", false}}},
		{"any bytes", "\x00\xff\x1b[2J\n", []piece{{"\x00\xff\x1b[2J", false}}},
	} {
		got := split(t, []byte(tc.in))
		if len(got) != len(tc.want) {
			t.Errorf("%s: %d messages, want %d", tc.what, len(got), len(tc.want))
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: message %d is %.20q (partial %v)", tc.what, i, got[i].text, got[i].partial)
			}
		}
	}
}

func TestSplitter_GivesItsMemoryBackAfterALine(t *testing.T) {
	var s splitter
	for _, chunk := range []string{"half", " a line\n"} {
		for rest, ok := []byte(chunk), true; ok; {
			_, _, rest, ok = s.next(rest)
		}
		s.rest()
	}
	if cap(s.pending) != 0 {
		t.Errorf("%d bytes are kept", cap(s.pending))
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("one\r\ntwo\nthree"), 3, 0)
	f.Add([]byte("\n\r\n\r"), 1, 0)
	f.Add([]byte("a\nb"), 2, maxLine-1)
	f.Add([]byte("\r\n\r\n"), 1, maxLine-1)
	f.Fuzz(func(t *testing.T, in []byte, size, padding int) {
		in = append(bytes.Repeat([]byte("x"), int(uint(padding)%(maxLine+8))), in...)
		var chunks [][]byte
		for rest, n := in, int(uint(size)%5000)+1; len(rest) > 0; n = n*7%4999 + 1 {
			n = min(n, len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		whole, parts := split(t, in), split(t, chunks...)
		var text strings.Builder
		for i, p := range whole {
			if len(parts) != len(whole) || parts[i] != p {
				t.Fatalf("chunks of %d bytes give other messages", size)
			}
			if len(p.text) > maxLine || strings.Contains(p.text, "\n") {
				t.Fatalf("message %d has %d bytes or a line's end", i, len(p.text))
			}
			text.WriteString(p.text)
			if !p.partial {
				text.WriteByte('\n')
			}
		}
		want := string(in)
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n" // the unfinished line is one
		}
		if want = strings.ReplaceAll(want, "\r\n", "\n"); text.String() != want {
			t.Fatalf("%q became %q", in, text.String())
		}
	})
}
