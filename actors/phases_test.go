package actors

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
)

func TestTenant_TheSucceededStartTellsItsPhases(t *testing.T) {
	config := defaults()
	config.Settings.MaxConcurrentStarts = 1
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		var mu sync.Mutex
		told := map[string]Phases{}
		h.o.Woken = func(name conf.Instance, p Phases) {
			mu.Lock()
			defer mu.Unlock()
			told[name.ID] = p
		}
		s.act("", behaviour{readyAfter: time.Second})
		register(t, h, id("a"), id("b"))
		var both sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			both.Go(func() {
				if err := visit(t, h, id(name)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // in this order
		}
		both.Wait()
		mu.Lock()
		defer mu.Unlock()
		if p := told["a"]; p.Queue != 0 || p.Ready != time.Second {
			t.Errorf("the first: %+v", p)
		}
		if p := told["b"]; p.Queue != time.Second || p.Ready != time.Second {
			t.Errorf("the one behind it: %+v", p)
		}
	})
}
