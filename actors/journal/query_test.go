package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// plant writes a tenant's segment as it stands.
func plant(t testing.TB, j *Journal, name conf.Instance, segment, content string) {
	t.Helper()
	dir := filepath.Join(j.dir, name.Service, name.ID)
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, segment), []byte(content), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// at is a stored line of second n.
func at(n int, message string) string {
	return fmt.Sprintf("2026-03-01T12:%02d:%02d.000000000Z stdout F %s\n", n/60, n%60, message)
}

func texts(entries []Entry) (list []string) {
	for _, e := range entries {
		list = append(list, e.Message)
	}
	return list
}

func TestQuery_WithoutAnyLogIsEmpty(t *testing.T) {
	j := newJournal(t)
	for _, q := range []Query{{}, {Name: &alice}, {Service: "notes"}} {
		if got := query(t, j, q); len(got) != 0 {
			t.Errorf("%+v gives %v", q, got)
		}
	}
	if _, err := os.Stat(j.dir); err == nil {
		t.Error("a query made the directory")
	}
}

func TestQuery_PicksByTenantServiceStreamAndText(t *testing.T) {
	j := newJournal(t)
	carol := conf.Instance{Service: "shop", ID: "carol"}
	for _, name := range []conf.Instance{alice, bob, carol} {
		w := j.Writer(name)
		w.Write(sandbox.Stdout, []byte(name.ID+" says Hello\n"))
		w.Write(sandbox.Stderr, []byte(name.ID+" fails\n"))
		w.Close()
	}
	for _, tc := range []struct {
		q    Query
		want []string
	}{
		{Query{}, []string{"alice says Hello", "alice fails", "bob says Hello", "bob fails", "carol says Hello", "carol fails"}},
		{Query{Name: &bob}, []string{"bob says Hello", "bob fails"}},
		{Query{Name: &bob, Service: "shop"}, nil},
		{Query{Name: &conf.Instance{Service: "notes", ID: "nobody"}}, nil},
		{Query{Service: "notes", Stream: sandbox.Stderr}, []string{"alice fails", "bob fails"}},
		{Query{Service: "nothing"}, nil},
		{Query{Search: "Hello", Limit: 2}, []string{"bob says Hello", "carol says Hello"}},
		{Query{Search: "hello"}, nil},
		{Query{Limit: 1}, []string{"carol fails"}},
		{Query{Limit: -1, Stream: sandbox.Stdout}, []string{"alice says Hello", "bob says Hello", "carol says Hello"}},
	} {
		if got := texts(query(t, j, tc.q)); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v gives %q, want %q", tc.q, got, tc.want)
		}
	}
}

func TestQuery_MergesTenantsByTimeAndKeepsTheLast(t *testing.T) {
	j := newJournal(t)
	names := []conf.Instance{alice, bob, {Service: "shop", ID: "carol"}}
	logs := make([]strings.Builder, 3)
	for n := range 600 {
		logs[n*n%3].WriteString(at(n, fmt.Sprint(n)))
	}
	for i, name := range names {
		plant(t, j, name, "0000000001.log", logs[i].String())
	}
	for _, limit := range []int{1, 7, 100, 599, 5000} {
		got := query(t, j, Query{Limit: limit})
		if len(got) != min(limit, 600) {
			t.Fatalf("limit %d gives %d entries", limit, len(got))
		}
		for i, e := range got {
			if want := fmt.Sprint(600 - len(got) + i); e.Message != want {
				t.Fatalf("limit %d: entry %d is %q, want %q", limit, i, e.Message, want)
			}
		}
	}
}

func TestQuery_GivesAHundredByDefaultAndTenThousandAtMost(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	w.Write(sandbox.Stdout, bytes.Repeat([]byte("x\n"), 12000))
	w.Close()
	for limit, want := range map[int]int{0: 100, 20000: 10000} {
		if got := query(t, j, Query{Limit: limit}); len(got) != want {
			t.Errorf("limit %d gives %d entries, want %d", limit, len(got), want)
		}
	}
}

func TestQuery_AnAnswerIsBoundedInBytes(t *testing.T) {
	j := Open(filepath.Join(t.TempDir(), ".logs"), 32<<20)
	line := append(bytes.Repeat([]byte("x"), maxLine), '\n')
	for _, name := range []conf.Instance{alice, bob} {
		w := j.Writer(name)
		for range 300 {
			w.Write(sandbox.Stdout, line)
		}
		w.Note("last of " + name.ID)
		w.Close()
	}
	for _, q := range []Query{{Limit: maxLimit}, {Limit: maxLimit, Name: &alice}} {
		got, size := query(t, j, q), 0
		for _, e := range got {
			size += len(e.Message)
		}
		if size > maxResultBytes || size < maxResultBytes/2 {
			t.Errorf("%d entries of %d bytes, want up to %d", len(got), size, maxResultBytes)
		}
	}
	if got := query(t, j, Query{Limit: maxLimit}); got[len(got)-1].Message != "tenement: last of bob" {
		t.Error("the newest entry is not the last")
	}
}

