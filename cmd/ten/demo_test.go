package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/actors"
	"tenement/conf"
)

func TestDemo_TellsTheTourAndCleansUp(t *testing.T) {
	w := newWorld(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	clear(w.env)
	a, out, errs := w.app()
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- a.runContext(ctx, []string{"demo"}) }()
	until(t, "the tour is printed", func() bool { return strings.Contains(out.String(), "Ctrl-C") })
	w.host.options.Observe(conf.Instance{Service: "notes", ID: "alice"}, actors.Starting, actors.Running, "")
	until(t, "the news is told", func() bool { return strings.Contains(out.String(), "alice woke up: process 4711 serves\n") })
	found, _ := filepath.Glob(filepath.Join(temp, "ten-demo-*", conf.FileName))
	if len(found) != 1 || !strings.Contains(out.String(), " --config "+found[0]+" ps --all") {
		t.Errorf("%q is not what the tour says:\n%s", found, out)
	}
	_, port, _ := strings.Cut(out.String(), "http://alice.notes.localhost:")
	port, _, _ = strings.Cut(port, "/\n")
	for _, want := range []string{"http://bob.notes.localhost:" + port + "/", "http://carol.", "curl -H 'Host: alice.notes.localhost:" + port + "' http://127.0.0.1:" + port + "/\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	stop()
	if got := <-code; got != 0 || errs.String() != "" {
		t.Errorf("exit %d: %s", got, errs)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if got := w.host.all(); got != "register [notes:alice notes:bob notes:carol], shutdown" {
		t.Errorf("the tree was asked to %q", got)
	}
}

func TestDemo_APortInUseIsGoneAround(t *testing.T) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", demoPort))
	if err == nil { // else somebody has it anyway
		defer l.Close()
	}
	w := newWorld(t)
	a, _, _ := w.app()
	place, err := a.place()
	if err != nil {
		t.Fatal(err)
	}
	d, err := a.startDemo(place.config, make(chan transition, 1))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(d.url, fmt.Sprint(":", demoPort)) {
		t.Errorf("serves %s", d.url)
	}
	if err := d.stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDemo_FailuresCleanUpToo(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	w := newWorld(t)
	clear(w.env)
	w.host.fail = errors.New("no room")
	w.wants(1, "", "cannot register the demo's customers: no room", "demo")
	a, _, errs := w.app()
	a.host = func(actors.Options) (host, error) { return nil, errors.New("no tree") }
	if code := a.run([]string{"demo"}); code != 1 || !strings.Contains(errs.String(), "no tree") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Setenv("TMPDIR", filepath.Join(temp, "none"))
	w.wants(1, "", "cannot make a directory for the demo", "demo")
}

func TestDemo_NewsIsInPlainWords(t *testing.T) {
	for _, c := range []struct {
		from, to actors.State
		reason   string
		want     string
	}{
		{actors.Starting, actors.Running, "", "bob woke up: process 7 serves"},
		{actors.Stopping, actors.Asleep, "", "bob fell asleep: the process is gone, the notes stay"},
		{actors.Running, actors.Draining, "", ""},
		{actors.Draining, actors.Stopping, "nobody used it for 10s", ""},
		{actors.Running, actors.Stopping, "its process ended by itself: killed by SIGKILL", "bob: its process ended by itself: killed by SIGKILL"},
		{actors.Stopping, actors.Queued, "its process ended by itself: killed by SIGKILL", ""},
		{actors.Backoff, actors.Failed, "4 failures in 300s", "bob failed: 4 failures in 300s"},
		{actors.Asleep, actors.Queued, "", ""},
	} {
		got := demoNews(transition{conf.Instance{Service: "notes", ID: "bob"}, c.from, c.to, c.reason}, 7)
		if got != c.want {
			t.Errorf("%s -> %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
	full := make(chan transition)
	observer(full)(conf.Instance{}, actors.Asleep, actors.Queued, "") // nobody reads: it must not block
}
