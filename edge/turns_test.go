package edge

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func TestTurns_AreGivenInACrowdOnly(t *testing.T) {
	turns := &turns{crowd: 2}
	for asking, crowded := range []bool{false, false, true, true} {
		turns.asking.Store(int64(asking))
		if turns.crowded() != crowded {
			t.Errorf("crowded with %d asking: %v", asking, !crowded)
		}
	}
	if newTurns().crowded() {
		t.Error("nobody is a crowd")
	}
}

func TestTurns_WhoAsksIsCountedUntilTheAnswer(t *testing.T) {
	w := newWorld(t)
	turns := w.server.turns
	turns.crowd = 1 // gives at every turn
	var least, most atomic.Int64
	least.Store(1)
	w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
		for end := time.Now().Add(patience); turns.asking.Load() == 0 && time.Now().Before(end); { // it is sent before it is counted
			time.Sleep(time.Millisecond)
		}
		least.Store(min(least.Load(), turns.asking.Load()))
		most.Store(max(most.Load(), turns.asking.Load()))
		if r.URL.Path == "/die" {
			return ""
		}
		return ok("fine" + body)
	}))
	for range 3 {
		w.ask("GET", "GET / HTTP/1.1\r\nHost: "+aliceHost+"\r\n\r\n").wants(t, 200, "fine")
		w.ask("POST", "POST / HTTP/1.1\r\nHost: "+aliceHost+"\r\nContent-Length: 2\r\n\r\nhi").wants(t, 200, "finehi")
		w.ask("POST", "POST /die HTTP/1.1\r\nHost: "+aliceHost+"\r\nContent-Length: 0\r\n\r\n").wants(t, 502, "Bad gateway")
	}
	if now := turns.asking.Load(); now != 0 || least.Load() != 1 || most.Load() != 1 {
		t.Errorf("%d ask when all is over; between %d and %d did, want 0 and 1", now, least.Load(), most.Load())
	}
}

// faulty is a source with a bug.
type faulty struct{}

func (faulty) Read([]byte) (int, error) { panic("a bug") }

func TestTurns_APanicWhileAskingIsNotCountedForEver(t *testing.T) {
	x, u := &exchange{turns: newTurns()}, &upstream{}
	u.tap.fit(nil, faulty{}, &inlets, 4096)
	for range 3 {
		func() {
			defer func() {
				if got := recover(); got != "a bug" {
					t.Errorf("it ended with %v", got)
				}
			}()
			_ = x.hear(u, true, nil)
		}()
	}
	if now := x.turns.asking.Load(); now != 0 {
		t.Errorf("%d ask when all is over", now)
	}
}
