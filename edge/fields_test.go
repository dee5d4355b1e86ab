package edge

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestFields_MalformedLinesAreRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"folded":               "A: 1\r\n 2\r\n",
		"folded by a tab":      "A: 1\r\n\t2\r\n",
		"no colon":             "A\r\n",
		"no name":              ": 1\r\n",
		"space before colon":   "A : 1\r\n",
		"space in the name":    "A B: 1\r\n",
		"NUL in the value":     "A: \x00\r\n",
		"DEL in the value":     "A: \x7f\r\n",
		"bare CR in the value": "A: 1\r2\r\n",
		"two CRs":              "A: 1\r\r\n",
		"control in the name":  "A\x01: 1\r\n",
		"not ASCII in a name":  "Ä: 1\r\n",
	} {
		if err := eachField([]byte(raw), func(_, _ []byte) error { return nil }); err != errField {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFields_GoodLinesAreGivenWithoutSpaceAround(t *testing.T) {
	var got []string
	err := eachField([]byte("A: 1\r\nb:\t2 \t\r\nC:\nD: x: y\r\n\r\nAfter: end\r\n"), func(name, value []byte) error {
		got = append(got, string(name)+"="+string(value))
		return nil
	})
	if err != nil || strings.Join(got, "|") != "A=1|b=2|C=|D=x: y" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFields_TheCallersErrorEndsTheReading(t *testing.T) {
	stop, n := errors.New("stop"), 0
	if err := eachField([]byte("A: 1\r\nB: 2\r\n"), func(_, _ []byte) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("got %v after %d lines", err, n)
	}
}

func TestFields_ContentLengthIsDigitsAndFits(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "7": 7, "007": 7, "4611686018427387903": 1<<62 - 1} {
		if n, ok := contentLength([]byte(in)); !ok || n != want {
			t.Errorf("%q: got %d, %t", in, n, ok)
		}
	}
	for _, in := range []string{"", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1e3", "1.0", "٣", "9223372036854775808", "18446744073709551617", strings.Repeat("0", 20)} {
		if n, ok := contentLength([]byte(in)); ok {
			t.Errorf("%q was taken for %d", in, n)
		}
	}
	for _, in := range []string{"9223372036854775807", "4611686018427387999", "9999999999999999999"} {
		if n, ok := contentLength([]byte(in)); ok && n < 0 {
			t.Errorf("%q overflowed to %d", in, n)
		}
	}
}

func TestFields_ConnectionNominatesNeitherFramingNorHost(t *testing.T) {
	var n nominated
	if !n.add([]byte("close, X-Secret , ,Host,content-length, Transfer-Encoding, keep-alive, Cookie")) || !n.close {
		t.Errorf("close was not seen: %+v", n)
	}
	for name, want := range map[string]bool{"x-secret": true, "COOKIE": true, "host": false, "content-length": false, "transfer-encoding": false, "close": false, "": false} {
		if n.has([]byte(name)) != want {
			t.Errorf("%q: has is %t", name, !want)
		}
	}
}

func TestFields_ManyNominationsAreTooMany(t *testing.T) {
	var n nominated
	if !n.add([]byte(strings.Repeat("a,", maxNominated))) {
		t.Error("refused at the limit")
	}
	if n.add([]byte("b")) {
		t.Error("taken beyond the limit")
	}
}

func TestFields_HopByHopWhateverTheCase(t *testing.T) {
	for _, name := range []string{"Connection", "KEEP-ALIVE", "Proxy-Connection", "proxy-authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "uPgrade"} {
		if !hopByHop([]byte(name)) {
			t.Errorf("%s goes on to the next hop", name)
		}
	}
	for _, name := range []string{"Host", "Authorization", "Set-Cookie", "Te2", "Upgrades", "Transfer_Encoding"} {
		if hopByHop([]byte(name)) {
			t.Errorf("%s is held back", name)
		}
	}
}

// What passes can be written again, line by line, and says the same.
func FuzzFields_WhatPassesReadsTheSameAgain(f *testing.F) {
	for _, seed := range []string{"A: 1\r\nB: 2\r\n\r\n", "A:1\nB:\t2", "A: 1\r\n 2\r\n", "A : 1\r\n", "a: \x80\xff\r\n", "a:\r\r\n", ":\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var out []byte
		n := 0
		if eachField(raw, func(name, value []byte) error {
			n++
			out = field(out, name, value)
			return nil
		}) != nil {
			return
		}
		if lines := bytes.Count(out, []byte("\r\n")); lines != n || bytes.Count(out, []byte("\n")) != n || bytes.Count(out, []byte("\r")) != n {
			t.Fatalf("%d headers became %d lines: %q", n, lines, out)
		}
		var again []byte
		if err := eachField(out, func(name, value []byte) error { again = field(again, name, value); return nil }); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q reads as %q, %v", out, again, err)
		}
	})
}
