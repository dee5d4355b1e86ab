package edge

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// issueTime is how long a certificate may take, and a handshake waits for it.
const issueTime = 90 * time.Second

var errNoIssuer = errors.New("no certificates are taken any more: the daemon stops")

// authority is where certificates come from.
type authority interface {
	// stored reports whether there is one for a subject already.
	stored(subject string) bool
	// obtain brings one into memory: the stored one, or a new one.
	obtain(ctx context.Context, subject string) error
	// remember writes down what the budget has to know after a restart.
	remember(b []byte) error
}

// issuer gets certificates, each when a first client asks for its subject. One
// goroutine owns the budget, so that a crowd at a new name is one order, and a
// name that failed is left alone.
type issuer struct {
	from  authority
	log   zerolog.Logger
	asks  chan order
	looks chan chan issuerState
	came  chan outcome
	ended chan struct{}

	budget  *budget
	waiting map[string][]chan<- error // for what is under way
	spent   bool                      // it was said that the budget is used up
}

type order struct {
	subject string
	answer  chan<- error // holds one
}

type outcome struct {
	subject string
	fresh   bool // it took a place of the budget
	err     error
}

// issuerState is what is told of an issuer.
type issuerState struct {
	used, weekly int
	next         time.Time // when a place is free again; zero when one is
	pending      []string
	failed       map[string]failure
}

// newIssuer starts the goroutine; it ends with ctx, after all that is under way,
// and then closes ended.
func newIssuer(ctx context.Context, from authority, b *budget, log zerolog.Logger) *issuer {
	s := &issuer{
		from: from, log: log, budget: b, waiting: map[string][]chan<- error{},
		asks: make(chan order), looks: make(chan chan issuerState), came: make(chan outcome), ended: make(chan struct{}),
	}
	go s.run(ctx)
	return s
}

// ask returns when there is a certificate for a subject, or says why there is none.
func (s *issuer) ask(ctx context.Context, subject string) error {
	answer := make(chan error, 1)
	select {
	case s.asks <- order{subject, answer}:
	case <-s.ended:
		return errNoIssuer
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// state tells what the issuer knows; false when it has ended.
func (s *issuer) state() (issuerState, bool) {
	answer := make(chan issuerState, 1)
	select {
	case s.looks <- answer:
		return <-answer, true
	case <-s.ended:
		return issuerState{}, false
	}
}

func (s *issuer) run(ctx context.Context) {
	defer close(s.ended)
	done := ctx.Done()
	for done != nil || len(s.waiting) > 0 {
		select {
		case a := <-s.asks:
			s.begin(ctx, a)
		case o := <-s.came:
			s.finish(o)
		case answer := <-s.looks:
			answer <- s.tell()
		case <-done:
			done = nil // what is under way ends by the same ctx
		}
	}
}

// begin starts an order, joins one that is under way, or refuses.
func (s *issuer) begin(ctx context.Context, a order) {
	if under, ok := s.waiting[a.subject]; ok {
		s.waiting[a.subject] = append(under, a.answer)
		return
	}
	fresh, err := s.admit(ctx, a.subject)
	if err != nil {
		a.answer <- err
		return
	}
	s.waiting[a.subject] = []chan<- error{a.answer}
	go func() { // ends with the order, whose time is limited
		ctx, cancel := context.WithTimeout(ctx, issueTime)
		defer cancel()
		s.came <- outcome{a.subject, fresh, s.from.obtain(ctx, a.subject)}
	}()
}

// admit decides whether an order may be made. Wildcards are few and the
// operator's own: they take no place of the budget.
func (s *issuer) admit(ctx context.Context, subject string) (fresh bool, err error) {
	if ctx.Err() != nil {
		return false, errNoIssuer
	}
	now := time.Now()
	if err := s.budget.blocked(subject, now); err != nil {
		return false, err
	}
	if s.from.stored(subject) || strings.HasPrefix(subject, "*.") {
		return false, nil
	}
	if err := s.budget.take(subject, now); err != nil {
		if !s.spent {
			s.log.Warn().Str("name", subject).Err(err).Msg("a name gets no certificate")
		}
		s.spent = true
		return false, err
	}
	s.spent = false
	if err := s.write(); err != nil { // else a restart would have a whole budget again
		s.budget.give(subject)
		return false, err
	}
	return true, nil
}

// finish tells everybody who waits for a subject.
func (s *issuer) finish(o outcome) {
	if o.err == nil {
		s.budget.succeeded(o.subject)
	} else if !errors.Is(o.err, context.Canceled) { // the daemon stops
		s.budget.fail(o.subject, o.err, time.Now())
		s.log.Warn().Str("name", o.subject).Err(o.err).Time("again", s.budget.failed[o.subject].until).Msg("cannot get a certificate")
	}
	if o.err != nil && o.fresh {
		s.budget.give(o.subject)
		if err := s.write(); err != nil {
			s.log.Error().Err(err).Msg("cannot note what is left of the budget")
		}
	}
	for _, answer := range s.waiting[o.subject] {
		answer <- o.err
	}
	delete(s.waiting, o.subject)
}

// write keeps the budget over a restart.
func (s *issuer) write() error { return s.from.remember(s.budget.encode()) }

func (s *issuer) tell() issuerState {
	now := time.Now()
	t := issuerState{weekly: s.budget.weekly, failed: map[string]failure{}}
	t.used, t.next = s.budget.used(now)
	for subject := range s.waiting {
		t.pending = append(t.pending, subject)
	}
	for subject, f := range s.budget.failed {
		t.failed[subject] = f
	}
	return t
}
