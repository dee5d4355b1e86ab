package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a terminal of the kernel's: what is written to the keyboard is typed.
func pty(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, tty, err := openPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close(); tty.Close() })
	return keyboard, tty
}

func openPTY() (keyboard, tty *os.File, err error) {
	if keyboard, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0)
	var n int
	if err == nil {
		n, err = unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		keyboard.Close()
	}
	return keyboard, tty, err
}

func TestTerminal_GivesKeysSizeAndItselfBack(t *testing.T) {
	keyboard, tty := pty(t)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	term, err := openTerminal(tty, tty)
	if err != nil {
		t.Fatal(err)
	}
	if width, height := term.size(); width != 80 || height != 24 {
		t.Errorf("a terminal that cannot tell is %d x %d", width, height)
	}
	if err := unix.IoctlSetWinsize(int(keyboard.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 132}); err != nil {
		t.Fatal(err)
	}
	if width, height := term.size(); width != 132 || height != 50 {
		t.Errorf("%d x %d, want 132 x 50", width, height)
	}
	if _, err := keyboard.Write([]byte{'q', ctrlC}); err != nil { // no line's end: it is raw
		t.Fatal(err)
	}
	for _, want := range []byte{'q', ctrlC} {
		select {
		case got := <-term.keys:
			if got != want {
				t.Errorf("key %q, want %q", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no key came")
		}
	}
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	select {
	case <-term.resized:
	case <-time.After(20 * time.Second):
		t.Error("nobody told of the new size")
	}
	term.restore()
	after, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("left as %+v, was %+v, %v", after, before, err)
	}
	keyboard.Close() // the end of the input
	select {
	case _, open := <-term.keys:
		if open {
			t.Error("a key after the end")
		}
	case <-time.After(20 * time.Second):
		t.Error("the reader of keys does not end")
	}
}

func TestTerminal_WhatIsNoneIsRefused(t *testing.T) {
	_, tty := pty(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, pair := range [][2]*os.File{{null, tty}, {tty, null}, {null, null}} {
		if _, err := openTerminal(pair[0], pair[1]); !errors.Is(err, errNoTerminal) {
			t.Errorf("%v", err)
		}
	}
}
