package egress

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInside_ComesHome(t *testing.T) {
	needRoot(t)
	netns := newNetns(t)
	failure := errors.New("failed")
	err := inside(netns, func() error {
		return inCurrent(func(c rtnetlink) error {
			names, err := c.links()
			if len(names) != 1 {
				t.Errorf("not inside: %v", names)
			}
			return errors.Join(err, failure)
		})
	})
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if err := inside(-1, func() error { return nil }); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v", err)
	}
	here, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	for range 50 { // whatever thread it is
		done := make(chan string)
		go func() { at, _ := os.Readlink(ownNetns); done <- at }()
		if at := <-done; at != here {
			t.Fatalf("a thread is left in %s, home is %s", at, here)
		}
	}
}