func TestQuery_KeepsATenantsOrderWhenTheClockJumps(t *testing.T) {
	j := newJournal(t)
	plant(t, j, alice, "0000000001.log", at(50, "before the jump")+at(10, "after it"))
	said(t, j, alice, "before the jump", "after it")
}

func TestQuery_SkipsWhatIsNoLine(t *testing.T) {
	j := newJournal(t)
	plant(t, j, alice, "0000000003.log", at(1, "one")+"\n\n\x00\x00garbage\n"+strings.Repeat("x", 5*maxStored)+"\n"+at(2, "two")+"torn")
	plant(t, j, alice, "0000000007.log", "")
	plant(t, j, alice, "0000000009.log", strings.Repeat("\x00", 300000))
	plant(t, j, alice, "0000000010.log", "\n"+at(3, "three"))
	plant(t, j, alice, "10.log", at(4, "not a segment's name"))
	plant(t, j, alice, "notes.txt", at(4, "not a segment"))
	plant(t, j, conf.Instance{Service: "UPPER", ID: "-x"}, "0000000001.log", at(4, "not a tenant"))
	if got, want := texts(query(t, j, Query{})), []string{"one", "two", "three"}; !reflect.DeepEqual(got, want) {
		t.Errorf("entries %q, want %q", got, want)
	}
}

func TestQuery_LinesAcrossBlocksAreWhole(t *testing.T) {
	j := newJournal(t)
	var log strings.Builder
	for n := range 300 {
		log.WriteString(at(n, strings.Repeat(fmt.Sprint(n, " "), n*17%2500)))
	}
	plant(t, j, alice, "0000000001.log", log.String())
	got := query(t, j, Query{Limit: 1000})
	for n, e := range got {
		if want := strings.Repeat(fmt.Sprint(n, " "), n*17%2500); e.Message != want {
			t.Fatalf("entry %d has %d bytes, want %d", n, len(e.Message), len(want))
		}
	}
	if len(got) != 300 {
		t.Errorf("%d entries, want 300", len(got))
	}
}

