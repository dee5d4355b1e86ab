package sandbox

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A socket that was passed in is ready at once; whether anybody has it is
// another question, which a refused connection asks.
func TestListens_SeesAPassedInSocketAndItsEnd(t *testing.T) {
	t.Parallel()
	eachLook(t, func(t *testing.T, e *Engine) {
		s := character(t, "hangs")
		s.Listen, s.Socket = ListenFD, s.RunDir+"/1.sock"
		n := start(t, e, s)
		defer n.finish()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := n.Listens(ctx); err != nil {
			t.Fatalf("it has the socket: %v", err)
		}
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		<-n.done
		if err := n.Listens(ctx); !errors.Is(err, ErrExited) {
			t.Errorf("after its end: %v", err)
		}
	})
}
