package actors

import (
	"testing"
	"time"
)

func TestHost_UsageIsThatOfTheRunningGeneration(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		if _, awake := h.Usage(id("ghost")); awake {
			t.Error("nobody takes something")
		}
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if u, awake := h.Usage(alice()); !awake || u.Memory != 1<<20 || u.CPU != time.Second {
			t.Errorf("awake: %+v, %t", u, awake)
		}
		if _, err := h.Restart(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if u, awake := h.Usage(alice()); !awake || u.Memory != 2<<20 {
			t.Errorf("the second generation: %+v, %t", u, awake)
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if u, awake := h.Usage(alice()); awake {
			t.Errorf("asleep: %+v", u)
		}
		if all, counted := h.CPUOfAll(); !counted || all != time.Minute {
			t.Errorf("of all: %s, %t", all, counted)
		}
	})
}
