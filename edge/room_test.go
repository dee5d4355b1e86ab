package edge

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"testing"
	"time"

	"tenement/conf"
)

// fill writes to a connection until the kernel takes no more.
func fill(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	block := make([]byte, 64<<10)
	for {
		_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		wrote, err := c.Write(block)
		n += wrote
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func outletOf(conn net.Conn, change func(*conf.Clients)) *client {
	limits := conf.DefaultClients()
	change(&limits)
	return newClient(conn, newCrowd(0, nil), &limits)
}

func TestRoom_IsWaitedForWhenAClientTakesNothing(t *testing.T) {
	t.Parallel()
	here, there := tcpPair(t)
	c := outletOf(here, func(l *conf.Clients) { l.WriteTimeout = patience })
	room, err := c.room(&lent{})
	if err != nil || room < minWrite || c.out.waited {
		t.Fatalf("a new connection has room for %d, %v", room, err)
	}
	filled := fill(t, here)
	c.writing.at = time.Time{} // fill has moved it
	got := make(chan error, 1)
	var held lent
	held.borrow()
	go func() {
		_, err := c.room(&held)
		got <- err
	}()
	select {
	case err := <-got:
		t.Errorf("room after all was filled: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if _, err := io.CopyN(io.Discard, there, int64(filled)); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil || held.buffer != nil || !c.out.waited || c.out.room < minWrite {
		t.Errorf("room for %d after all was read, waited %t, %v", c.out.room, c.out.waited, err)
	}
}

func TestRoom_EndsWithAClientThatTakesNothingInItsTime(t *testing.T) {
	t.Parallel()
	here, _ := tcpPair(t)
	c := outletOf(here, func(l *conf.Clients) { l.WriteTimeout, l.MinRate = 100*time.Millisecond, 1000 })
	fill(t, here)
	if _, err := c.room(&lent{}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	here.Close()
	if _, err := c.room(&lent{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed connection: %v", err)
	}
}

func TestRoom_AClientThatTakesALittleMayGoOn(t *testing.T) {
	t.Parallel()
	here, there := tcpPair(t)
	c := outletOf(here, func(l *conf.Clients) { l.WriteTimeout, l.MinRate = 200*time.Millisecond, 1 })
	filled := fill(t, here)
	stop := make(chan struct{})
	defer close(stop)
	go func() { // far less at a time than makes the kernel say that there is room
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for taken := 0; taken < filled; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			n, err := there.Read(make([]byte, max(filled/200, 4<<10)))
			if taken += n; err != nil {
				return
			}
		}
	}()
	if _, err := c.room(&lent{}); err != nil {
		t.Errorf("a client that takes 200 times a second is ended: %v", err)
	}
}

func TestRoom_IsLittleWhileMemoryIsScarce(t *testing.T) {
	t.Parallel()
	here, there := tcpPair(t)
	c := outletOf(here, func(l *conf.Clients) { l.WriteTimeout = patience })
	if _, err := c.room(&lent{}); err != nil {
		t.Fatal(err)
	}
	free := fill(t, here)
	if _, err := io.CopyN(io.Discard, there, int64(free)); err != nil {
		t.Fatal(err)
	}
	c.out.tighten()
	c.writing.at = time.Time{}
	if room, err := c.room(&lent{}); err != nil || room > tightQueue {
		t.Errorf("room for %d, %v", room, err)
	}
	_ = there.SetReadBuffer(4 << 10)
	if tight := fill(t, here); tight > free/2 {
		t.Errorf("%d bytes went in, where it were %d before", tight, free)
	}
}

func TestRoom_OfWhatIsNoSocketIsUnknown(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	if room, err := outletOf(here, func(*conf.Clients) {}).room(&lent{}); err != nil || room != math.MaxInt {
		t.Errorf("%d, %v", room, err)
	}
	if _, _, err := sendBuffer(-1); err == nil {
		t.Error("a descriptor that is none has a buffer")
	}
}
