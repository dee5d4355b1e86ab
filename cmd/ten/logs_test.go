package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

func TestLogs_FollowingPrintsThePastAndThenWhatComes(t *testing.T) {
	w := newWorld(t)
	d := w.daemon()
	log := w.host.logs.Writer(conf.Instance{Service: "notes", ID: "alice"})
	defer log.Close()
	log.Write(sandbox.Stdout, []byte("past\n"))
	for _, c := range []struct{ flag, past, next string }{
		{"--follow", "[OUT] notes:alice past\n", "[ERR] notes:alice next\\x1b[2J\n"},
		{"--json", `"message":"past"`, `"message":"next\u001b[2J"`},
	} {
		a, out, errs := w.app()
		ctx, leave := context.WithCancel(t.Context())
		code := make(chan int, 1)
		go func() { code <- a.runContext(ctx, []string{"logs", "notes:alice", "-f", c.flag}) }()
		until(t, "the past is printed", func() bool { return strings.Contains(out.String(), c.past) })
		log.Write(sandbox.Stderr, []byte("next\x1b[2J\n"))
		until(t, "a new line is printed", func() bool { return strings.Contains(out.String(), c.next) })
		leave()
		if got := <-code; got != 0 || errs.String() != "" || strings.Count(out.String(), "past") != 1 {
			t.Errorf("exit %d, %s%s", got, out, errs)
		}
	}
	a, out, errs := w.app() // and when the daemon ends first
	code := make(chan int, 1)
	go func() { code <- a.runContext(t.Context(), []string{"logs", "-f"}) }()
	until(t, "the past is printed", func() bool { return strings.Contains(out.String(), "past") })
	if err := d.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-code; got != 1 || !strings.Contains(errs.String(), "the stream of "+w.url+" ended") {
		t.Errorf("exit %d, %s", got, errs)
	}
}

func TestLogs_WhatCameByBothWaysIsPrintedOnce(t *testing.T) {
	const line = `{"timestamp":1700000000000,"level":"stdout","process":"notes","instance_id":"alice","message":"twice"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			_, _ = w.Write([]byte(": hello\n\ndata: " + line + "\n\ndata: " + line + "\n\ndata: nonsense\n\n"))
			return
		}
		_, _ = w.Write([]byte("[" + line + "]"))
	}))
	defer server.Close()
	code, out, errs := newWorld(t).ten("logs", "-f", "--server", server.URL)
	// Once in the past; of the stream's two, one is that one.
	if code != 1 || strings.Count(out, "[OUT] notes:alice twice") != 2 || !strings.Contains(errs, "cannot read a log line") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestLogs_AStreamThatIsRefusedIsSaid(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(1, "", "unknown or expired token", "logs", "-f", "--server", w.url, "--token", "wrong")
	w.wants(1, "", "from 1 to 10000", "logs", "-f", "--limit", "0")
	w.wants(1, "", "grep=\"(\": error parsing regexp: missing closing )", "logs", "--grep", "(")
	w.wants(1, "", "since=\"noon\": a time like 2026-11-25T12:00:00Z, or how long ago", "logs", "--since", "noon")
	w.wants(1, "", "a log that is followed has no end", "logs", "-f", "--until", "1h")
}

func TestLogs_ATimeOfThisPlaceIsOneOfEverywhere(t *testing.T) {
	local := time.Date(2026, 11, 25, 12, 30, 0, 0, time.Local)
	for _, text := range []string{"2026-11-25 12:30", "2026-11-25 12:30:00", "2026-11-25T12:30", "2026-11-25T12:30:00"} {
		if got, err := time.Parse(time.RFC3339, momentText(text)); err != nil || !got.Equal(local) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"15m", "2026-11-25T12:30:00Z", "noon"} {
		if got := momentText(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
