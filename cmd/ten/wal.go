package main

import (
	"bytes"
	endian "encoding/binary"
	"io"
)

// liveLog tells how much of a write-ahead log of SQLite's counts: what follows is
// left of a longer one that was there before, never cut off, and may be a thousand
// times as long. Frames of the log bear the salts of its header
// (https://sqlite.org/fileformat.html, 4.1). What is no log counts as a whole.
func liveLog(log io.ReaderAt, size int64) int64 {
	const header, frameHeader = 32, 24
	var head [header]byte
	if _, err := log.ReadAt(head[:], 0); err != nil {
		return size
	}
	page := int64(endian.BigEndian.Uint32(head[8:]))
	if page < 512 || page > 65536 {
		return size
	}
	end := int64(header)
	for next := end + frameHeader + page; next <= size; next += frameHeader + page {
		var salts [8]byte
		if _, err := log.ReadAt(salts[:], end+8); err != nil || !bytes.Equal(salts[:], head[16:24]) {
			break
		}
		end = next
	}
	return end
}
