package journal

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// notePrefix marks lines of tenement's own among those of a tenant.
const notePrefix = "tenement: "

// retryAfter is the pause before a log that could not be opened is tried again.
const retryAfter = time.Second

// Writer writes the log of one tenant. Its methods are safe for concurrent use
// and never fail; what cannot be written counts as dropped.
type Writer struct {
	journal *Journal
	name    conf.Instance

	mu      sync.Mutex
	streams [2]splitter // stdout, stderr
	file    *os.File    // the newest segment; nil while it cannot be opened
	size    int64       // of file
	torn    bool        // file ends in mid-line
	closed  bool
	nextTry time.Time // of opening, while file is nil
}

// buffers are shared by all writers: one is used for the time of a Write only.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2*maxStored); return &b }}

// Write takes raw output in any split: chunk is copied. One chunk's lines have
// one time and cost one write to disk, or one for every 64 KB.
func (w *Writer) Write(stream sandbox.Stream, chunk []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.streams[0]
	if stream == sandbox.Stderr {
		s = &w.streams[1]
	}
	b := w.begin()
	for {
		message, partial, rest, ok := s.next(chunk)
		if !ok {
			break
		}
		b.add(stream, partial, message)
		chunk = rest
	}
	b.end()
	s.rest()
}

// Note writes a line from tenement itself to the tenant's stderr, "tenement: "
// in front. Text of several lines becomes several.
func (w *Writer) Note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.begin()
	for line := range strings.Lines(text) {
		line = notePrefix + strings.TrimRight(line, "\r\n")
		for len(line) > maxLine {
			b.add(sandbox.Stderr, true, []byte(line[:maxLine]))
			line = line[maxLine:]
		}
		b.add(sandbox.Stderr, false, []byte(line))
	}
	b.end()
}

// Close writes unfinished lines and gives the file back. What comes afterwards
// is dropped; a second call does nothing.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.begin()
	for i := range w.streams {
		if message, ok := w.streams[i].flush(); ok {
			b.add(sandbox.Stream(i+1), false, message)
		}
	}
	b.end()
	w.closed = true
	w.drop()
}

// batch is the lines of one call, on their way to the disk. Its time is taken
// once: it is that of the chunk.
type batch struct {
	w         *Writer
	now       time.Time
	stamp     [len(stampForm)]byte
	buf       *[]byte
	lines     uint64
	followers []*Follower
}

func (w *Writer) begin() *batch {
	b := &batch{w: w, now: time.Now().UTC(), buf: buffers.Get().(*[]byte)}
	b.now.AppendFormat(b.stamp[:0], stampForm)
	if followers := w.journal.followers.Load(); followers != nil {
		b.followers = *followers
	}
	return b
}

func (b *batch) add(stream sandbox.Stream, partial bool, message []byte) {
	*b.buf = appendStored(*b.buf, b.stamp[:], stream, partial, message)
	b.lines++
	for _, f := range b.followers {
		if f.query.wants(b.w.name, stream, message) {
			f.offer(Entry{Time: b.now, Name: b.w.name, Stream: stream, Partial: partial, Message: string(message)})
		}
	}
	if len(*b.buf) >= maxLine {
		b.store()
	}
}

func (b *batch) store() {
	b.w.journal.dropped.Add(b.w.store(*b.buf, b.lines, b.now))
	*b.buf, b.lines = (*b.buf)[:0], 0
}

func (b *batch) end() {
	if b.lines > 0 {
		b.store()
	}
	buffers.Put(b.buf)
}

// store writes whole lines to the newest segment and tells how many were lost.
func (w *Writer) store(buf []byte, lines uint64, now time.Time) (lost uint64) {
	if !w.opened(int64(len(buf)), now) {
		return lines
	}
	if w.torn {
		if _, err := w.file.Write([]byte("\n")); err != nil {
			return lines
		}
		w.torn = false
		w.size++
	}
	n, err := w.file.Write(buf)
	if err == nil {
		w.size += int64(n)
		return 0
	}
	// A full disk may take a part: its whole lines stay, the last one goes.
	whole := bytes.LastIndexByte(buf[:n], '\n') + 1
	w.size += int64(whole)
	if n > whole && w.file.Truncate(w.size) != nil {
		w.size += int64(n - whole)
		w.torn = true
	}
	return lines - uint64(bytes.Count(buf[:whole], []byte("\n")))
}

// opened sees to an open segment with room for so many bytes more.
func (w *Writer) opened(room int64, now time.Time) bool {
	if w.file != nil && w.size > 0 && w.size+room > w.journal.segment {
		w.drop()
		w.nextTry = time.Time{}
	}
	if w.file == nil && !w.closed && !now.Before(w.nextTry) {
		w.open(room)
		w.nextTry = now.Add(retryAfter)
	}
	return w.file != nil
}

// open opens the newest segment if it has room, else the next one.
func (w *Writer) open(room int64) {
	d, err := w.journal.openDir(w.name, true)
	if err != nil {
		return
	}
	defer d.Close()
	w.file, w.size, w.torn = d.newest(room, w.journal.segment, w.journal.maxBytes)
}

// drop closes the segment.
func (w *Writer) drop() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}
