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

func TestBuffers_ManyAtOnceHaveSmallOnes(t *testing.T) {
	// The budgets are the program's: what other tests hold is less than half.
	var all []lent
	defer func() {
		for _, l := range all {
			l.giveBack()
		}
		if first := lend(); cap(first.small()) != 64<<10 {
			t.Error("what was given back is not lent again")
		} else {
			first.giveBack()
		}
	}()
	sizes := map[int]int{}
	for range 1000 {
		l := lend()
		b := l.next(l.small(), true)
		sizes[cap(b)]++
		all = append(all, l)
	}
	if sizes[256<<10] == 0 || sizes[256<<10] > 64 || sizes[64<<10] == 0 || sizes[64<<10] > 256 || sizes[16<<10] < 744 {
		t.Errorf("1000 bodies at once have buffers of %v", sizes)
	}
}
