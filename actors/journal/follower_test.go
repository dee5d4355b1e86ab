package journal

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"tenement/conf"
	"tenement/sandbox"
)

func TestFollower_GetsWhatMatchesFromNowOn(t *testing.T) {
	j := newJournal(t)
	w, other := j.Writer(alice), j.Writer(bob)
	defer w.Close()
	defer other.Close()
	w.Write(sandbox.Stdout, []byte("before\nhal"))
	f := j.Follow(Query{Name: &alice, Stream: sandbox.Stdout, Search: "l"})
	defer f.Close()
	everything := j.Follow(Query{})
	defer everything.Close()
	w.Write(sandbox.Stdout, []byte("f\nnothing to see\n"))
	w.Write(sandbox.Stderr, []byte("also\n"))
	other.Write(sandbox.Stdout, []byte("all of bob's\n"))
	w.Write(sandbox.Stdout, []byte("last\n"))
	for _, want := range []string{"half", "last"} {
		if e := <-f.C; e.Message != want || e.Name != alice || e.Stream != sandbox.Stdout || e.Partial {
			t.Errorf("entry %+v, want %q", e, want)
		}
	}
	for _, want := range []string{"half", "nothing to see", "also", "all of bob's", "last"} {
		if e := <-everything.C; e.Message != want {
			t.Errorf("entry %+v, want %q", e, want)
		}
	}
	live := query(t, j, Query{Name: &alice, Limit: 1})[0]
	if live.Message != "last" || live.Time.IsZero() {
		t.Errorf("on disk: %+v", live)
	}
}

func TestFollower_ASlowOneLosesLinesAndIsToldHowMany(t *testing.T) {
	for what, size := range map[string]int{"many lines": 0, "many bytes": maxLine - 4} {
		t.Run(what, func(t *testing.T) {
			j := newJournal(t)
			w := j.Writer(alice)
			defer w.Close()
			synctest.Test(t, func(t *testing.T) {
				f := j.Follow(Query{})
				const lines = 1000
				for i := range lines {
					w.Write(sandbox.Stdout, fmt.Appendf(nil, "%04d%s\n", i, strings.Repeat("x", size)))
				}
				seen, lost := 0, 0
				for synctest.Wait(); ; synctest.Wait() {
					select {
					case e := <-f.C:
						if n := 0; strings.HasPrefix(e.Message, notePrefix) {
							if _, err := fmt.Sscanf(e.Message, "tenement: %d lines lost to a slow reader", &n); err != nil || e.Name != alice || e.Time.IsZero() {
								t.Fatalf("news %+v: %v", e, err)
							}
							lost += n
						} else {
							seen++
						}
						continue
					default:
					}
					break
				}
				if lost == 0 || seen+lost != lines || seen > 2*maxQueued {
					t.Errorf("%d entries seen and %d lost of %d", seen, lost, lines)
				}
				f.Close()
				if _, open := <-f.C; open {
					t.Error("there is more after Close")
				}
			})
		})
	}
}

func TestFollower_OneLostLineIsOneLine(t *testing.T) {
	f := &Follower{lost: 1, newest: Entry{Name: alice}}
	if got := f.take(); len(got) != 1 || got[0].Message != "tenement: 1 line lost to a slow reader" || f.lost != 0 {
		t.Errorf("told %+v", got)
	}
}

func TestFollower_CloseEndsItAndCostsNothingAfterwards(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(alice)
	defer w.Close()
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine is left
		a, b := j.Follow(Query{}), j.Follow(Query{Service: "notes"})
		w.Note("nobody reads this")
		for _, f := range []*Follower{a, b, a} {
			f.Close()
		}
		synctest.Wait()
		for _, f := range []*Follower{a, b} {
			for range f.C {
			}
		}
	})
	if j.followers.Load() != nil {
		t.Error("the journal still has followers")
	}
}

func TestFollower_IsToldWhatTheDiskDoesNotTake(t *testing.T) {
	j := newJournal(t)
	w := j.Writer(conf.Instance{Service: "..", ID: ".."}) // os.Root refuses it
	defer w.Close()
	f := j.Follow(Query{})
	defer f.Close()
	w.Write(sandbox.Stdout, []byte("not on disk\n"))
	if e := <-f.C; e.Message != "not on disk" || j.Dropped() != 1 {
		t.Errorf("entry %+v, %d dropped", e, j.Dropped())
	}
}
