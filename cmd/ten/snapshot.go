package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"tenement/conf"
	"tenement/edge"
)

// snapshot holds a SQLite database still while its files are copied: a read
// transaction of SQLite's own shell, which runs in the tenant's enclosure with
// the tenant's rights. Nobody else ever opens what a customer wrote as a database.
//
//	ten → BEGIN, a read     the shell has a shared lock: no page that was committed
//	    ← held              before is overwritten while it lasts (WAL: writers append
//	                        to the log, and no checkpoint passes the reader; rollback
//	                        journal: writers wait)
//	ten   copies the database first, its log after: SQLite makes the two one when
//	      it opens them (https://sqlite.org/walformat.html, Recovery)
//	ten → COMMIT            so that it is known to have lasted
//	    ← let go
type snapshot struct {
	in     *io.PipeWriter
	lines  chan string // of the shell's output; closed with it
	ended  chan error  // of the command; kept there
	said   *words
	cancel context.CancelFunc
}

const (
	lockWait    = 20 * time.Second // for a writer's lock, in the shell
	shellWait   = 30 * time.Second // for an answer of the shell
	shellGrace  = 5 * time.Second  // to end after its input has
	sqliteShell = "sqlite3"
	saidHeld    = "held"
	saidLetGo   = "let go"
)

// words are the first that a command has to say about an error.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const enough = 500
	w.text.Write(p[:min(len(p), max(enough-w.text.Len(), 0))])
	return len(p), nil
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(w.text.String())
}

// holdStill begins a snapshot of the database at path; end it by letGo. ctx ends
// it as well.
func (a *app) holdStill(ctx context.Context, name conf.Instance, path string) (*snapshot, error) {
	inRead, in := io.Pipe()
	outRead, out := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	s := &snapshot{in: in, lines: make(chan string), ended: make(chan error, 1), said: &words{}, cancel: cancel}
	shell := *a // with streams of its own
	shell.in, shell.out, shell.err = inRead, out, s.said
	request := edge.ExecRequest{Instance: name.String(), Argv: []string{sqliteShell, "-batch", "-bail", "-init", "/dev/null", path}}
	go func() { // ends with the shell
		err := shell.exec(ctx, request)
		inRead.Close() // nobody reads any more
		out.Close()
		s.ended <- err
	}()
	go s.listen(outRead) // ends with the shell's output
	script := fmt.Sprintf(".timeout %d\nBEGIN;\nSELECT '%s' FROM (SELECT count(*) FROM sqlite_master);\n", lockWait.Milliseconds(), saidHeld)
	if err := s.tell(ctx, script, saidHeld); err != nil {
		_ = s.end() // err says more
		return nil, err
	}
	return s, nil
}

func (s *snapshot) listen(out io.Reader) {
	defer close(s.lines)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		s.lines <- lines.Text() // tell or end takes it
	}
}

// tell has the shell do something and waits until it says that it is done.
func (s *snapshot) tell(ctx context.Context, script, answer string) error {
	go func() { _, _ = io.WriteString(s.in, script) }() // ends with the shell
	late := time.After(shellWait)
	for {
		select {
		case line, more := <-s.lines:
			if line == answer {
				return nil
			}
			if !more {
				return s.why()
			}
		case <-late:
			return fmt.Errorf("%s gave no answer for %v", sqliteShell, shellWait)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// why is what there is to be said of a shell whose output has ended.
func (s *snapshot) why() error {
	err := s.end()
	var exit *exitError
	switch {
	case err == nil:
		return fmt.Errorf("%s ended too early", sqliteShell)
	case errors.As(err, &exit) && s.said.String() != "":
		return fmt.Errorf("%s says %s", sqliteShell, s.said)
	}
	return err
}

// letGo ends a snapshot; an error says that it may not have lasted.
func (s *snapshot) letGo(ctx context.Context) error {
	err := s.tell(ctx, "COMMIT;\nSELECT '"+saidLetGo+"';\n", saidLetGo)
	_ = s.end() // how it ends after its last word does not matter
	return err
}

// end waits for the end of a shell that is read to no more: without input it ends
// by itself, else the daemon is asked to end it. It may come twice.
func (s *snapshot) end() error {
	s.in.Close()
	grace := time.AfterFunc(shellGrace, s.cancel)
	defer s.cancel()
	defer grace.Stop()
	for range s.lines { // until its output has ended
	}
	err := <-s.ended
	s.ended <- err
	return err
}
