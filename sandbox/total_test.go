package sandbox

import (
	"testing"
	"time"
)

func TestEngine_CPUOfAllGoesOnCountingThoseThatEnded(t *testing.T) {
	eachKind(t, func(t *testing.T, e *Engine) {
		n := start(t, e, character(t, "exitsAtOnce"))
		n.wait()
		if err := n.Release(); err != nil {
			t.Fatal(err)
		}
		spent, counted := e.CPUOfAll()
		if counted != (e.root != nil) || counted && (spent <= 0 || spent > time.Hour) {
			t.Errorf("%s, %t", spent, counted)
		}
	})
}
