package edge

import (
	"testing"
)

func TestLent_ABodyThatHasFilledABufferGetsALargerOne(t *testing.T) {
	var l lent
	usual := cap(l.borrow())
	if again := l.borrow(); cap(again) != usual || len(again) != 0 {
		t.Errorf("room for %d, then for %d", usual, cap(again))
	}
	l.rest()
	l.bulk = true
	if large := cap(l.borrow()); large <= usual {
		t.Errorf("room for %d after %d were filled", large, usual)
	}
	l.room = minWrite
	if b := l.borrow(); cap(b) != minWrite {
		t.Errorf("room for %d where the client takes %d", cap(b), minWrite)
	}
	l.rest()
	l.rest() // nothing is given back twice
	if l.buffer != nil {
		t.Error("it keeps what it gave back")
	}
}

func TestLent_ManyAtOnceHaveSmallOnes(t *testing.T) {
	// The stocks are the program's: what other tests hold is less than half.
	var all []*lent
	defer func() {
		for _, l := range all {
			l.rest()
		}
		var l lent
		if cap(l.borrow()) != 64<<10 {
			t.Error("what was given back is not lent again")
		}
		l.rest()
	}()
	sizes := map[int]int{}
	for i := range 3000 {
		l := &lent{bulk: i%2 == 0}
		sizes[cap(l.borrow())]++
		all = append(all, l)
	}
	if sizes[256<<10] == 0 || sizes[256<<10] > 64 || sizes[64<<10] == 0 || sizes[64<<10] > 256 || sizes[16<<10] == 0 || sizes[16<<10] > 1024 || sizes[4<<10] < 3000-64-256-1024 {
		t.Errorf("3000 bodies at once have buffers of %v", sizes)
	}
}
