package edge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"
)

// readBody reads a body to its end through a buffer of a size.
func readBody(from io.Reader, length int64, size int) ([]byte, error) {
	body := newBodyReader(bufio.NewReaderSize(from, size), length)
	var all []byte
	p := make([]byte, 37)
	for {
		n, err := body.Read(p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func TestBody_EndsWhereItsFramingSays(t *testing.T) {
	for _, c := range []struct {
		length         int64
		in, want, rest string
	}{
		{5, "helloHTTP", "hello", "HTTP"},
		{noBody, "HTTP", "", "HTTP"},
		{untilClose, "hello", "hello", ""},
		{untilClose, "", "", ""},
		{chunked, "0\r\n\r\nHTTP", "", "HTTP"},
		{chunked, "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n000\r\nX: y\r\nZ: w\r\n\r\nHTTP", "hello0123456789", "HTTP"},
		{chunked, "00000000000000f\r\n0123456789abcde\r\n0\r\n\r\n", "0123456789abcde", ""},
	} {
		br := bufio.NewReader(strings.NewReader(c.in))
		body := newBodyReader(br, c.length)
		got, err := io.ReadAll(&body)
		rest, _ := io.ReadAll(br)
		if err != nil || string(got) != c.want || string(rest) != c.rest {
			t.Errorf("%q as %d: got %q, %q left, %v", c.in, c.length, got, rest, err)
		}
		if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%q as %d goes on after its end: %d, %v", c.in, c.length, n, err)
		}
	}
}

func TestBody_AnEarlyEndIsNoEnd(t *testing.T) {
	whole := "5\r\nhello\r\n3;x\r\nyou\r\n0\r\nX: y\r\n\r\n"
	for n := range len(whole) {
		if got, err := readBody(strings.NewReader(whole[:n]), chunked, 16); !errors.Is(err, errTruncated) {
			t.Errorf("%q was taken for %q, %v", whole[:n], got, err)
		}
	}
	if _, err := readBody(strings.NewReader("hell"), 5, 16); !errors.Is(err, errTruncated) {
		t.Errorf("4 bytes of 5: %v", err)
	}
	body := newBodyReader(bufio.NewReader(strings.NewReader("0\r\nX: y\r\n")), chunked)
	for range 2 { // asked again, it is no end either
		if _, err := body.Read(make([]byte, 8)); !errors.Is(err, errTruncated) {
			t.Errorf("a trailer without end: %v", err)
		}
	}
	broken := errors.New("reset")
	for _, length := range []int64{5, chunked, untilClose} {
		if _, err := readBody(io.MultiReader(strings.NewReader("1\r\na"), iotest.ErrReader(broken)), length, 16); !errors.Is(err, broken) {
			t.Errorf("a reset in a body of %d: %v", length, err)
		}
	}
}

func TestBody_LooseChunksAreRefused(t *testing.T) {
	for _, in := range []string{
		"5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\n\n",
		"5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
		"\r\n5\r\nhello\r\n0\r\n\r\n", ";x\r\n0\r\n\r\n", "g\r\n", "10000000000000000\r\nhello", "ffffffffffffffff\r\nhello",
		"5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "6\r\nhello\r\n0\r\n\r\n",
		"5;" + strings.Repeat("x", 70<<10) + "\r\nhello\r\n0\r\n\r\n",
		strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\na\r\n", 10) + "0\r\n\r\n", // a lot of little
		"0\r\nno field\r\n\r\n", "0\r\nX : y\r\n\r\n",
		"5;a\r\r\nhello\r\n0\r\n\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "0\r\nX: a\rb\r\n\r\n",
		"0\r\n" + strings.Repeat("X: "+strings.Repeat("y", 100)+"\r\n", 400) + "\r\n",
	} {
		if got, err := readBody(strings.NewReader(in), chunked, 4<<10); err == nil {
			t.Errorf("%.40q was taken for %q", in, got)
		}
	}
}

func TestBody_ReadyMeansThatNothingHasToBeWaitedFor(t *testing.T) {
	in, feed := io.Pipe()
	defer in.Close()
	br := bufio.NewReader(in)
	body := newBodyReader(br, chunked)
	p := make([]byte, 64)
	give := func(s string, ready bool) {
		t.Helper()
		have := br.Buffered()
		go func() { _, _ = io.WriteString(feed, s) }()
		if _, err := br.Peek(have + len(s)); err != nil {
			t.Fatal(err)
		}
		if body.ready() != ready {
			t.Errorf("after %q: ready is %t", s, !ready)
		}
	}
	give("5", false)
	give("\r\n", true)
	if n, err := body.Read(p); n != 0 || err != nil { // the size is there, the data is not
		t.Fatalf("%d, %v", n, err)
	}
	if body.ready() {
		t.Error("ready for data that has not come")
	}
	give("hello", true)
	if n, err := body.Read(p); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	give("\r\n", false) // the end of a chunk is not yet another one
	give("0\r\n\r\n", true)
	if n, err := body.Read(p); n != 0 || err != io.EOF || !body.ready() {
		t.Fatalf("%d, %v", n, err)
	}
}

// Any split of a body reads the same, and what is accepted is what net/http reads.
func FuzzBody_AnySplitReadsTheSameAndNetHTTPAgrees(f *testing.F) {
	for _, seed := range []string{"5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", "5\nhello\n0\n\n", "5 \r\nhello\r\n0\r\n\r\n", "5\r\nhell", "fffffffffffffff\r\n", "0\r\n\r\n5\r\n", "5;ello\r\r\nhello\r\n0\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, err := readBody(bytes.NewReader(in), chunked, 64<<10)
		for _, from := range []io.Reader{iotest.OneByteReader(bytes.NewReader(in)), iotest.HalfReader(bytes.NewReader(in)), iotest.DataErrReader(bytes.NewReader(in))} {
			got, e := readBody(from, chunked, 64<<10)
			if (e == nil) != (err == nil) || !bytes.Equal(got, want) {
				t.Fatalf("%q reads as %q, %v and as %q, %v", in, want, err, got, e)
			}
		}
		if err != nil {
			return
		}
		theirs, e := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(in))))
		if e != nil || !bytes.Equal(theirs, want) {
			t.Fatalf("%q is %q here and %q, %v in net/http", in, want, theirs, e)
		}
	})
}
