package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tenement/edge"
)

func look(seconds int64, instances ...edge.UsageOfNowJSON) edge.UsageNowJSON {
	return edge.UsageNowJSON{Timestamp: 1000 * seconds, Instances: instances}
}

func TestTop_RatesAreOfTwoLooks(t *testing.T) {
	before := look(10,
		edge.UsageOfNowJSON{Instance: "a:calm", CPUSeconds: 5, Requests: 7, MemoryBytes: 10},
		edge.UsageOfNowJSON{Instance: "a:busy", CPUSeconds: 1, Requests: 100},
		edge.UsageOfNowJSON{Instance: "a:reborn", CPUSeconds: 50, Requests: 900})
	now := look(14,
		edge.UsageOfNowJSON{Instance: "a:calm", CPUSeconds: 5, Requests: 7, MemoryBytes: 10},
		edge.UsageOfNowJSON{Instance: "a:busy", CPUSeconds: 7, Requests: 140},
		edge.UsageOfNowJSON{Instance: "a:reborn", CPUSeconds: 1, Requests: 1, MemoryBytes: 20},
		edge.UsageOfNowJSON{Instance: "a:new", CPUSeconds: 9, Requests: 9})
	want := []struct {
		name      string
		cpu, rate float64
	}{{"a:busy", 150, 10}, {"a:reborn", 0, 0}, {"a:calm", 0, 0}, {"a:new", 0, 0}}
	for i, row := range rates(before, now) {
		if w := want[i]; row.Instance != w.name || row.cpu != w.cpu || row.rate != w.rate {
			t.Errorf("row %d: %s %v %v, want %v", i, row.Instance, row.cpu, row.rate, w)
		}
	}
	if rows := rates(now, now); rows[0].cpu != 0 || rows[0].rate != 0 {
		t.Errorf("between two looks at one time: %+v", rows[0])
	}
}

func TestTop_OnceIsATableOfOneInterval(t *testing.T) {
	w := newWorld(t)
	w.wants(1, "", "cannot reach tenement at http://127.0.0.1:1", "top", "--once", "--server", "http://127.0.0.1:1")
	w.daemon()
	w.wants(0, "1 awake on "+w.url+", CPU 50.0 %, memory 67.1 MB, 10.0 requests/s\n"+
		"INSTANCE     CPU %  MEMORY   REQ/S  INSIDE  IDLE  UPTIME  STATE\n"+
		"notes:alice  50.0   67.1 MB  10.0   1       -     2h      running\n", "", "top", "--once")
	w.wants(1, "", "this is none: `ten top --once`", "top")
	w.host.fail = errors.New("no accountant")
	w.wants(1, "", "cannot tell what tenants use: no accountant", "top", "--once")
	w.host.fail = nil // it is to stop in peace
}

// drawnOn is a screen of a test's.
type drawnOn struct {
	keys     chan byte
	resized  chan os.Signal
	restored chan struct{}
}

func (w *world) live(size func() (int, int)) (*drawnOn, *buffer, chan int) {
	s := &drawnOn{make(chan byte), make(chan os.Signal), make(chan struct{})}
	a, out, _ := w.app()
	a.terminal = func() (*terminal, error) {
		return &terminal{size: size, keys: s.keys, resized: s.resized, restore: func() { close(s.restored) }}, nil
	}
	code := make(chan int, 1)
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	w.t.Cleanup(cancel)
	go func() { code <- a.runContext(ctx, []string{"top"}) }()
	return s, out, code
}

func TestTop_DrawsUntilQAndGivesTheScreenBack(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	s, out, code := w.live(func() (int, int) { return 100, 20 })
	until(t, "the table is drawn", func() bool { return strings.Contains(out.String(), "notes:alice  0.0    67.1 MB") })
	until(t, "it has rates", func() bool { return strings.Contains(out.String(), "notes:alice  50.0   67.1 MB  10.0") })
	w.host.mu.Lock()
	w.host.fail = errors.New("gone\x1b[2J")
	w.host.mu.Unlock()
	until(t, "it says what is wrong", func() bool { return strings.Contains(out.String(), `gone\x1b[2J (trying again)`) })
	w.host.mu.Lock()
	w.host.fail = nil
	w.host.mu.Unlock()
	s.keys <- 'x' // means nothing
	s.keys <- 'q'
	if got := <-code; got != 0 {
		t.Errorf("exit %d", got)
	}
	<-s.restored
	if text := out.String(); !strings.HasPrefix(text, enterScreen) || !strings.HasSuffix(text, leaveScreen) {
		t.Errorf("%q", text)
	}
}

func TestTop_EndsWithItsInputAndOnCtrlC(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	for _, end := range []func(*drawnOn){func(s *drawnOn) { close(s.keys) }, func(s *drawnOn) { s.keys <- ctrlC }} {
		s, _, code := w.live(func() (int, int) { return 80, 24 })
		end(s)
		if got := <-code; got != 0 {
			t.Errorf("exit %d", got)
		}
		<-s.restored
	}
}

func TestTop_ASmallerScreenHoldsLess(t *testing.T) {
	view := topView{server: "here"}
	var crowd []edge.UsageOfNowJSON
	for range 30 {
		crowd = append(crowd, edge.UsageOfNowJSON{Instance: "notes:somebody", State: "running"})
	}
	view.take(look(1, crowd...))
	for _, size := range [][2]int{{80, 24}, {20, 10}, {10, 3}, {1, 1}, {200, 100}} {
		var out buffer
		view.draw(&out, size[0], size[1])
		text := strings.NewReplacer(home, "", clearLine, "", clearRest, "", inverse, "", plain, "").Replace(out.String())
		lines := strings.Split(text, "\r\n")
		if len(lines) > max(size[1], 2) {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if len([]rune(line)) > size[0] {
				t.Errorf("%v: %q is too long", size, line)
			}
		}
		if more := strings.Contains(text, "more"); more != (size == [2]int{80, 24} || size == [2]int{20, 10}) {
			t.Errorf("%v: says that there is more: %t", size, more)
		}
	}
}
