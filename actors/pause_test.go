package actors

import (
	"testing"

	"tenement/conf"
)

func TestDoor_APausedUseKeepsNobodyAwake(t *testing.T) {
	d := NewDoor(conf.Instance{Service: "notes", ID: "alice"})
	d.Open(&Way{Generation: 1})
	d.Enter()
	d.Pause()
	if d.Inflight() != 0 || d.lastUsed.Load() == 0 || d.requests.Load() != 0 {
		t.Errorf("paused: %d inside, last used %d, %d requests", d.Inflight(), d.lastUsed.Load(), d.requests.Load())
	}
	if !d.Resume() || d.Inflight() != 1 {
		t.Errorf("resumed: %d inside", d.Inflight())
	}
	d.Pause()
	before := d.lastUsed.Load()
	d.Absent()
	if d.Inflight() != 0 || d.requests.Load() != 1 || d.lastUsed.Load() != before {
		t.Errorf("at the end: %d inside, %d requests", d.Inflight(), d.requests.Load())
	}
}

func TestDoor_AShutDoorLetsNobodyBackIn(t *testing.T) {
	d := NewDoor(conf.Instance{Service: "notes", ID: "alice"})
	emptied := 0
	d.emptied = func() { emptied++ }
	d.Open(&Way{Generation: 1})
	d.Enter()
	d.Shut()
	if d.drain() {
		t.Fatal("empty with one inside")
	}
	d.Pause()
	if emptied != 1 {
		t.Errorf("the actor was told %d times", emptied)
	}
	d.rest()
	if d.Resume() || d.Inflight() != 0 {
		t.Errorf("resumed before a shut door: %d inside", d.Inflight())
	}
}
