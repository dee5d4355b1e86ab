package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

var bob = conf.Instance{Service: "notes", ID: "bob"}

func newJournal(t testing.TB) *Journal { return Open(filepath.Join(t.TempDir(), ".logs"), minBytes) }

func query(t testing.TB, j *Journal, q Query) []Entry {
	t.Helper()
	entries, err := j.Query(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// messages are the last lines of a tenant.
func messages(t testing.TB, j *Journal, name conf.Instance) (list []string) {
	t.Helper()
	for _, e := range query(t, j, Query{Name: &name, Limit: maxLimit}) {
		list = append(list, e.Message)
	}
	return list
}

// said checks what the messages of a tenant are.
func said(t testing.TB, j *Journal, name conf.Instance, want ...string) {
	t.Helper()
	if got := messages(t, j, name); !reflect.DeepEqual(got, want) {
		t.Errorf("%s said %q, want %q", name, got, want)
	}
}

func files(t testing.TB, j *Journal, name conf.Instance) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(j.dir, name.Service, name.ID, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWriter_KeepsStreamsApartAndInOrder(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	before := time.Now()
	w.Write(sandbox.Stdout, []byte("out 1\nou"))
	w.Write(sandbox.Stderr, []byte("er"))
	w.Write(sandbox.Stdout, []byte("t 2\n"))
	w.Write(sandbox.Stderr, []byte("r 1\nunfinished"))
	w.Note("started\nin two lines\r\n")
	w.Write(sandbox.Stdout, []byte("also unfinished"))
	w.Close()
	w.Close()
	var got []string
	for _, e := range query(t, j, Query{}) {
		if e.Name != alice || e.Partial || e.Time.Before(before.Add(-time.Second)) || e.Time.After(time.Now().Add(time.Second)) || e.Time.Location() != time.UTC {
			t.Errorf("entry %+v", e)
		}
		got = append(got, fmt.Sprint(e.Stream, " ", e.Message))
	}
	want := []string{"1 out 1", "1 out 2", "2 err 1", "2 tenement: started", "2 tenement: in two lines", "1 also unfinished", "2 unfinished"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("entries %q, want %q", got, want)
	}
	if j.Dropped() != 0 {
		t.Errorf("%d lines dropped", j.Dropped())
	}
}

func TestWriter_IsPrivateOnDisk(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	defer w.Close()
	if entries, err := os.ReadDir(j.dir); err == nil && len(entries) > 0 {
		t.Errorf("a writer that wrote nothing has made %v", entries)
	}
	w.Note("hello")
	for path, want := range map[string]os.FileMode{
		j.dir:                               os.ModeDir | 0o700,
		filepath.Join(j.dir, "notes"):       os.ModeDir | 0o700,
		filepath.Join(j.dir, "notes/alice"): os.ModeDir | 0o700,
		files(t, j, alice)[0]:               0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
}

func TestWriter_GoesOnAfterARestart(t *testing.T) {
	j := newJournal(t)
	for _, text := range []string{"first\n", "second\n"} {
		w := j.Writer(alice)
		w.Write(sandbox.Stdout, []byte(text))
		w.Close()
		j = Open(j.dir, minBytes)
	}
	said(t, j, alice, "first", "second")
}

func TestWriter_ATornLastLineHarmsNoOther(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	w.Write(sandbox.Stdout, []byte("whole\ntorn by a crash\n"))
	w.Close()
	log := files(t, j, alice)[0]
	info, _ := os.Stat(log)
	if err := os.Truncate(log, info.Size()-7); err != nil {
		t.Fatal(err)
	}
	said(t, j, alice, "whole")
	w = j.Writer(alice)
	w.Write(sandbox.Stdout, []byte("after\n"))
	w.Close()
	said(t, j, alice, "whole", "torn by a", "after")
}

func TestWriter_StaysWithinItsBytesAndKeepsTheNewest(t *testing.T) {
	j := newJournal(t)
	other := j.Writer(bob)
	other.Write(sandbox.Stdout, []byte("quiet\n"))
	w := j.Writer(alice)
	line := 0
	for range 2000 {
		var chunk bytes.Buffer
		for range 50 {
			line++
			fmt.Fprintf(&chunk, "line %d\n", line)
		}
		w.Write(sandbox.Stdout, chunk.Bytes())
	}
	w.Close()
	other.Close()
	var total int64
	for _, file := range files(t, j, alice) {
		info, _ := os.Stat(file)
		total += info.Size()
	}
	if total > minBytes || total < minBytes/2 {
		t.Errorf("the log has %d bytes in %d files, want up to %d", total, len(files(t, j, alice)), minBytes)
	}
	got := messages(t, j, alice)
	for i, m := range got {
		if want := fmt.Sprint("line ", line-len(got)+1+i); m != want {
			t.Fatalf("entry %d is %q, want %q", i, m, want)
		}
	}
	if len(got) != maxLimit {
		t.Errorf("%d entries, want %d, over more than one file", len(got), maxLimit)
	}
	said(t, j, bob, "quiet")
}

func TestWriter_ASmallerLimitTakesHoldAtTheNextWake(t *testing.T) {
	j := Open(filepath.Join(t.TempDir(), ".logs"), 4*minBytes)
	w := j.Writer(alice)
	for range 60 {
		w.Write(sandbox.Stdout, append(bytes.Repeat([]byte("x"), maxLine), '\n'))
	}
	w.Close()
	j = Open(j.dir, minBytes)
	w = j.Writer(alice)
	w.Write(sandbox.Stdout, []byte("new\n"))
	w.Close()
	if list := files(t, j, alice); len(list) > 2 {
		t.Errorf("files %v are still there", list)
	}
	if got := messages(t, j, alice); got[len(got)-1] != "new" {
		t.Error("the new line is not there")
	}
}

func TestWriter_AGigabyteWithoutANewlineCostsNoMemory(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	defer w.Close()
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	w.Write(sandbox.Stdout, chunk)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1 << 30 / len(chunk) / 8 { // an eighth of it shows the same
		w.Write(sandbox.Stdout, chunk)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes more are held", grown)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	got := query(t, j, Query{Limit: 3})
	for _, e := range got {
		if !e.Partial || len(e.Message) != maxLine {
			t.Errorf("an entry of %d bytes, partial %v", len(e.Message), e.Partial)
		}
	}
	if len(got) != 3 || j.Dropped() != 0 {
		t.Errorf("%d entries, %d dropped", len(got), j.Dropped())
	}
}

func TestWriter_ALongNoteComesInParts(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	w.Note(strings.Repeat("n", maxLine))
	w.Note("")
	w.Close()
	got := query(t, j, Query{})
	if len(got) != 2 || !got[0].Partial || got[1].Partial || len(got[0].Message+got[1].Message) != maxLine+len(notePrefix) {
		t.Errorf("%d entries: %.80v", len(got), got)
	}
}

func TestWriter_AFailingDiskDropsAndCountsLinesAndPasses(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	defer w.Close()
	w.Write(sandbox.Stdout, []byte("before\n"))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here to fail writes")
	}
	defer full.Close()
	good := w.file
	w.file = full
	w.Write(sandbox.Stdout, []byte("lost 1\nlost 2\nha"))
	w.torn = true
	w.Write(sandbox.Stdout, []byte("lf\n"))
	w.torn, w.file = false, good
	w.Write(sandbox.Stdout, []byte("after\n"))
	said(t, j, alice, "before", "after")
	if j.Dropped() != 3 {
		t.Errorf("%d lines dropped, want 3", j.Dropped())
	}
}

func TestWriter_AFullDiskKeepsWholeLinesAndRecovers(t *testing.T) {
	onSmallDisk(t, 256<<10, func(dir string) {
		j := Open(dir, minBytes)
		w := j.Writer(alice)
		stuff := filepath.Join(dir, "stuff")
		if err := os.WriteFile(stuff, make([]byte, 128<<10), 0o600); err != nil {
			t.Error(err)
		}
		line := strings.Repeat("x", 1500)
		const lines = 200
		for i := range lines {
			w.Write(sandbox.Stdout, fmt.Appendf(nil, "%d %s\n", i, line))
		}
		if lost := j.Dropped(); lost == 0 || lost >= lines {
			t.Errorf("%d lines dropped of %d", lost, lines)
		}
		os.Remove(stuff)
		w.Write(sandbox.Stdout, []byte("space again\n"))
		w.Close()
		got, err := j.Query(context.Background(), Query{Limit: maxLimit})
		if err != nil || uint64(len(got))+j.Dropped() != lines+1 || got[len(got)-1].Message != "space again" {
			t.Errorf("%d entries and %d dropped: %v", len(got), j.Dropped(), err)
		}
		for _, e := range got[:len(got)-1] {
			if !strings.HasSuffix(e.Message, line) {
				t.Errorf("a cut line of %d bytes", len(e.Message))
			}
		}
	})
}

func TestWriter_ALineCutShortThatCannotBeTakenBackIsEnded(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	r, pipe, err := os.Pipe() // takes 64 KB, then nothing, and cannot be truncated
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.drop()
	w.file = pipe
	line := strings.Repeat("x", 1000)
	if err := pipe.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	const lines = 66 // a little more than 64 KB
	w.Write(sandbox.Stdout, []byte(strings.Repeat(line+"\n", lines)))
	if j.Dropped() == 0 || !w.torn {
		t.Fatalf("%d lines dropped, torn %v", j.Dropped(), w.torn)
	}
	if err := pipe.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	output := make(chan []byte)
	go func() { // ended by Close, which closes the pipe
		all, _ := io.ReadAll(r)
		output <- all
	}()
	w.Write(sandbox.Stdout, []byte("after\n"))
	w.Close()
	whole := 0
	stored := bytes.Split(<-output, []byte("\n"))
	for _, text := range stored {
		if s, ok := parseStored(text); ok && string(s.message) == line {
			whole++
		}
	}
	if last, ok := parseStored(stored[len(stored)-2]); !ok || string(last.message) != "after" {
		t.Errorf("the last line is %q", stored[len(stored)-2])
	}
	if uint64(whole)+j.Dropped() != lines {
		t.Errorf("%d whole lines and %d dropped, want %d together", whole, j.Dropped(), lines)
	}
}

func TestWriter_WithoutItsDirectoryDropsUntilThereIsOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".logs")
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := Open(dir, minBytes)
	w := j.Writer(alice)
	defer w.Close()
	w.Write(sandbox.Stdout, []byte("lost\n"))
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	w.Write(sandbox.Stdout, []byte("lost too: it is not tried again at once\n"))
	w.nextTry = time.Now()
	w.Write(sandbox.Stdout, []byte("there\n"))
	said(t, j, alice, "there")
	if j.Dropped() != 2 {
		t.Errorf("%d lines dropped, want 2", j.Dropped())
	}
}

func TestWriter_AfterCloseLinesAreDropped(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	w.Close()
	w.Note("late")
	if j.Dropped() != 1 || len(messages(t, j, alice)) != 0 {
		t.Errorf("%d dropped, want 1", j.Dropped())
	}
}

func TestWriter_NotesFromOtherGoroutinesStayWhole(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				w.Note("note")
			}
		})
	}
	for range 100 {
		w.Write(sandbox.Stdout, []byte("li"))
		w.Write(sandbox.Stdout, []byte("ne\n"))
	}
	wg.Wait()
	w.Close()
	counts := map[string]int{}
	for _, m := range messages(t, j, alice) {
		counts[m]++
	}
	if want := map[string]int{"line": 100, "tenement: note": 400}; !reflect.DeepEqual(counts, want) {
		t.Errorf("messages %v, want %v", counts, want)
	}
}

