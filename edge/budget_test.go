package edge

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func newBudget(t *testing.T, weekly int) *budget {
	t.Helper()
	q, err := decodeBudget(weekly, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

var monday = time.Date(2030, 1, 7, 12, 0, 0, 0, time.UTC)

func TestBudget_TheBudgetIsForAnySevenDays(t *testing.T) {
	q := newBudget(t, 2)
	for i, at := range []time.Duration{0, time.Hour} {
		if err := q.take(fmt.Sprint("n", i), monday.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	err := q.take("n2", monday.Add(2*time.Hour))
	if !errors.Is(err, errBudget) || !strings.Contains(err.Error(), "2 names") || !strings.Contains(err.Error(), "after 2030-01-14T12:00:00Z") {
		t.Errorf("the third: %v", err)
	}
	again, err := decodeBudget(2, q.encode()) // over a restart
	if err != nil {
		t.Fatal(err)
	}
	if err := again.take("n2", monday.Add(week-time.Second)); !errors.Is(err, errBudget) {
		t.Errorf("a second too early: %v", err)
	}
	if err := again.take("n2", monday.Add(week)); err != nil {
		t.Errorf("after a week: %v", err)
	}
	if n, next := again.used(monday.Add(week)); n != 2 || !next.Equal(monday.Add(week+time.Hour)) {
		t.Errorf("%d used, the next at %v", n, next)
	}
}

func TestBudget_ASmallerBudgetWaitsForWhatWasIssuedBefore(t *testing.T) {
	q := newBudget(t, 3)
	for i := range 3 {
		if err := q.take(fmt.Sprint(i), monday.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	q.weekly = 1
	if _, next := q.used(monday.Add(3 * time.Hour)); !next.Equal(monday.Add(week + 2*time.Hour)) {
		t.Errorf("the next at %v", next)
	}
	q.weekly = 0
	if err := q.take("x", monday.Add(3*week)); !errors.Is(err, errBudget) || !strings.Contains(err.Error(), "it is 0") {
		t.Errorf("without a budget: %v", err)
	}
}

func TestBudget_AFailureWaitsTwiceAsLongEachTimeAndCostsNoBudget(t *testing.T) {
	q := newBudget(t, 1)
	now, why := monday, errors.New("no such domain")
	for _, want := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440} {
		if err := q.blocked("a", now); err != nil {
			t.Fatal(err)
		}
		if err := q.take("a", now); err != nil {
			t.Fatal(err)
		}
		q.give("a")
		q.fail("a", why, now)
		now = now.Add(want*time.Minute - time.Second)
		if err := q.blocked("a", now); !errors.Is(err, why) {
			t.Errorf("a second before %d minutes: %v", want, err)
		}
		now = now.Add(time.Second)
	}
	if q.blocked("b", monday) != nil {
		t.Error("another name is blocked too")
	}
	q.succeeded("a")
	q.fail("a", why, now)
	if q.blocked("a", now.Add(firstRetry)) != nil {
		t.Error("a success did not end the doubling")
	}
}

func TestBudget_ADamagedFileIsAnError(t *testing.T) {
	if _, err := decodeBudget(1, []byte("{")); err == nil {
		t.Error("no error")
	}
}
