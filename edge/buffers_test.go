package edge

import "testing"

func TestBuffers_OneThatWasTooSmallIsFollowedByALargerOne(t *testing.T) {
	l := lend()
	b := l.small()
	small := cap(b)
	if b = l.next(append(b, 'x'), false); cap(b) != small || len(b) != 0 {
		t.Errorf("room for %d after a little", cap(b))
	}
	b = l.next(b, true)
	if large := cap(b); large <= small || len(b) != 0 {
		t.Errorf("room for %d after %d were filled", large, small)
	}
	if again := l.next(b, true); cap(again) != cap(b) {
		t.Errorf("room for %d after %d", cap(again), cap(b))
	}
	l.giveBack()
}
