package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tenement/sandbox"
)

// write logs lines of a tenant, one "stdout" or "stderr" each.
func (h *apiHost) write(name string, stream sandbox.Stream, lines ...string) {
	w := h.logs.Writer(apiName(name))
	for _, line := range lines {
		w.Write(stream, []byte(line+"\n"))
	}
	w.Close()
}

func logMessages(t *testing.T, r Reply) string {
	t.Helper()
	var all []string
	for _, line := range decodedReply[[]LogJSON](t, r) {
		all = append(all, line.Message)
	}
	return strings.Join(all, " ")
}

func TestLogs_FiltersAndScopes(t *testing.T) {
	d := newAsker(t)
	d.host.write("notes:alice", sandbox.Stdout, "n1", "n2")
	d.host.write("notes:bob", sandbox.Stdout, "b1")
	d.host.write("notes:alice", sandbox.Stderr, "n3")
	d.host.write("shop:alice", sandbox.Stdout, "s1")
	for _, c := range []struct{ token, query, want string }{
		{"admin", "", "n1 n2 b1 n3 s1"},
		{"local", "?process=notes", "n1 n2 b1 n3"},
		{"admin", "?process=notes&id=alice", "n1 n2 n3"},
		{"admin", "?id=Alice", "n1 n2 n3 s1"},
		{"admin", "?id=alice&limit=2", "n3 s1"},
		{"admin", "?level=stderr", "n3"},
		{"admin", "?level=stdout&process=notes&id=alice", "n1 n2"},
		{"admin", "?search=1", "n1 b1 s1"},
		{"admin", "?grep=^[ns]1$", "n1 s1"},
		{"notes-bob", "?grep=1", "b1"},
		{"admin", "?since=1h&grep=b", "b1"},
		{"admin", "?until=1h", ""},
		{"admin", "?until=1d", ""},
		{"admin", "?since=2001-01-01T00:00:00Z&until=9999999999999&level=stderr", "n3"},
		{"alice", "", "n1 n2 n3 s1"},
		{"alice", "?process=notes", "n1 n2 n3"},
		{"alice", "?limit=1", "s1"},
		{"notes-bob", "", "b1"},
		{"notes-bob", "?process=notes&id=bob", "b1"},
	} {
		if got := logMessages(t, d.ask(c.token, "GET", "/api/logs"+c.query, "")); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.token, c.query, got, c.want)
		}
	}
	d.ask("admin", "GET", "/api/logs?process=none", "").wants(t, 200, "[]")
}

func TestLogs_AnIDsLastLinesAreNotCrowdedOutByOthers(t *testing.T) {
	d := newAsker(t)
	d.host.write("notes:alice", sandbox.Stdout, "mine")
	for i := range 50 {
		d.host.write("notes:bob", sandbox.Stdout, fmt.Sprint("noise", i))
	}
	if got := logMessages(t, d.ask("alice", "GET", "/api/logs?limit=5", "")); got != "mine" {
		t.Errorf("got %q", got)
	}
}

func TestLogs_BadQueriesAreRefused(t *testing.T) {
	d := newAsker(t)
	for query, says := range map[string]string{
		"process=a/b": "process=", "id=..": "id=", "id=%00": "not a valid name", "level=debug": "stdout or stderr",
		"limit=0": "from 1 to 10000", "limit=10001": "from 1 to 10000", "limit=x": "from 1 to 10000",
	} {
		for _, route := range []string{"/api/logs?", "/api/logs/stream?"} {
			d.ask("admin", "GET", route+query, "").wants(t, 400, says)
		}
	}
}

func TestLogs_BytesOfATenantArriveAsText(t *testing.T) {
	d := newAsker(t)
	d.host.write("notes:alice", sandbox.Stdout, "a\x1b[31m\xff\x00\"}{<b>")
	lines := decodedReply[[]LogJSON](t, d.ask("alice", "GET", "/api/logs", ""))
	if len(lines) != 1 || lines[0].Message != "a\x1b[31m\uFFFD\x00\"}{<b>" || lines[0].Level != "stdout" ||
		lines[0].Process != "notes" || lines[0].InstanceID != "alice" || lines[0].Timestamp < 1e12 {
		t.Errorf("%+v", lines)
	}
}

func TestLogs_AnIDIsLookedForInServicesThatLeftTheFileToo(t *testing.T) {
	d := newAsker(t)
	i := d.host.tenants[apiName("notes:alice")]
	i.Name = apiName("old:alice")
	d.host.tenants[i.Name] = i
	if got := d.logServices(logFilter{tenantFilter: tenantFilter{id: "alice"}}); !slices.Equal(got, []string{"notes", "old", "shop"}) {
		t.Errorf("looks in %q", got)
	}
}

func TestLogs_AJournalThatCannotBeReadIsSaid(t *testing.T) {
	d := newAsker(t)
	d.host.write("notes:alice", sandbox.Stdout, "x")
	c := apiCall("admin", "GET", "/api/logs", "")
	gone, cancel := endedContext(t)
	defer cancel()
	d.Serve(gone, c).wants(t, 503, "cannot read the logs")
}

func TestLogs_WhatCannotBeReadIsNamed(t *testing.T) {
	d := newAsker(t)
	for query, says := range map[string]string{
		"?grep=(":                             `grep=\"(\": error parsing regexp: missing closing )`,
		"?grep=" + strings.Repeat("x", 1001):  "the expression is 1001 bytes long, at most 1000",
		"?grep=x{900}":                        "too complex: 902 steps, at most 500",
		"?grep=(x{1000}){1000}":               "grep=",
		"?since=yesterday":                    `since=\"yesterday\": a time like`,
		"?since=-1h":                          "since=",
		"?since=-5":                           "since=",
		"?until=99999999999d":                 "until=",
		"?until=2026-02-30T00:00:00Z":         "until=",
		"?since=1h30&until=2026-02-30T00:00Z": "since=",
	} {
		for _, route := range []string{"/api/logs", "/api/logs/stream"} {
			d.ask("admin", "GET", route+query, "").wants(t, 400, says)
		}
	}
}

func TestLogs_AStreamMatchesInItsOwnTime(t *testing.T) {
	d := newAsker(t)
	f, refused := logFilterOf(&apiRequest{Call: apiCall("admin", "GET", "/api/logs/stream?grep=^y", ""), who: localCaller})
	if refused != nil {
		t.Fatal(string(refused.Body))
	}
	lines, stop := d.follow(f)
	defer stop()
	d.host.write("notes:alice", sandbox.Stdout, "no", "yes")
	shape := f.follow(d.API).shape
	if first := <-lines; first.Message != "no" || shape(first) != nil { // the journal gives it, the stream leaves it out
		t.Errorf("%+v becomes %v", first, shape(first))
	}
	if second := <-lines; shape(second) == nil {
		t.Errorf("%q is left out", second.Message)
	}
}
