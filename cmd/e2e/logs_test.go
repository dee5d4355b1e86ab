package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// F17: whatever a tenant writes, a terminal obeys none of it, and JSON stays
// one object a line.
func TestLogs_HostileOutputIsShownHarmless(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "escapes", `listen = "fd"`)})
	d.want(200, "web", "one", "/")
	var out string
	eventually(t, "the last line is there", 5*time.Second, func() bool {
		out = d.must("logs", "web:one")
		return strings.Contains(out, "end of escapes")
	})
	for _, r := range out {
		if r != '\n' && (unicode.IsControl(r) || r == '\u202e') {
			t.Errorf("terminal output holds %q: %q", r, out)
			break
		}
	}
	if !utf8.ValidString(out) {
		t.Errorf("terminal output is no UTF-8: %q", out)
	}
	if !strings.Contains(out, "red") || !strings.Contains(out, `{"level":"fatal","message":"fake"}`) {
		t.Errorf("the harmless part is lost: %q", out)
	}
	wantObjects(t, d.must("logs", "web:one", "--json"))
	for line := range strings.Lines(d.output.String()) {
		if strings.HasPrefix(strings.TrimSpace(line), `{"level":"fatal","message":"fake"`) {
			t.Errorf("the daemon's own log has a forged line: %q", line)
		}
	}
}

// wantObjects accepts a JSON array, or one object a line.
func wantObjects(t *testing.T, out string) {
	t.Helper()
	var list []map[string]any
	if json.Unmarshal([]byte(out), &list) == nil {
		return
	}
	for line := range strings.Lines(out) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("not one object a line: %v: %q", err, line)
		}
	}
}

func TestLogs_AreFollowedSearchedAndKept(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	d.want(200, "web", "one", "/write?line=first")
	d.want(200, "web", "two", "/write?line=of-two")
	resp, err := d.control.Get("http://localhost/api/logs/stream?process=web&id=one")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("%d %q, want an event stream", resp.StatusCode, kind)
	}
	lines := make(chan string, 100)
	go func() { // ends when the body is closed
		defer close(lines)
		scan := bufio.NewScanner(resp.Body)
		for scan.Scan() {
			lines <- scan.Text()
		}
	}()
	d.want(200, "web", "two", "/write?line=not-for-you")
	d.want(200, "web", "one", "/write?line=live")
	deadline := time.After(10 * time.Second)
	for found := false; !found; {
		select {
		case line := <-lines:
			if strings.Contains(line, "not-for-you") {
				t.Errorf("a line of another tenant: %q", line)
			}
			found = strings.HasPrefix(line, "data: {") && strings.Contains(line, `"message":"live"`)
		case <-deadline:
			t.Fatal("the line was not streamed")
		}
	}
	if out := d.must("logs", "web:one", "--search", "fir"); !strings.Contains(out, "first") || strings.Contains(out, "live") {
		t.Errorf("--search fir: %q", out)
	}
	if out := d.must("logs", "web:one", "--limit", "1"); strings.Count(out, "\n") != 1 {
		t.Errorf("--limit 1: %q", out)
	}
	if out := d.must("logs", "web:one", "--level", "stderr"); strings.Contains(out, "first") {
		t.Errorf("--level stderr shows stdout: %q", out)
	}
	resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	d.terminate()
	d.start()
	if out := d.must("logs", "web:one"); !strings.Contains(out, "first") || !strings.Contains(out, "live") {
		t.Errorf("after a restart: %q", out)
	}
	d.must("forget", "web:one", "--delete-data")
	if out, _, _ := d.ten("logs", "web:one"); strings.Contains(out, "first") {
		t.Errorf("after forget --delete-data: %q", out)
	}
}
