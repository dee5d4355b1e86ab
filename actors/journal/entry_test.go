package journal

import (
	"strings"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

var alice = conf.Instance{Service: "notes", ID: "alice"}

func TestStored_ReadsWhatIsWritten(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	for _, want := range []Entry{
		{at, alice, sandbox.Stdout, false, "hello"},
		{at, alice, sandbox.Stderr, false, ""},
		{at, alice, sandbox.Stdout, true, "\x00\xff\x1b[31m {\"fake\":1}\r"},
		{at, alice, sandbox.Stderr, true, strings.Repeat("x", maxLine)},
	} {
		line := appendStored(nil, []byte(at.Format(stampForm)), want.Stream, want.Partial, []byte(want.Message))
		if len(line) > maxStored {
			t.Errorf("a stored line has %d bytes", len(line))
		}
		s, ok := parseStored(line[:len(line)-1])
		got, valid := s.entry(alice)
		if !ok || !valid || got != want {
			t.Errorf("%.60q is read as %+v (%v, %v)", line, got, ok, valid)
		}
	}
}

func TestStored_WhatIsNoLineIsRefused(t *testing.T) {
	for _, line := range []string{
		"", " ", "x", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z stdout F", "2026-03-01T12:00:00Z stdin F x",
		"2026-03-01T12:00:00Z stdout X x", "2026-13-01T12:00:00Z stdout F x", "yesterday stdout F x",
		"2026-03-01T12:00:00Z stdout F " + strings.Repeat("x", maxLine+1),
		strings.Repeat("9", 5000) + " stdout F x",
	} {
		if s, ok := parseStored([]byte(line)); ok {
			if _, ok := s.entry(alice); ok {
				t.Errorf("%.60q is read as a line", line)
			}
		}
	}
}

func FuzzParseStored(f *testing.F) {
	f.Add([]byte("2026-03-01T12:00:00.000000000Z stdout F message"))
	f.Add([]byte("2026-03-01T12:00:00+02:00 stderr P "))
	f.Add([]byte("2026-03-01T12:00:00.1Z stdout"))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, ok := parseStored(line)
		e, valid := s.entry(alice)
		if !ok || !valid {
			return
		}
		if year := e.Time.Year(); year < 0 || year > 9999 {
			return // a zone beyond the last year; never written
		}
		again := appendStored(nil, []byte(e.Time.Format(stampForm)), e.Stream, e.Partial, []byte(e.Message))
		s, ok = parseStored(again[:len(again)-1])
		if got, valid := s.entry(alice); !ok || !valid || got != e {
			t.Errorf("%q is %+v, and %+v after it was written again", line, e, got)
		}
	})
}