func TestWriter_HoldsOneFile(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	for range 40 { // over several segments
		w.Write(sandbox.Stdout, append(bytes.Repeat([]byte("x"), maxLine), '\n'))
	}
	open := 0
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc here to count files in")
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, j.dir) {
			open++
		}
	}
	if open != 1 {
		t.Errorf("%d files are open, want 1", open)
	}
	w.Close()
}

func TestWriter_ALinkInTheWayIsNotFollowed(t *testing.T) {
	j := newJournal(t)
	outside := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(j.dir, "notes", "alice")
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, plant := range []func() error{
		func() error { return os.Symlink(outside, filepath.Join(at, "0000000001.log")) },
		func() error { return os.Remove(filepath.Join(at, "0000000001.log")) },
		func() error { return syscall.Mkfifo(filepath.Join(at, "0000000009.log"), 0o600) },
		func() error { return errors.Join(os.RemoveAll(at), os.Symlink(filepath.Dir(outside), at)) },
		func() error {
			return errors.Join(os.Mkdir(filepath.Join(j.dir, "victim"), 0o700), os.Remove(at), os.Symlink("../victim", at))
		},
	} {
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		w := j.Writer(alice)
		w.Write(sandbox.Stdout, []byte("line\n"))
		w.Close()
		if got, _ := os.ReadFile(outside); string(got) != "precious" {
			t.Fatalf("the victim says %q", got)
		}
	}
	for dir, want := range map[string]int{filepath.Dir(outside): 1, filepath.Join(j.dir, "victim"): 0} {
		if list, _ := os.ReadDir(dir); len(list) != want {
			t.Errorf("%d files in %s, want %d", len(list), dir, want)
		}
	}
}

func BenchmarkWriter_Lines(b *testing.B) {
	for _, follow := range []bool{false, true} {
		b.Run(fmt.Sprintf("followed=%v", follow), func(b *testing.B) {
			j := newJournal(b)
			if follow {
				defer j.Follow(Query{}).Close()
			}
			w := j.Writer(alice)
			defer w.Close()
			chunk := bytes.Repeat([]byte("127.0.0.1 - - \"GET /notes/1 HTTP/1.1\" 200 1234\n"), 1000)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				w.Write(sandbox.Stdout, chunk)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
		})
	}
}

func BenchmarkWriter_OneLine(b *testing.B) {
	w := newJournal(b).Writer(alice)
	defer w.Close()
	line := []byte("127.0.0.1 - - \"GET /notes/1 HTTP/1.1\" 200 1234\n")
	b.ReportAllocs()
	for b.Loop() {
		w.Write(sandbox.Stdout, line)
	}
}
