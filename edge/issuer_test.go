package edge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// fakeAuthority issues after a second, or fails.
type fakeAuthority struct {
	mu     sync.Mutex
	have   map[string]bool
	fail   error
	full   error // of remember
	orders []string
	note   []byte
}

func (f *fakeAuthority) stored(subject string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.have[subject]
}

func (f *fakeAuthority) obtain(ctx context.Context, subject string) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orders = append(f.orders, subject)
	if f.fail == nil {
		f.have[subject] = true
	}
	return f.fail
}

func (f *fakeAuthority) remember(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note = b
	return f.full
}

func (f *fakeAuthority) will(fail error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fakeAuthority) ordered() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.orders, " ")
}

// issue runs f with an issuer in a bubble of fake time.
func issue(t *testing.T, weekly int, f func(t *testing.T, s *issuer, from *fakeAuthority, log *syncBuffer)) {
	synctest.Test(t, func(t *testing.T) {
		from, log := &fakeAuthority{have: map[string]bool{}}, &syncBuffer{}
		ctx, end := context.WithCancel(t.Context())
		s := newIssuer(ctx, from, newBudget(t, weekly), zerolog.New(log))
		f(t, s, from, log)
		end()
		<-s.ended
	})
}

func TestIssuer_ACrowdAtANewNameIsOneOrder(t *testing.T) {
	issue(t, 5, func(t *testing.T, s *issuer, from *fakeAuthority, _ *syncBuffer) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := s.ask(t.Context(), "a.org"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if state, ok := s.state(); !ok || len(state.pending) != 1 || state.used != 1 || state.weekly != 5 {
			t.Errorf("meanwhile %+v, %v", state, ok)
		}
		wg.Wait()
		if from.ordered() != "a.org" {
			t.Errorf("ordered %q", from.ordered())
		}
	})
}

func TestIssuer_AFailureIsRememberedAndCostsNothing(t *testing.T) {
	issue(t, 1, func(t *testing.T, s *issuer, from *fakeAuthority, log *syncBuffer) {
		sick := errors.New("no such domain")
		from.will(sick)
		for range 1000 {
			if err := s.ask(t.Context(), "a.org"); !errors.Is(err, sick) {
				t.Fatal(err)
			}
		}
		if from.ordered() != "a.org" || strings.Count(log.String(), "cannot get a certificate") != 1 {
			t.Errorf("ordered %q, logged %s", from.ordered(), log)
		}
		if state, _ := s.state(); state.used != 0 || state.failed["a.org"].err != sick || string(from.note) != "[]" {
			t.Errorf("then %+v, noted %s", state, from.note)
		}
		from.will(nil)
		time.Sleep(firstRetry)
		if err := s.ask(t.Context(), "a.org"); err != nil {
			t.Errorf("a quarter of an hour later: %v", err)
		}
		if state, _ := s.state(); state.used != 1 || len(state.failed) != 0 {
			t.Errorf("in the end %+v", state)
		}
	})
}

func TestIssuer_TheBudgetIsForNewNamesOnly(t *testing.T) {
	issue(t, 2, func(t *testing.T, s *issuer, from *fakeAuthority, log *syncBuffer) {
		from.have["old.org"] = true
		for _, subject := range []string{"a.org", "old.org", "*.notes.test", "*.test", "b.org"} {
			if err := s.ask(t.Context(), subject); err != nil {
				t.Fatalf("%s: %v", subject, err)
			}
		}
		for i := range 50 {
			if err := s.ask(t.Context(), fmt.Sprint("c", i, ".org")); !errors.Is(err, errBudget) {
				t.Fatal(err)
			}
		}
		if n := strings.Count(log.String(), "a name gets no certificate"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if got := from.ordered(); got != "a.org old.org *.notes.test *.test b.org" {
			t.Errorf("ordered %q", got)
		}
	})
}

func TestIssuer_WithoutANoteThereIsNoOrder(t *testing.T) {
	issue(t, 2, func(t *testing.T, s *issuer, from *fakeAuthority, _ *syncBuffer) {
		from.full = errors.New("disk full")
		if err := s.ask(t.Context(), "a.org"); !errors.Is(err, from.full) || from.ordered() != "" {
			t.Errorf("%v, ordered %q", err, from.ordered())
		}
	})
}

func TestIssuer_TheEndAnswersEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &fakeAuthority{have: map[string]bool{}}
		ctx, end := context.WithCancel(t.Context())
		s := newIssuer(ctx, from, newBudget(t, 5), zerolog.Nop())
		answers := make(chan error, 2)
		go func() { answers <- s.ask(t.Context(), "a.org") }()
		synctest.Wait()
		left, leave := context.WithCancel(t.Context())
		go func() { answers <- s.ask(left, "a.org") }()
		synctest.Wait()
		leave()
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("who left was told %v", err)
		}
		end()
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("who waited was told %v", err)
		}
		<-s.ended
		if err := s.ask(t.Context(), "b.org"); !errors.Is(err, errNoIssuer) {
			t.Errorf("who came later was told %v", err)
		}
		if _, ok := s.state(); ok {
			t.Error("it still tells its state")
		}
	})
}
