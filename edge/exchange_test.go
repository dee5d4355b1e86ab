package edge

import (
	"context"
	"net"
	"sync"
	"testing"
)

func newExchange(t *testing.T) (*exchange, *net.TCPConn) {
	t.Helper()
	here, there := pairOf(t)
	return begin(clientOf(here), newWatch(t), newTurns()), there
}

// The client leaves in the moment in which the answer is complete: either the
// connection to the tenant is kept, or it is killed, and never both.
func TestExchange_KeepAndGoneAgreeWhoHasTheConnection(t *testing.T) {
	t.Parallel()
	c := poolTo(t, echoing(t, "unix"))
	x, _ := newExchange(t)
	defer x.finish()
	for range 300 {
		u := dialled(t, c)
		x.left.Store(false)
		x.attach(u)
		var kept bool
		var both sync.WaitGroup
		both.Go(func() { kept = x.keep(u) })
		both.Go(x.gone)
		both.Wait()
		if kept == u.killed.Load() {
			t.Fatalf("kept %t, killed %t", kept, u.killed.Load())
		}
		u.Close()
	}
}

func TestExchange_AConnectionForAClientThatLeftIsKilled(t *testing.T) {
	t.Parallel()
	c := poolTo(t, echoing(t, "unix"))
	x, _ := newExchange(t)
	defer x.finish()
	x.gone()
	if u := dialled(t, c); x.attach(u) || !u.killed.Load() {
		t.Error("it was attached")
	}
	if ctx := x.context(context.Background()); ctx.Err() == nil {
		t.Error("something waits for a client that left")
	}
}

func TestExchange_EachWaitEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	x, _ := newExchange(t)
	first := x.context(context.Background())
	second := x.context(context.Background())
	if first.Err() == nil || second.Err() != nil {
		t.Errorf("first %v, second %v", first.Err(), second.Err())
	}
	x.finish()
	if second.Err() == nil {
		t.Error("a wait outlives its exchange")
	}
}

func TestExchange_ALeavingClientIsSeenWithoutBeingAskedFor(t *testing.T) {
	t.Parallel()
	x, there := newExchange(t)
	defer x.finish()
	ctx := x.context(context.Background())
	there.Close()
	<-ctx.Done() // the timer began to watch
}

// The next request must not meet the last one's timer, watch or answer.
func TestExchange_TheNextOneStartsClean(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	here, _ := pairOf(t)
	for range 200 {
		x := begin(clientOf(here), w, newTurns())
		if x.left.Load() || x.over || x.late || x.strains || x.ends || x.started || x.number != 0 || x.asked != nil || !x.upload.done || x.up.Load() != nil || x.cancel.Load() != nil || x.host != (hostname{}) || len(x.nom.names) != 0 || x.length != 0 {
			t.Fatalf("used: %+v", &x.request)
		}
		x.host, x.length, x.ends, x.started = hostname{name: "a"}, 5, true, true
		x.nom.names = append(x.nom.names, []byte("x"))
		x.watch()
		x.context(context.Background())
		x.gone()
		x.finish()
	}
	if len(w.watched) != 0 {
		t.Errorf("%d watches are left", len(w.watched))
	}
}

func TestExchange_AStrainEndsWithTheExchange(t *testing.T) {
	t.Parallel()
	c := poolTo(t, echoing(t, "unix"))
	x, _ := newExchange(t)
	x.awaits(c)
	x.lag()
	x.lag()
	if n := c.strained.Load(); n != 1 {
		t.Errorf("strained %d times", n)
	}
	x.heard()
	x.heard()
	if n := c.strained.Load(); n != 0 {
		t.Errorf("strained %d times after the answer", n)
	}
	x.awaits(c) // late already
	if n := c.strained.Load(); n != 1 {
		t.Errorf("strained %d times by a second connection", n)
	}
	x.finish()
	if n := c.strained.Load(); n != 0 {
		t.Errorf("strained %d times after the end", n)
	}
}
