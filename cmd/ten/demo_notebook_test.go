package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNotebook_KeepsNotesAndShowsTheNewestFirst(t *testing.T) {
	b := notebook{path: filepath.Join(t.TempDir(), "notes.jsonl")}
	if notes, err := b.all(); len(notes) != 0 || err != nil {
		t.Errorf("a new one holds %v, %v", notes, err)
	}
	for i := range shownNotes + 5 {
		if err := b.add(note{At: time.Now(), Text: fmt.Sprintf("n%d\nx", i)}); err != nil {
			t.Fatal(err)
		}
	}
	notes, err := b.all()
	if err != nil || len(notes) != shownNotes || notes[0].Text != fmt.Sprintf("n%d\nx", shownNotes+4) {
		t.Errorf("%d notes, the first %+v, %v", len(notes), notes[0], err)
	}
}

func TestNotebook_ALineThatACrashCutShortCostsThatLineOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.jsonl")
	b := notebook{path: path}
	if err := b.add(note{Text: "first"}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"at":"2026-01-`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.add(note{Text: "third"}); err != nil {
		t.Fatal(err)
	}
	notes, err := b.all()
	if err != nil || len(notes) != 2 || notes[0].Text != "third" || notes[1].Text != "first" {
		t.Errorf("%+v, %v", notes, err)
	}
}

func TestNotebook_ADiskThatFailsIsSaid(t *testing.T) {
	b := notebook{path: filepath.Join(t.TempDir(), "none", "notes.jsonl")}
	if err := b.add(note{}); err == nil || !strings.Contains(err.Error(), "cannot open the notes") {
		t.Errorf("add: %v", err)
	}
	b.path = t.TempDir()
	if _, err := b.all(); err == nil || !strings.Contains(err.Error(), "cannot read the notes") {
		t.Errorf("all: %v", err)
	}
	b.path = "/dev/full"
	if err := b.add(note{}); err == nil || !strings.Contains(err.Error(), "cannot write the note") {
		t.Errorf("a full disk: %v", err)
	}
}