func TestQuery_NeverLeavesItsDirectory(t *testing.T) {
	j := newJournal(t)
	outside := t.TempDir()
	secret := at(1, "secret")
	if err := os.WriteFile(filepath.Join(outside, "0000000001.log"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	plant(t, j, bob, "0000000001.log", at(1, "bob's"))
	plant(t, j, alice, "0000000001.log", at(2, "mine"))
	dir := filepath.Join(j.dir, "notes")
	for link, to := range map[string]string{
		filepath.Join(dir, "alice", "0000000002.log"): filepath.Join(outside, "0000000001.log"),
		filepath.Join(dir, "alice", "0000000003.log"): "../bob/0000000001.log",
		filepath.Join(dir, "mallory"):                 outside,
		filepath.Join(dir, "mallory2"):                "bob",
		filepath.Join(j.dir, "evil"):                  outside,
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "alice", "0000000004.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	said(t, j, alice, "mine")
	if got, want := texts(query(t, j, Query{})), []string{"bob's", "mine"}; !reflect.DeepEqual(got, want) {
		t.Errorf("entries %q, want %q", got, want)
	}
	for _, id := range []string{"mallory", "mallory2", "../../x", ".."} {
		got, err := j.Query(context.Background(), Query{Name: &conf.Instance{Service: "notes", ID: id}})
		if len(got) > 0 {
			t.Errorf("%s: %v %v", id, got, err)
		}
	}
}

func TestQuery_SaysWhoseLogCannotBeRead(t *testing.T) {
	j := newJournal(t)
	if err := errors.Join(os.MkdirAll(filepath.Join(j.dir, "notes"), 0o700), os.WriteFile(filepath.Join(j.dir, "notes", "alice"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := j.Query(context.Background(), Query{Name: &alice})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot read the log of notes:alice: ") {
		t.Errorf("error %v", err)
	}
	other := Open(filepath.Join(j.dir, "notes", "alice"), 0)
	if _, err := other.Query(context.Background(), Query{}); err == nil || !strings.HasPrefix(err.Error(), "cannot list the logs: ") {
		t.Errorf("error %v", err)
	}
}

// asNobody runs f on a thread whose file accesses are those of an ordinary user,
// also when the tests run as root. The thread ends with f.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		}
		f()
	}()
	<-done
}

func TestJournal_WhatMayNotBeReadOrWrittenIsAnErrorOrDropped(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(base), 0o711), os.Chmod(base, 0o777)); err != nil {
		t.Fatal(err)
	}
	asNobody(func() {
		j := Open(filepath.Join(base, ".logs"), 0)
		w := j.Writer(alice)
		w.Write(sandbox.Stdout, []byte("line\n"))
		w.Close()
		for at, says := range map[string]string{
			"":                           "cannot list the logs: ",
			"notes":                      "cannot list the logs: ",
			"notes/alice":                "cannot read the log of notes:alice: ",
			"notes/alice/0000000001.log": "cannot read the log of notes:alice: ",
		} {
			path := filepath.Join(j.dir, at)
			info, err := os.Stat(path)
			if err != nil {
				t.Error(err)
				return
			}
			os.Chmod(path, 0)
			_, err = j.Query(context.Background(), Query{})
			if !errors.Is(err, syscall.EACCES) || !strings.HasPrefix(err.Error(), says) {
				t.Errorf("%q shut: error %v, want %q", at, err, says)
			}
			before := j.Dropped()
			w := j.Writer(alice)
			w.Write(sandbox.Stdout, []byte("lost\n"))
			w.Close()
			if j.Dropped() != before+1 {
				t.Errorf("%q shut: %d lines dropped, want 1", at, j.Dropped()-before)
			}
			os.Chmod(path, info.Mode())
		}
	})
}

func TestQuery_EndsWithItsContext(t *testing.T) {
	j := newJournal(t)
	plant(t, j, alice, "0000000001.log", at(1, "x"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := j.Query(ctx, Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestQuery_WhileATenantWritesGivesWholeLines(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	defer w.Close()
	done := make(chan struct{})
	go func() { // ended by having written all
		defer close(done)
		for range 300 {
			w.Write(sandbox.Stdout, bytes.Repeat([]byte("the whole line\n"), 200))
		}
	}()
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		for _, e := range query(t, j, Query{Limit: 1000}) {
			if e.Message != "the whole line" {
				t.Fatalf("an entry says %q", e.Message)
			}
		}
	}
}

func BenchmarkQuery_TailOfALargeLog(b *testing.B) {
	j := Open(filepath.Join(b.TempDir(), ".logs"), 64<<20)
	w := j.Writer(alice)
	for range 1000 {
		w.Write(sandbox.Stdout, bytes.Repeat([]byte("GET /notes/1 HTTP/1.1 200\n"), 1000))
	}
	w.Close()
	b.ReportAllocs()
	for b.Loop() {
		query(b, j, Query{Name: &alice})
	}
}

func TestQuery_PicksByTimeAndExpression(t *testing.T) {
	j := newJournal(t)
	plant(t, j, alice, "0000000001.log", at(1, "one")+at(2, "two")+at(3, "three")+at(4, "four"))
	second := func(n int) time.Time { return time.Date(2026, 3, 1, 13, 0, n, 0, time.FixedZone("", 3600)) }
	for _, tc := range []struct {
		q    Query
		want []string
	}{
		{Query{Since: second(2)}, []string{"two", "three", "four"}},
		{Query{Until: second(3)}, []string{"one", "two"}},
		{Query{Since: second(2), Until: second(4)}, []string{"two", "three"}},
		{Query{Since: second(2), Until: second(4), Limit: 1}, []string{"three"}},
		{Query{Since: second(5)}, nil},
		{Query{Until: second(1)}, nil},
		{Query{Match: regexp.MustCompile(`^t.*e`)}, []string{"three"}},
		{Query{Match: regexp.MustCompile(`(?i)^T`), Search: "o"}, []string{"two"}},
		{Query{Match: regexp.MustCompile(`^$`)}, nil},
	} {
		if got := texts(query(t, j, tc.q)); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v gives %q, want %q", tc.q, got, tc.want)
		}
	}
}

func TestQuery_AClockThatWasSetBackHidesNothing(t *testing.T) {
	j := newJournal(t)
	plant(t, j, alice, "0000000001.log", strings.Replace(at(30, "days ago"), "2026-03", "2026-02", 1)+at(50, "before the jump")+at(10, "after it"))
	since := time.Date(2026, 3, 1, 12, 0, 20, 0, time.UTC)
	if got := texts(query(t, j, Query{Since: since})); !reflect.DeepEqual(got, []string{"before the jump"}) {
		t.Errorf("%q", got)
	}
}
