package edge

import (
	"sync/atomic"
	"time"
)

// dateLine is a Date header, made once a second.
type dateLine struct {
	second int64
	line   []byte
}

var lastDate atomic.Pointer[dateLine]

// appendDate appends the Date that an answer without one must get from whoever
// passes it on (RFC 9110, section 6.6.1).
func appendDate(b []byte, now time.Time) []byte {
	d := lastDate.Load()
	if d == nil || d.second != now.Unix() {
		line := now.UTC().AppendFormat(nil, "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")
		d = &dateLine{second: now.Unix(), line: line}
		lastDate.Store(d)
	}
	return append(b, d.line...)
}
