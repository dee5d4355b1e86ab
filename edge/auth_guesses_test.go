package edge

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuesses_TriesComeBackWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, from := newGuesses(), netip.MustParseAddr("192.0.2.7")
		for i := range guessBurst {
			if wait := g.wrong(from); wait != 0 {
				t.Fatalf("try %d waits %s", i, wait)
			}
		}
		if wait := g.wrong(from); wait != guessEvery {
			t.Errorf("waits %s, want %s", wait, guessEvery)
		}
		time.Sleep(guessEvery)
		if wait := g.wrong(from); wait != 0 {
			t.Errorf("after %s it still waits %s", guessEvery, wait)
		}
		if wait := g.wrong(from); wait != guessEvery {
			t.Errorf("one try came back, not two: waits %s", wait)
		}
	})
}

func TestGuesses_OneIPv6NetworkIsOneSource(t *testing.T) {
	for a, want := range map[string]string{
		"2001:db8::1": "2001:db8::/64", "2001:db8::ffff:1": "2001:db8::/64", "2001:db8:0:1::1": "2001:db8:0:1::/64",
		"fe80::1%eth0": "fe80::/64", "::ffff:192.0.2.1": "192.0.2.1/32", "192.0.2.1": "192.0.2.1/32",
	} {
		if got := guessSource(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s is of %s, want %s", a, got, want)
		}
	}
	if got := guessSource(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address is of %s", got)
	}
}

func TestGuesses_TheTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesses()
		flood := func() {
			for i := range maxGuessers + 1000 {
				var a [16]byte
				binary.BigEndian.PutUint32(a[2:], uint32(i))
				g.wrong(netip.AddrFrom16(a))
			}
		}
		flood()
		if len(g.paid) != maxGuessers {
			t.Errorf("%d sources are kept, want %d", len(g.paid), maxGuessers)
		}
		time.Sleep(guessEvery + time.Second)
		g.wrong(netip.MustParseAddr("192.0.2.1"))
		if len(g.paid) != 1 {
			t.Errorf("%d sources are kept after their tries came back", len(g.paid))
		}
	})
}
