package ledger

import (
	"regexp"
	"testing"
)

func TestNewToken_IsFreshLongAndHashed(t *testing.T) {
	form := regexp.MustCompile(`^ten_[0-9a-f]{64}$`)
	one, hash := NewToken()
	two, _ := NewToken()
	if !form.MatchString(one) || one == two {
		t.Errorf("tokens %q and %q", one, two)
	}
	if HashToken(one) != hash {
		t.Error("the hash is not that of the plain text")
	}
}

func TestHashToken_AnyTextHasItsOwn(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, plain := range []string{"", "0", "0123abcd", "0123abcd\n", "\x00\xff", "ten_"} {
		hash := HashToken(plain)
		if other, twice := seen[hash]; twice {
			t.Errorf("%q and %q have one hash", plain, other)
		}
		seen[hash] = plain
	}
}
