package egress

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// query is a question for an address, as programs send it.
func query(id uint16, name ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for _, label := range name {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0, 0, 1, 0, 1)
}

// with changes one byte.
func with(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

func TestQuestion_OnlyAnOrdinaryLookupIsOne(t *testing.T) {
	good := query(7, "www", "example", "org")
	kind := len(good) - 3
	long := make([]string, 64)
	for i := range long {
		long[i] = "abc"
	}
	for name, c := range map[string]struct {
		query []byte
		want  bool
	}{
		"a lookup":              {good, true},
		"of the root":           {query(7), true},
		"with an option behind": {with(append(bytes.Clone(good), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0), 11, 1), true},
		"nothing":               {nil, false},
		"a header":              {good[:12], false},
		"a reply":               {with(good, 2, 0x81), false},
		"an update":             {with(good, 2, 5<<3), false},
		"a notification":        {with(good, 2, 4<<3), false},
		"no question":           {with(good, 5, 0), false},
		"two questions":         {with(good, 5, 2), false},
		"an answer in it":       {with(good, 7, 1), false},
		"an authority in it":    {with(good, 9, 1), false},
		"the transfer of zones": {with(good, kind, typeAXFR), false},
		"of what is new there":  {with(good, kind, typeIXFR), false},
		"a pointer":             {with(good, 12, 0xc0), false},
		"a label without end":   {with(good, 12, 60), false},
		"cut in the name":       {good[:len(good)-6], false},
		"cut behind the name":   {good[:len(good)-1], false},
		"a name too long":       {query(7, long...), false},
	} {
		end, ok := question(c.query)
		if ok != c.want || ok && end != 17+lengthOf(c.query) {
			t.Errorf("%s: got %d, %v", name, end, ok)
		}
	}
}

// lengthOf is the length of a name without its end.
func lengthOf(query []byte) int { return bytes.IndexByte(query[dnsHeader:], 0) }

func TestQuestion_AReplyAnswersTheQuestion(t *testing.T) {
	q := query(7, "www", "example", "org")
	end, _ := question(q)
	reply := with(q, 2, 0x81)
	for name, c := range map[string]struct {
		reply []byte
		want  bool
	}{
		"the reply":        {append(bytes.Clone(reply), "answers"...), true},
		"in capitals":      {with(reply, 13, 'W'), true},
		"without question": {with(reply, 5, 0)[:12], true},
		"another id":       {with(reply, 1, 8), false},
		"another name":     {with(reply, 13, 'x'), false},
		"a query":          {q, false},
		"cut":              {reply[:end-1], false},
		"nothing":          {nil, false},
	} {
		if got := answers(c.reply, q, end); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestQuestion_AFailureRepeatsTheQuestion(t *testing.T) {
	q := query(0x1234, "a")
	end, _ := question(q)
	for name, c := range map[string]struct{ got, want []byte }{
		"servfail":   {failure(q, end, servFail), []byte("\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")},
		"refused":    {failure(q, 0, refusal), []byte("\x12\x34\x81\x85\x00\x00\x00\x00\x00\x00\x00\x00")},
		"ask by TCP": {cut(q, end), []byte("\x12\x34\x83\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")},
		"to a reply": {failure(with(q, 2, 0x80), 0, refusal), nil},
		"to nothing": {failure(q[:11], 0, refusal), nil},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: got %x, want %x", name, c.got, c.want)
		}
	}
}

// FuzzQuestion: whatever a tenant sends, a question lies within it, and what is
// made of it is never longer and no question again.
func FuzzQuestion(f *testing.F) {
	f.Add(query(7, "www", "example", "org"))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{63}, 80))
	f.Fuzz(func(t *testing.T, q []byte) {
		end, ok := question(q)
		if ok && (end < dnsHeader+5 || end > len(q)) {
			t.Errorf("a question ends at %d of %d", end, len(q))
		}
		if !ok {
			end = 0
		}
		for _, reply := range [][]byte{failure(q, end, servFail), failure(q, 0, refusal)} {
			if len(reply) > len(q) {
				t.Errorf("%d bytes are answered by %d", len(q), len(reply))
			}
			if _, again := question(reply); again {
				t.Errorf("%x is a question", reply)
			}
			if ok && !answers(reply, q, end) {
				t.Errorf("%x is no answer", reply)
			}
		}
	})
}
