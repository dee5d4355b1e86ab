package actors

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tenement/conf"
)

func TestRelease_AReloadTouchesOnlyThoseWhoseOwnReleaseChanged(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		crew(t, h, 1, 1)
		begun(t, h, rolloutTo("v2", 1))
		concluded(t, h)
		next := withReleases("v2")
		next.Services["notes"].Argv = []string{"app", "--new"} // which v2 hides
		next.Services["notes"].Releases["v2"].Health = "/up"   // which needs no process
		if _, err := h.Reload(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if got := state(t, h, id("t000")); got != "running" || s.starts("notes:t000") != 2 {
			t.Errorf("it is %s after %d starts", got, s.starts("notes:t000"))
		}
		time.Sleep(2 * time.Second)
		if s.checksOf("t000.notes.example.com") == 0 {
			t.Error("the new health path of its release is not asked")
		}
		last := withReleases("v2")
		last.Services["notes"].Releases["v2"].Argv = []string{"v2", "--new"}
		if _, err := h.Reload(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := state(t, h, id("t000")); got != "asleep" {
			t.Errorf("it is %s though its release is another", got)
		}
	})
}

func TestRelease_AReloadTakesNoneFromUnderItsTenants(t *testing.T) {
	play(t, withReleases("v2", "v3"), func(t *testing.T, h *Host, s *stage) {
		crew(t, h, 2, 1)
		begun(t, h, rolloutTo("v2", 1))
		concluded(t, h)
		if _, err := h.Reload(t.Context(), withReleases("v2")); err != nil {
			t.Errorf("nobody is at v3: %v", err)
		}
		_, err := h.Reload(t.Context(), defaults())
		if err == nil || !strings.Contains(err.Error(), "release v2 of notes, which the file does not have any more, is that of 2 tenant(s)") {
			t.Error(err)
		}
		if _, ok := h.Config().Services["notes"].At("v2"); !ok {
			t.Error("the refused file is in force")
		}
	})
}

func TestRelease_OneThatIsMissingFailsTheStartByName(t *testing.T) {
	config := withReleases("v2")
	reopen(t, config, func(t *testing.T, h *Host, s *stage) {
		crew(t, h, 1, 1)
		begun(t, h, rolloutTo("v2", 1))
		concluded(t, h)
		delete(config.Services["notes"].Releases, "v2")
	}, func(t *testing.T, h *Host, s *stage) {
		err := visit(t, h, id("t000"))
		if err == nil || !strings.Contains(err.Error(), "cannot start notes:t000: its release v2 is not in the configuration: add [service.notes.release.v2], or move it: ten rollout notes --to base") {
			t.Error(err)
		}
		begun(t, h, rolloutTo(conf.BaseRelease, 1))
		concluded(t, h)
		if err := visit(t, h, id("t000")); err != nil {
			t.Error(err)
		}
	})
}

func TestRelease_IsInTheEnvironmentOfItsTenantsOnly(t *testing.T) {
	play(t, withReleases("v2"), func(t *testing.T, h *Host, s *stage) {
		crew(t, h, 1, 1)
		names := func() bool { return slices.Contains(s.process("notes:t000").spec.Env, "TENEMENT_RELEASE=v2") }
		if names() {
			t.Error("it is at no release yet")
		}
		begun(t, h, rolloutTo("v2", 1))
		concluded(t, h)
		if !names() {
			t.Error("its release is not in its environment")
		}
	})
}
