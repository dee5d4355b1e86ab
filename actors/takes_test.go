package actors

import (
	"testing"
	"time"
)

func TestHost_TakesIsWhatTheRunningGenerationTakes(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("notes:alice", behaviour{holds: 1 << 20, burns: 1})
		if _, awake := h.Takes(id("ghost")); awake {
			t.Error("nobody takes something")
		}
		if _, awake := h.Takes(alice()); awake {
			t.Error("a sleeper takes something")
		}
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		u, awake := h.Takes(alice())
		if !awake || u.Memory != 1<<20 || u.CPU < time.Second {
			t.Errorf("awake: %+v, %t", u, awake)
		}
		if _, err := h.Restart(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if again, awake := h.Takes(alice()); !awake || again.CPU >= u.CPU {
			t.Errorf("the second generation: %+v, %t", again, awake)
		}
		if err := h.Stop(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		if u, awake := h.Takes(alice()); awake {
			t.Errorf("asleep: %+v", u)
		}
		if all, counted := h.CPUOfAll(); !counted || all != time.Minute {
			t.Errorf("of all: %s, %t", all, counted)
		}
	})
}

// CPUOfAll is a minute.
func (s *stage) CPUOfAll() (time.Duration, bool) { return time.Minute, true }
