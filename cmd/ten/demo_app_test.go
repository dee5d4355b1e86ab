package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func notesOf(t *testing.T, customer string) *notesApp {
	return &notesApp{customer: customer, woke: time.Now(), notes: notebook{path: filepath.Join(t.TempDir(), "n")}}
}

func (n *notesApp) post(text string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://alice.notes.localhost:8080/", strings.NewReader(url.Values{"note": {text}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	n.handler().ServeHTTP(w, r)
	return w
}

func (n *notesApp) page() *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	n.handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return w
}

func TestDemoApp_KeepsANoteAndShowsItAsText(t *testing.T) {
	n := notesOf(t, `<b>al`)
	if w := n.post("  <script>alert(1)</script> "); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	n.post("   ")
	w := n.page()
	page := w.Body.String()
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>al") || !strings.Contains(page, "&lt;script&gt;") || strings.Count(page, "<li>") != 1 {
		t.Errorf("%s", page)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, styleHash(page)) {
		t.Errorf("the policy %q does not allow the page's own style %s", csp, styleHash(page))
	}
}

func TestDemoApp_WhatIsFilledInIsTextAndIsFilledInOnce(t *testing.T) {
	n := &notesApp{customer: `"><b onclick='x'>{notes}`, woke: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	page := n.render([]note{{n.woke, "{customer} & {awake}"}, {n.woke.Add(time.Second), "<li>"}}, n.woke.Add(90*time.Second+time.Millisecond))
	for text, times := range map[string]int{
		`"><b`: 0, `<b onclick`: 0, `'x'`: 0, `placeholder="A note for &#34;&gt;&lt;b onclick=&#39;x&#39;&gt;{notes}"`: 1,
		"awake since 03:04:05 (1m30s).": 1, "<li><time>03:04:05</time>{customer} &amp; {awake}</li>\n": 1, "<li><time>03:04:06</time>&lt;li&gt;</li>\n": 1, "<li>": 2,
	} {
		if got := strings.Count(page, text); got != times {
			t.Errorf("%q is there %d times, want %d:\n%s", text, got, times, page)
		}
	}
}

func TestDemoApp_RefusesWhatItShould(t *testing.T) {
	n := notesOf(t, "alice")
	if w := n.post("x", "Origin", "http://evil.example"); w.Code != http.StatusForbidden {
		t.Errorf("another site's post: %d", w.Code)
	}
	if w := n.post("x", "Origin", "http://alice.notes.localhost:8080"); w.Code != http.StatusSeeOther {
		t.Errorf("its own page's post: %d", w.Code)
	}
	if w := n.post(strings.Repeat("x", maxNote)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge note: %d", w.Code)
	}
	n.notes.path = t.TempDir()
	if w := n.post("x"); w.Code != http.StatusInternalServerError {
		t.Errorf("a disk that fails: %d", w.Code)
	}
	if w := n.page(); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), n.notes.path) {
		t.Errorf("a disk that fails: %d %s", w.Code, w.Body)
	}
}

func TestDemoApp_ServesUntilItIsTerminated(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- serveNotes(ctx, l, "alice", t.TempDir()) }()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if page, _ := io.ReadAll(resp.Body); !strings.Contains(string(page), "alice&#39;s notes") && !strings.Contains(string(page), "alice's notes") {
		t.Errorf("%s", page)
	}
	stop()
	if err := <-end; err != nil {
		t.Errorf("ended with %v", err)
	}
	l.Close()
	if err := serveNotes(t.Context(), l, "alice", ""); err == nil {
		t.Error("serves on a closed socket")
	}
}

func TestDemoApp_WithoutASocketItSaysWhoStartsIt(t *testing.T) {
	newWorld(t).wants(1, "", "`ten demo` starts this app", "demo-app")
	for _, env := range []map[string]string{{"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "2"}, {}} {
		if _, err := inheritedListener(func(k string) string { return env[k] }); err == nil {
			t.Errorf("%v is taken for a socket", env)
		}
	}
}
