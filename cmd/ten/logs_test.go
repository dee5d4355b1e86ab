package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
}
