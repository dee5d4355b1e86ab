package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// listenFD is the first descriptor that is passed in by the systemd convention
// (sd_listen_fds(3)).
const listenFD = 3

// maxNote is the longest note, in bytes of its form.
const maxNote = 16 << 10

//go:embed demo_app.html
var notesHTML string

// notesPolicy lets a browser do nothing with the page but show it, in its own
// one style, and post its form.
var notesPolicy = "default-src 'none'; form-action 'self'; style-src 'sha256-" + styleHash(notesHTML) + "'"

// styleHash is what a browser computes over the content of the style element.
func styleHash(page string) string {
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func demoAppCmd() *cobra.Command {
	return &cobra.Command{
		Use: "demo-app", Short: "The notes app of `ten demo`", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := inheritedListener(os.Getenv)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return serveNotes(ctx, l, os.Getenv("TENEMENT_ID"), os.Getenv("DATA_DIR"))
		},
	}
}

// inheritedListener takes the listening socket that tenement passed in.
func inheritedListener(env func(string) string) (net.Listener, error) {
	if env("LISTEN_FDS") != "1" || env("LISTEN_PID") != fmt.Sprint(os.Getpid()) {
		return nil, errors.New("no listening socket was passed in: `ten demo` starts this app")
	}
	f := os.NewFile(listenFD, "listener")
	defer f.Close() // FileListener has its own copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot use the socket that was passed in: %w", err)
	}
	return l, nil
}

// serveNotes runs one customer's notes app until ctx ends, then lets the
// requests under way end.
func serveNotes(ctx context.Context, l net.Listener, customer, dataDir string) error {
	app := &notesApp{customer: customer, woke: time.Now(), notes: notebook{path: filepath.Join(dataDir, "notes.jsonl")}}
	srv := &http.Server{Handler: app.handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	fmt.Printf("%s's notes are open\n", customer)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return srv.Shutdown(shutdown)
}

// notesApp is the notes of one customer, as a web page.
type notesApp struct {
	customer string
	woke     time.Time
	notes    notebook
}

// handler refuses posts that another site's page makes in the visitor's browser.
func (n *notesApp) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", n.show)
	mux.HandleFunc("POST /{$}", n.add)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (n *notesApp) show(w http.ResponseWriter, r *http.Request) {
	notes, err := n.notes.all()
	if err != nil {
		http.Error(w, "cannot read the notes", http.StatusInternalServerError)
		fmt.Fprintln(os.Stderr, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", notesPolicy)
	h.Set("Cache-Control", "no-store")
	if _, err := io.WriteString(w, n.render(notes, time.Now())); err != nil { // the visitor left
		fmt.Fprintln(os.Stderr, err)
	}
}

// render fills in the page by hand: html/template finds methods by their names, for
// which the linker would keep every exported method of ten, and what those need.
// What is filled in stands between tags or in a quoted attribute, where
// EscapeString is enough.
func (n *notesApp) render(notes []note, now time.Time) string {
	var list strings.Builder
	for _, one := range notes {
		fmt.Fprintf(&list, "<li><time>%s</time>%s</li>\n", one.At.Format(time.TimeOnly), html.EscapeString(one.Text))
	}
	if len(notes) == 0 {
		list.WriteString("<li>Nothing yet.</li>\n")
	}
	return strings.NewReplacer(
		"{customer}", html.EscapeString(n.customer), "{woke}", n.woke.Format(time.TimeOnly),
		"{awake}", now.Sub(n.woke).Round(time.Second).String(), "{notes}", list.String(),
	).Replace(notesHTML)
}

func (n *notesApp) add(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxNote)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "that note is too long", http.StatusRequestEntityTooLarge)
		return
	}
	if text := strings.TrimSpace(r.PostForm.Get("note")); text != "" {
		if err := n.notes.add(note{At: time.Now(), Text: text}); err != nil {
			http.Error(w, "cannot keep the note", http.StatusInternalServerError)
			fmt.Fprintln(os.Stderr, err)
			return
		}
		fmt.Println("kept a note")
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
