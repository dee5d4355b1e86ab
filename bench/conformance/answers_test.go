package main

import "testing"

func TestAnswers_AreReadAsAClientHasTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, bytes string
		methods     []string
		ended       bool
		bodies      []string
		whole       bool // the last of them
	}{
		{"a length", ok("Content-Length: 2\r\n", "ab"), nil, false, []string{"ab"}, true},
		{"too short", ok("Content-Length: 3\r\n", "ab"), nil, true, []string{"ab"}, false},
		{"chunked", ok(chunks, "2\r\nab\r\n0\r\n\r\n"), nil, false, []string{"ab"}, true},
		{"chunked without end", ok(chunks, "2\r\nab\r\n"), nil, true, []string{"ab"}, false},
		{"until the end", ok("", "ab"), nil, true, []string{"ab"}, true},
		{"until the end, open", ok("", "ab"), nil, false, []string{"ab"}, false},
		{"HEAD, then GET", ok("Content-Length: 2\r\n", "") + ok("Content-Length: 2\r\n", "ab"), []string{"HEAD", "GET"}, false, []string{"", "ab"}, true},
		{"interim", "HTTP/1.1 103 X\r\n\r\n" + ok("Content-Length: 2\r\n", "ab"), []string{"GET"}, false, []string{"", "ab"}, true},
		{"a switch", switches + "raw", []string{"GET"}, false, []string{""}, true},
		{"half a head", "HTTP/1.1 200 OK\r\nConte", nil, true, nil, false},
	} {
		all, err := parseAnswers([]byte(c.bytes), c.methods, c.ended)
		if err != nil || len(all) != len(c.bodies) {
			t.Errorf("%s: %v, %v", c.name, all, err)
			continue
		}
		for i, a := range all {
			if a.body != c.bodies[i] {
				t.Errorf("%s: body %q, want %q", c.name, a.body, c.bodies[i])
			}
		}
		if n := len(all); n > 0 && all[n-1].whole != c.whole {
			t.Errorf("%s: whole is %v", c.name, all[n-1].whole)
		}
	}
}

func TestAnswers_GarbageIsNone(t *testing.T) {
	t.Parallel()
	for _, bytes := range []string{"nonsense\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", ok("Content-Length: x\r\n", ""), ok(chunks, "x\r\n"), ok("Content-Length: 1\r\n", "abc\r\n\r\n")} {
		if all, err := parseAnswers([]byte(bytes), nil, false); err == nil {
			t.Errorf("%q: %v", bytes, all)
		}
	}
}
