package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// said is a connection on which a client has said something.
type said struct {
	net.Conn
	r io.Reader
}

func (s said) Read(p []byte) (int, error) { return s.r.Read(p) }

// h2Frames is what a client sends, made frame by frame.
type h2Frames struct {
	bytes.Buffer
	*http2.Framer
	fields *hpack.Encoder
	block  bytes.Buffer
}

func newH2Frames() *h2Frames {
	f := &h2Frames{}
	f.WriteString(http2.ClientPreface)
	f.Framer = http2.NewFramer(&f.Buffer, nil)
	f.fields = hpack.NewEncoder(&f.block)
	return f
}

// headers writes a request, its field section in parts of size bytes.
func (f *h2Frames) headers(t *testing.T, stream uint32, size int, pad uint8, extra ...string) {
	t.Helper()
	f.block.Reset()
	for _, field := range append([]string{":method=GET", ":scheme=https", ":path=/", ":authority=example.test", "x-kept=" + fmt.Sprint("stream", stream)}, extra...) {
		name, value, _ := strings.Cut(field, "=")
		if err := f.fields.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	block := f.block.Bytes()
	first := block[:min(size, len(block))]
	block = block[len(first):]
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: len(block) == 0, PadLength: pad, Priority: http2.PriorityParam{StreamDep: 7}})
	for len(block) > 0 && err == nil {
		part := block[:min(size, len(block))]
		block = block[len(part):]
		err = f.WriteContinuation(stream, len(block) == 0, part)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read gives what the library sees of frames, one line each.
func (f *h2Frames) read(t *testing.T, wrap func(io.Reader) io.Reader) string {
	t.Helper()
	strict := newH2Strict(said{r: wrap(bytes.NewReader(f.Bytes()))})
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(strict, preface); err != nil || string(preface) != http2.ClientPreface {
		t.Fatalf("%q, %v", preface, err)
	}
	reader := http2.NewFramer(io.Discard, strict)
	reader.ReadMetaHeaders = hpack.NewDecoder(tableSize, nil)
	var lines []string
	for {
		frame, err := reader.ReadFrame()
		var reset http2.StreamError
		switch {
		case err == io.EOF:
			return strings.Join(lines, "\n")
		case errors.As(err, &reset):
			lines = append(lines, fmt.Sprint("stream ", reset.StreamID, " ", reset.Code))
			continue
		case err != nil:
			return strings.Join(append(lines, err.Error()), "\n")
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			lines = append(lines, fmt.Sprint("stream ", frame.StreamID, " ", frame.Fields[4].Value))
		case *http2.SettingsFrame:
			lines = append(lines, fmt.Sprint("settings ", frame.NumSettings(), " ", frame.HasDuplicates()))
		case *http2.DataFrame:
			lines = append(lines, fmt.Sprint("data ", len(frame.Data())))
		default:
			lines = append(lines, frame.Header().Type.String())
		}
	}
}

func TestH2Strict_MalformedRequestsAreStreamErrorsAndOthersPass(t *testing.T) {
	for _, size := range []int{1, 7, 20, 16000} {
		f := newH2Frames()
		f.headers(t, 1, size, 0)
		f.headers(t, 3, size, 5, "connection=close", "x-new=1") // which the table has from now on
		f.headers(t, 5, size, 3, "te=gzip")
		f.headers(t, 7, size, 0, "te=trailers", "x-new=1")
		f.headers(t, 9, size, 0, "transfer-encoding=chunked", "keep-alive=1", "upgrade=x", "proxy-connection=x")
		f.headers(t, 11, size, 9)
		want := "stream 1 stream1\nstream 3 PROTOCOL_ERROR\nstream 5 PROTOCOL_ERROR\nstream 7 stream7\nstream 9 PROTOCOL_ERROR\nstream 11 stream11"
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			if got := f.read(t, wrap); got != want {
				t.Errorf("parts of %d, %s:\n%s\nwant\n%s", size, name, got, want)
			}
		}
	}
}

func TestH2Strict_TheLastOfTwoSettingsCounts(t *testing.T) {
	f := newH2Frames()
	settings := func(s ...http2.Setting) {
		if err := f.WriteSettings(s...); err != nil {
			t.Fatal(err)
		}
	}
	settings()
	settings(http2.Setting{ID: 4, Val: 1}, http2.Setting{ID: 3, Val: 9}, http2.Setting{ID: 4, Val: 2})
	many := make([]http2.Setting, maxSettings+1)
	settings(many...)
	strict := newH2Strict(said{r: bytes.NewReader(f.Bytes()[len(http2.ClientPreface):])})
	strict.pass = 0
	reader := http2.NewFramer(io.Discard, strict)
	for _, want := range []string{"[]", "[[MAX_CONCURRENT_STREAMS = 9] [INITIAL_WINDOW_SIZE = 2]]", "left to the library"} {
		frame, err := reader.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		s := frame.(*http2.SettingsFrame)
		got := "left to the library"
		if s.NumSettings() <= maxSettings {
			got = "["
			_ = s.ForeachSetting(func(one http2.Setting) error {
				got += strings.TrimPrefix(" "+one.String(), map[bool]string{true: " "}[got == "["])
				return nil
			})
			got += "]"
		}
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestH2Strict_EverythingElsePassesAsItIs(t *testing.T) {
	f := newH2Frames()
	f.headers(t, 1, 16000, 0)
	for _, n := range []int{0, 1, 16384, 100_000} { // the last is for the library to refuse
		if err := f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.WritePing(false, [8]byte{1}), f.WriteGoAway(0, 0, nil), f.WriteRawFrame(77, 3, 9, []byte("new")), f.WriteRawFrame(http2.FrameHeaders, 4, 3, make([]byte, 20_000))); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(newH2Strict(said{r: bytes.NewReader(f.Bytes())}))
	if !bytes.Equal(got, f.Bytes()) || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), f.Len(), err)
	}
	cut := f.Bytes()[:40]
	if _, err := io.ReadAll(newH2Strict(said{r: bytes.NewReader(cut)})); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame that is cut: %v", err)
	}
}

func FuzzH2Strict(f *testing.F) {
	some := newH2Frames()
	t := &testing.T{}
	some.headers(t, 1, 9, 3, "te=gzip", "connection=x")
	some.headers(t, 3, 9, 0)
	f.Add(some.Bytes())
	f.Add([]byte(http2.ClientPreface + "\x00\x00\x01\x01\x08\x00\x00\x00\x01\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		strict := newH2Strict(said{r: bytes.NewReader(b)})
		out, err := io.ReadAll(strict)
		if err != nil && err != io.ErrUnexpectedEOF {
			t.Errorf("%v", err)
		}
		if more := len(out) - len(b); more > 0 && !bytes.Contains(out, malformedField) {
			t.Errorf("%d bytes came from nowhere", more)
		}
	})
}
