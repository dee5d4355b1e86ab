package edge

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/conf"
)

const browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"

func TestPages_WhoWaitsTooLongForAStartSeesThatItStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes", Front: conf.Front{WakePageAfter: soon}}}
	d := w.host.door("notes:alice")
	b := saying(t, "awake")
	w.host.wake = func(ctx context.Context, _ *actors.Door) (*actors.Way, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	page := w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+browser+"\r\n")
	if page.StatusCode != 503 || page.Header.Get("Retry-After") != "1" || page.Header.Get("Content-Type") != "text/html; charset=utf-8" ||
		page.Header.Get("Cache-Control") != "no-store" || !strings.Contains(page.text, `http-equiv="refresh"`) || !strings.Contains(page.text, "<h1>notes is starting</h1>") {
		t.Errorf("got %d %v %s", page.StatusCode, page.Header, page.text)
	}
	for name, request := range map[string]string{
		"no browser":       "GET / HTTP/1.1\r\n" + toAlice + "Accept: */*\r\n\r\n",
		"without a wish":   "GET / HTTP/1.1\r\n" + toAlice + "\r\n",
		"expressly not":    "GET / HTTP/1.1\r\n" + toAlice + "Accept: text/html;q=0\r\n\r\n",
		"a form":           "POST / HTTP/1.1\r\n" + toAlice + browser + "Content-Length: 0\r\n\r\n",
		"a GET and a body": "GET / HTTP/1.1\r\n" + toAlice + browser + "Content-Length: 1\r\n\r\nx",
	} {
		if h := w.ask("GET", request).wants(t, 503, "Service temporarily unavailable"); h.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: %v", name, h.Header)
		}
	}
	d.Open(w.host.way(1, b))
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+browser+"\r\n").wants(t, 200, "awake")
}

func TestPages_WithoutTheKeyEverybodyWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.host.door("notes:alice")
	b := saying(t, "awake")
	w.host.wake = func(context.Context, *actors.Door) (*actors.Way, error) {
		time.Sleep(2 * soon)
		d.Open(w.host.way(1, b))
		return d.Enter(), nil
	}
	w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+browser+"\r\n").wants(t, 200, "awake")
}

func TestPages_TheNameOfAServiceIsNoMarkup(t *testing.T) {
	if got := string(wakePage(`<script>"&`)); strings.Contains(got, "<script>") || !strings.Contains(got, "&lt;script&gt;&#34;&amp;") {
		t.Error(got)
	}
}

func TestPages_AServiceShowsItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	w := newWorld(t)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes", Front: conf.Front{ErrorPages: map[int]string{
		404: write("404.html", "who?"), 502: write("502.html", "broken"), 503: filepath.Join(dir, "none.html"),
	}}}}
	w.tenant(raw(t, "nonsense\r\n\r\n"))
	get := "GET / HTTP/1.1\r\n" + toAlice
	for range 2 {
		if h := w.ask("GET", get+browser+"\r\n").wants(t, 502, "broken"); h.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("got %v", h.Header)
		}
	}
	w.ask("GET", get+"\r\n").wants(t, 502, "Bad gateway")
	w.ask("HEAD", "HEAD / HTTP/1.1\r\n"+toAlice+browser+"\r\n").wants(t, 502, "")
	w.ask("GET", "GET / HTTP/1.1\r\nHost: nobody.notes.example.test\r\n"+browser+"\r\n").wants(t, 404, "who?")
	w.ask("GET", "GET / HTTP/1.1\r\nHost: nobody.shop.example.test\r\n"+browser+"\r\n").wants(t, 404, "Not found")
	w.host.Door("notes", "alice").Shut()
	for range 2 {
		w.ask("GET", get+browser+"\r\n").wants(t, 503, "Service temporarily unavailable")
	}
	if n := strings.Count(w.log.String(), "cannot read an error page"); n != 1 {
		t.Errorf("a page that is not there was reported %d times", n)
	}
}

func TestPages_AChangedFileIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.html")
	p := pages{log: zerolog.Nop()}
	for i, step := range []struct{ write, want string }{{"one", "one"}, {"two", "two"}, {"", ""}, {strings.Repeat("x", maxPage+1), ""}, {"three", "three"}} {
		if step.write == "" {
			_ = os.Remove(path)
		} else if err := os.WriteFile(path, []byte(step.write), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Chtimes(path, time.Time{}, time.Unix(int64(i+1), 0))
		if kept := p.kept[path]; kept != nil {
			kept.looked = time.Time{}
		}
		if got := string(p.get(path)); got != step.want {
			t.Errorf("step %d: %.20q, want %q", i, got, step.want)
		}
	}
}
