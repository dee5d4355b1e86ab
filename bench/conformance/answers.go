package main

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// answered is one answer as the client got it.
type answered struct {
	status int
	head   string // status line and fields
	body   string
	whole  bool
}

func (a answered) field(name string) (value string, found bool) {
	for line := range strings.SplitSeq(a.head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

var (
	statusLine  = regexp.MustCompile(`^HTTP/1\.[01] ([1-5][0-9][0-9])( [\t\x20-\x7e\x80-\xff]*)?$`)
	errNoAnswer = errors.New("bytes that are no answer")
)

// parseAnswers reads what a client got, as strictly as it would have to: one
// answer after the other, interim ones among them. methods are those of the
// requests; ended says that nothing follows.
func parseAnswers(b []byte, methods []string, ended bool) (all []answered, err error) {
	final := 0
	for len(b) > 0 {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return all, nil
		}
		a := answered{head: string(b[:end])}
		line, _, _ := strings.Cut(a.head, "\r\n")
		parts := statusLine.FindStringSubmatch(line)
		if parts == nil {
			return all, errNoAnswer
		}
		a.status, _ = strconv.Atoi(parts[1])
		b = b[end+4:]
		method := ""
		if final < len(methods) {
			method = methods[final]
		}
		size, err := a.takeBody(b, method, ended)
		b = b[size:]
		all = append(all, a)
		if err != nil || !a.whole {
			return all, err
		}
		if a.status >= 200 {
			final++
		}
		if a.status == 101 {
			return all, nil // what follows is no HTTP
		}
	}
	return all, nil
}

// takeBody follows RFC 9112, 6.3.
func (a *answered) takeBody(b []byte, method string, ended bool) (size int, err error) {
	length, hasLength := a.field("Content-Length")
	coding, hasCoding := a.field("Transfer-Encoding")
	switch {
	case a.status < 200, a.status == 204, a.status == 304, method == "HEAD":
		a.whole = true
		return 0, nil
	case hasCoding && strings.EqualFold(coding, "chunked"):
		m := message{}
		size, err = m.parseChunks(b)
		a.body, a.whole = m.body, m.whole
		if err == errShort {
			err = nil
		}
		return size, err
	case hasLength:
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 {
			return 0, errNoAnswer
		}
		size = min(n, len(b))
		a.body, a.whole = string(b[:size]), size == n
		return size, nil
	}
	a.body, a.whole = string(b), ended
	return len(b), nil
}

// finals leaves interim answers out.
func finals(all []answered) (f []answered) {
	for _, a := range all {
		if a.status >= 200 || a.status == 101 {
			f = append(f, a)
		}
	}
	return f
}
