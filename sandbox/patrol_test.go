package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// beat is a patrol that walks in fake time, and whom it has told of.
type beat struct {
	*patrol
	t    *testing.T
	file string

	mu   sync.Mutex
	told []*Process
}

func newBeat(t *testing.T) *beat {
	b := &beat{patrol: newPatrol(), t: t, file: filepath.Join(t.TempDir(), "pids.events")}
	b.refused("0")
	closing, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		b.run(closing, b.tell)
	}()
	t.Cleanup(func() { close(closing); <-ended })
	return b
}

func (b *beat) tell(p *Process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, p)
}

func (b *beat) refused(forks string) {
	b.t.Helper()
	if err := os.WriteFile(b.file, []byte("max "+forks+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// after gives who is told of in the next d.
func (b *beat) after(d time.Duration) []*Process {
	time.Sleep(d)
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told = nil
	return told
}

func TestPatrol_TellsInTheRoundAfterARefusedFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, one, other := newBeat(t), &Process{}, &Process{}
		b.add(one, b.file)
		b.add(other, filepath.Join(t.TempDir(), "gone with its cgroup"))
		if told := b.after(3 * patrolEvery); len(told) > 0 {
			t.Errorf("told of %v, and nothing was refused", told)
		}
		b.refused("7")
		if told := b.after(patrolEvery); !slices.Equal(told, []*Process{one}) {
			t.Errorf("told of %v, want %v", told, one)
		}
		if told := b.after(patrolEvery); !slices.Equal(told, []*Process{one}) {
			t.Errorf("whom nobody removed is told of again: %v", told)
		}
		b.remove(one)
		b.remove(one)
		if told := b.after(3 * patrolEvery); len(told) > 0 {
			t.Errorf("told of %v, who was removed", told)
		}
	})
}

// Whoever comes while it walks does not put the next round off.
func TestPatrol_NewcomersDoNotDelayIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, one := newBeat(t), &Process{}
		b.refused("1")
		b.add(one, b.file)
		for range 3 {
			if told := b.after(patrolEvery - time.Millisecond); slices.Contains(told, one) {
				t.Error("too early")
			}
			b.add(&Process{}, "")
			if told := b.after(time.Millisecond); !slices.Contains(told, one) {
				t.Error("a newcomer put the round off")
			}
		}
	})
}

// It rests while there is nobody: who comes into its list without a word is not
// seen before somebody comes with one.
func TestPatrol_RestsWhileThereIsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, quiet := newBeat(t), &Process{}
		b.refused("1")
		unannounced := func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.files[quiet] = b.file
		}
		unannounced()
		if told := b.after(time.Hour); len(told) > 0 {
			t.Error("it walks before anybody came")
		}
		b.add(&Process{}, "")
		if told := b.after(patrolEvery); !slices.Equal(told, []*Process{quiet}) {
			t.Errorf("woken, it told of %v", told)
		}
		b.mu.Lock()
		clear(b.files)
		b.mu.Unlock()
		b.after(patrolEvery) // the round that finds nobody
		unannounced()
		if told := b.after(time.Hour); len(told) > 0 {
			t.Error("it walks on after all have left")
		}
	})
}
