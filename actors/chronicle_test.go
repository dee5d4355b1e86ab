package actors

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

func TestChronicle_KeepsTheNewestAndTellsOfGaps(t *testing.T) {
	c := newChronicle()
	if list, _ := c.since(0); len(list) != 0 {
		t.Errorf("%d events of nothing", len(list))
	}
	for range remembered + 10 {
		c.add(Occurrence{})
	}
	for after, want := range map[uint64][3]uint64{ // how many, first, last
		0:               {remembered, 11, remembered + 10},
		remembered + 8:  {2, remembered + 9, remembered + 10},
		remembered + 10: {0, 0, 0},
		remembered * 9:  {0, 0, 0},
	} {
		list, _ := c.since(after)
		got := [3]uint64{uint64(len(list))}
		if len(list) > 0 {
			got[1], got[2] = list[0].Number, list[len(list)-1].Number
		}
		if got != want {
			t.Errorf("behind %d: %v, want %v", after, got, want)
		}
	}
}

func TestHost_EventsAreRememberedAndFollowed(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		ctx, cancel := context.WithCancel(t.Context())
		live := h.FollowEvents(ctx)
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var past, followed []string
		for _, o := range h.Events() {
			past = append(past, fmt.Sprintf("%d %s %s->%s %s g%d", o.Number, o.Name, o.From, o.To, o.Event, o.Generation))
		}
		want := "1 notes:alice asleep->queued wake g1, 2 notes:alice queued->starting granted g1, 3 notes:alice starting->running ready g1"
		if got := strings.Join(past, ", "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		for range 3 {
			o := <-live
			followed = append(followed, fmt.Sprintf("%d %s %s->%s %s g%d", o.Number, o.Name, o.From, o.To, o.Event, o.Generation))
		}
		if got := strings.Join(followed, ", "); got != want {
			t.Errorf("followed %s, want %s", got, want)
		}
		cancel()
		if _, open := <-live; open {
			t.Error("it goes on after its end")
		}
	})
}
