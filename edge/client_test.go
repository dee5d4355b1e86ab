package edge

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"tenement/conf"
)

// clientOf is a client without limits on a connection.
func clientOf(conn net.Conn) *client {
	return newClient(conn, anyCrowd(), &conf.Clients{MaxHeader: 16 << 10})
}

func TestClient_OneWriteIsSwallowedAndNotTheNext(t *testing.T) {
	t.Parallel()
	here, there := pairOf(t)
	c := clientOf(here)
	c.swallow = true
	if n, err := c.Write([]byte("fasthttp's own")); n != 14 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_, _ = c.Write([]byte("the next"))
	c.Close()
	if got, _ := io.ReadAll(there); string(got) != "the next" {
		t.Errorf("got %q", got)
	}
}

func TestClient_AnEndWithUnreadBytesKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	here, there := pairOf(t)
	c := clientOf(here)
	c.lingers = true
	_, _ = there.Write(make([]byte, 100<<10))
	_ = c.send([]byte("the answer"))
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	if got, err := io.ReadAll(there); string(got) != "the answer" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	there.Close()
	<-closed
}

func TestClient_LingeringIsBounded(t *testing.T) {
	t.Parallel()
	here, there := pairOf(t)
	c := clientOf(here)
	c.lingers = true
	go func() {
		for {
			if _, err := there.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}()
	c.Close() // returns although the client never ends
	if _, err := here.Write([]byte("x")); err == nil {
		t.Error("it is still open")
	}
}

func TestClient_AnAbortIsAReset(t *testing.T) {
	t.Parallel()
	here, there := pairOf(t)
	c := clientOf(here)
	c.lingers = true
	_ = c.send([]byte("HTTP/1.1 200 OK\r\n\r\nhalf of it"))
	c.abort()
	if _, err := io.ReadAll(there); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the end looks like an end: %v", err)
	}
}
