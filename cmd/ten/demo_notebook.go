package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// shownNotes is how many notes a page shows, the newest first.
const shownNotes = 200

// note is one line of a notebook.
type note struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// notebook is a customer's notes in a file, one JSON object a line. A note that
// was acknowledged is on disk: add ends with an fsync.
type notebook struct {
	path string
	mu   sync.Mutex
}

func (b *notebook) add(n note) error {
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the notes: %w", err)
	}
	defer f.Close()
	// A line that a crash cut short must not swallow this one.
	if _, err := f.Write(append(append([]byte("\n"), line...), '\n')); err != nil {
		return fmt.Errorf("cannot write the note: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("cannot keep the note: %w", err)
	}
	return syncDir(filepath.Dir(b.path))
}

// all gives the newest notes first; lines that a crash cut short are left out.
func (b *notebook) all() ([]note, error) {
	b.mu.Lock()
	data, err := os.ReadFile(b.path)
	b.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the notes: %w", err)
	}
	var notes []note
	for line := range bytes.Lines(data) {
		var n note
		if json.Unmarshal(line, &n) == nil {
			notes = append(notes, n)
		}
	}
	slices.Reverse(notes)
	return notes[:min(len(notes), shownNotes)], nil
}
