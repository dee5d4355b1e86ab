package actors

import (
	"testing"
	"time"
)

func TestPolicy_DelaysDoubleUpToTheMaximum(t *testing.T) {
	p := Policy{Base: time.Second, Max: 10 * time.Second}
	want := []time.Duration{0, 1, 2, 4, 8, 10, 10}
	for n, seconds := range want {
		if got := p.Delay(n); got != seconds*time.Second {
			t.Errorf("delay(%d) = %s, want %ds", n, got, seconds)
		}
	}
	if got := p.Delay(1 << 30); got != p.Max {
		t.Errorf("delay of a huge count = %s", got)
	}
	if got := (Policy{Max: time.Minute}).Delay(9); got != 0 {
		t.Errorf("base 0 waits %s", got)
	}
}

func TestJitter_KeepsHalfAndNeverMoreThanAll(t *testing.T) {
	low, high := time.Hour, time.Duration(0)
	for range 1000 {
		d := jitter(10 * time.Second)
		low, high = min(low, d), max(high, d)
	}
	if low < 5*time.Second || high > 10*time.Second {
		t.Errorf("between %s and %s, want 5s to 10s", low, high)
	}
	if high-low < 4*time.Second {
		t.Errorf("between %s and %s: hardly spread", low, high)
	}
}

func TestFailures_MoreThanTheLimitInTheWindowGivesUp(t *testing.T) {
	p := Policy{Base: time.Second, Max: time.Minute, Limit: 3, Window: 300 * time.Second}
	var f Failures
	for i := range 3 {
		if _, giveUp := f.Add(int64(i), p); giveUp {
			t.Fatalf("gave up at failure %d", i+1)
		}
	}
	for range 100 {
		if _, giveUp := f.Add(4, p); !giveUp {
			t.Fatal("goes on past the limit")
		}
	}
	if f.Count() > p.Limit+1 {
		t.Errorf("remembers %d failures", f.Count())
	}
}

func TestFailures_AWindowOfHealthClearsTheCount(t *testing.T) {
	p := Policy{Base: time.Second, Max: time.Minute, Limit: 3, Window: 300 * time.Second}
	var f Failures
	for range 3 {
		f.Add(0, p)
	}
	delay, giveUp := f.Add(int64(p.Window), p)
	if delay != 0 || giveUp || f.Count() != 1 {
		t.Errorf("delay %s, given up %v, count %d after a healthy window", delay, giveUp, f.Count())
	}
}
