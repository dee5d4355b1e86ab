package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tenement/conf"
)

func TestClient_OverTheNetworkItSendsTheTokenThatCounts(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"instance":"notes:alice","health":"healthy"}`))
	}))
	defer server.Close()
	w := newWorld(t)
	w.daemon() // a control socket that --server goes past
	const path = "GET /api/instances/notes:alice/health "
	w.write("data/api_token", " from-file\n")
	for _, c := range []struct {
		env, args, want string
	}{
		{"", "health notes:alice --server " + server.URL, path + "Bearer from-file"},
		{"", "health notes:alice --server " + server.URL + "/", path + "Bearer from-file"},
		{"from-env", "health notes:alice --server " + server.URL, path + "Bearer from-env"},
		{"from-env", "--token from-flag health notes:alice --server " + server.URL, path + "Bearer from-flag"},
	} {
		w.env["TENEMENT_TOKEN"] = c.env
		w.wants(0, "notes:alice: healthy\n", "", strings.Fields(c.args)...)
		if got != c.want {
			t.Errorf("%s: the server got %q, want %q", c.args, got, c.want)
		}
	}
	w.env["TENEMENT_SERVER"] = server.URL
	w.wants(0, "No running instances\n", "", "ps", "--server", emptyList(t))
	w.wants(0, "notes:alice: healthy\n", "", "health", "notes:alice")
}

func emptyList(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }))
	t.Cleanup(server.Close)
	return server.URL
}

func TestClient_TheRealListenerAsksForAToken(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(0, "notes:alice: healthy\n", "", "health", "notes:alice", "--server", w.url) // api_token of the first start
	w.wants(1, "", "unknown or expired token", "health", "notes:alice", "--server", w.url, "--token", "wrong")
}

func TestClient_WithoutADirectoryATokenWillDo(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.write(conf.FileName, "nonsense = ")
	w.env["TENEMENT_TOKEN"] = strings.TrimSpace(w.read("data/api_token"))
	w.wants(0, "notes:alice: healthy\n", "", "health", "notes:alice", "--server", w.url)
	w.wants(1, "", "Error: ", "health", "notes:alice")
}

func TestClient_ErrorsSayWhoWasAskedAndWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.wants(1, "", "Error: cannot reach tenement at http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused: is `ten serve` running?\n",
		"ps", "--server", "http://127.0.0.1:1")
	for _, url := range []string{"localhost:8080", "ftp://x", "http://", "://"} {
		w.wants(1, "", "a URL like http://localhost:8080 is expected", "ps", "--server", url)
	}
	for answer, want := range map[string]string{
		"302 ":                   "the server answered 302",
		"500 ":                   "the server answered 500 Internal Server Error\n",
		"502 a proxy\x1b[2J":     `the server answered 502 Bad Gateway: a proxy\x1b[2J`,
		"404 {\"error\":\"no\"}": "Error: no\n",
		"200 <html>":             "is it a tenement?",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			status := map[string]int{"302": 302, "500": 500, "502": 502, "404": 404, "200": 200}[answer[:3]]
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(answer[4:]))
		}))
		w.wants(1, "", want, "ps", "--server", server.URL)
		server.Close()
	}
	w.write("data/api_token/x", "") // a directory where the file should be
	w.wants(1, "", "cannot read the token", "ps", "--server", "http://127.0.0.1:1")
}

func TestClient_JSONIsOnEverythingThatListsAndIsSafeForATerminal(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	for line, want := range map[string]string{
		"ps --json":              `"id": "notes:alice"`,
		"ps --all --json":        `"reason": "exit status 3\u001b[31m"`,
		"why notes:alice --json": `"next": "sleeps 300 s after its last use"`,
		"logs --json":            "[]",
		"config --json":          `"idle_timeout": 300`,
		"check --json":           `"valid": true`,
	} {
		code, out, errs := w.ten(strings.Fields(line)...)
		if code != 0 || !strings.Contains(out, want) || strings.ContainsRune(out, 0x1b) {
			t.Errorf("%s: exit %d\n%s%s\nwant %s", line, code, out, errs, want)
		}
	}
	if got := escapeControls("a\u009bb\x7fc\u202ed\U000e0001\n€"); got != `a\u009bb\u007fc\u202ed\udb40\udc01`+"\n€" {
		t.Errorf("got %q", got)
	}
}

func TestClient_CompletionOffersTheTenants(t *testing.T) {
	w := newWorld(t)
	code, out, _ := w.ten("__complete", "stop", "")
	if code != 0 || strings.Contains(out, "notes:") {
		t.Errorf("without a daemon: exit %d, %q", code, out)
	}
	w.daemon()
	if code, out, _ = w.ten("__complete", "stop", ""); code != 0 || !strings.HasPrefix(out, "notes:alice\nnotes:bob\nnotes:carol\n") {
		t.Errorf("exit %d, %q", code, out)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, errs := w.ten("completion", shell); code != 0 || len(out) < 1000 {
			t.Errorf("%s: exit %d, %d bytes, %s", shell, code, len(out), errs)
		}
	}
}
