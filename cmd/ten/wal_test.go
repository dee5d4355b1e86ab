package main

import (
	endian "encoding/binary"
	"strings"
	"testing"
)

// logOf is a log with pages of 512 bytes: live frames, then some of a former one.
func logOf(live, former int) string {
	head := make([]byte, 32)
	endian.BigEndian.PutUint32(head[8:], 512)
	copy(head[16:], "saltSALT")
	text := string(head)
	for i := range live + former {
		frame := make([]byte, 24+512)
		copy(frame[8:], "saltSALT")
		if i >= live {
			copy(frame[8:], "pastPAST")
		}
		text += string(frame)
	}
	return text
}

func TestLiveLog_EndsWhereAFormerOneGoesOn(t *testing.T) {
	t.Parallel()
	const frame = 24 + 512
	for about, c := range map[string]struct {
		text string
		want int64
	}{
		"nothing but a header":  {logOf(0, 0), 32},
		"live only":             {logOf(3, 0), 32 + 3*frame},
		"live and former":       {logOf(2, 5), 32 + 2*frame},
		"former only":           {logOf(0, 5), 32},
		"half a frame":          {logOf(2, 0)[:32+frame+100], 32 + frame},
		"empty":                 {"", 0},
		"too short":             {"short", 5},
		"no log":                {strings.Repeat("\xff", 5000), 5000},
		"pages of no size":      {strings.Repeat("\x00", 5000), 5000},
		"two, with more behind": {logOf(2, 0) + "more", 32 + 2*frame},
	} {
		if got := liveLog(strings.NewReader(c.text), int64(len(c.text))); got != c.want {
			t.Errorf("%s: %d, want %d", about, got, c.want)
		}
	}
}
