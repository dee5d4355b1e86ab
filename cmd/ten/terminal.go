package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// terminal is a screen and its keys.
type terminal struct {
	size    func() (width, height int)
	keys    <-chan byte // closed at the end of the input
	resized <-chan os.Signal
	restore func() // gives the terminal back as it was
}

// openTerminal takes single keys from in, as they are pressed and unseen, until
// restore.
func openTerminal(in, out *os.File) (*terminal, error) {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil, errNoTerminal
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("cannot read single keys from the terminal: %w", err)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH) // ended by restore
	return &terminal{
		size: func() (int, int) {
			if width, height, err := term.GetSize(int(out.Fd())); err == nil && width > 0 {
				return width, height
			}
			return 80, 24 // what terminals that cannot tell have
		},
		keys: readKeys(in), resized: resized,
		restore: func() {
			signal.Stop(resized)
			_ = term.Restore(int(in.Fd()), before) // a terminal that is gone needs nothing
		},
	}, nil
}

// readKeys gives what is typed. It ends with its input, or with the program.
func readKeys(in *os.File) <-chan byte {
	keys := make(chan byte)
	go func() {
		defer close(keys)
		var one [1]byte
		for {
			if n, err := in.Read(one[:]); n == 0 || err != nil {
				return
			}
			keys <- one[0]
		}
	}()
	return keys
}
