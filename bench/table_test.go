package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTable_HasARowForEachMetricAndAColumnForEachSubject(t *testing.T) {
	t.Parallel()
	r := report{Suite: "x", Results: []result{
		{Name: "speed", Subject: "a", Value: 69012, Unit: "1/s"}, {Name: "speed", Subject: "b", Value: 812.4, Unit: "1/s", Failures: 2},
		{Name: "time", Subject: "b", Value: 12.34, Unit: "us"}, {Name: "speed: a / b", Value: 0.987, Low: 0.9, High: 1.1, Floor: 0.95},
	}}
	dir := t.TempDir()
	if err := r.Write(dir, "x"); err != nil {
		t.Fatal(err)
	}
	got, err := printTable(filepath.Join(dir, "x.json"))
	want := "| | a | b |\n|---|---|---|\n| speed | 69.0k | 812 (2 failed) |\n| time | – | 12.3 µs |\n\nspeed: a / b: 0.99 (0.90 to 1.10), met.\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestTable_WhatIsNoResultIsNamed(t *testing.T) {
	t.Parallel()
	if _, err := printTable("/none.json"); err == nil {
		t.Error("a file that is not there")
	}
	path := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := printTable(path); err == nil {
		t.Error("half a file")
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := printTable(path); err == nil || !strings.Contains(err.Error(), "no suite") {
		t.Errorf("JSON of something else: %v", err)
	}
}

func TestTable_ThreeDigits(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{69012: "69.0k", 9999: "9999", 123.4: "123", 12.34: "12.3", 1.234: "1.23", math.NaN(): "–"} {
		if got := short(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
