package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/conf"
)

// poor is a listener without descriptors: each of the first accepts fails.
type poor struct {
	*net.TCPListener
	fails atomic.Int64
	tries atomic.Int64
	err   error
}

func (p *poor) Accept() (net.Conn, error) {
	p.tries.Add(1)
	if p.fails.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", p.err)}
	}
	return p.TCPListener.Accept()
}

func newPoor(t *testing.T, fails int64, err error) *poor {
	t.Helper()
	l, e := net.Listen("tcp", "127.0.0.1:0")
	if e != nil {
		t.Fatal(e)
	}
	p := &poor{TCPListener: l.(*net.TCPListener), err: err}
	p.fails.Store(fails)
	t.Cleanup(func() { l.Close() })
	return p
}

func TestAcceptor_AWantOfDescriptorsPassesWithoutSpinning(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			l := newPoor(t, 6, errno)
			var log syncBuffer
			a := newAcceptor(t.Context(), l, anyCrowd(), &conf.Clients{}, zerolog.New(&log))
			defer a.release()
			began := time.Now()
			visitor, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer visitor.Close()
			go func() { // the first may be turned away; one of the next is served
				for range 100 {
					if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
						defer c.Close()
					}
					time.Sleep(firstPause)
				}
			}()
			c, err := a.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if n := strings.Count(log.String(), "cannot accept"); n == 0 || n > 6 {
				t.Errorf("said %d times", n)
			}
			if time.Since(began) < firstPause {
				t.Error("it did not pause")
			}
		})
	}
}

func TestAcceptor_TheExcessIsTurnedAwayWithAReason(t *testing.T) {
	t.Parallel()
	l := newPoor(t, 1, syscall.EMFILE)
	a := newAcceptor(t.Context(), l, anyCrowd(), &conf.Clients{}, zerolog.Nop())
	var visitors []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		visitors = append(visitors, c)
	}
	ended := make(chan struct{})
	go func() { // ends with the listener
		defer close(ended)
		defer a.release()
		_, _ = a.Accept()
	}()
	for i, c := range visitors {
		_ = c.SetDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(c)
		if err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 503 ")) || !bytes.Contains(got, []byte("Retry-After: 1\r\n")) {
			t.Errorf("visitor %d: %q, %v", i, got, err)
		}
	}
	l.Close()
	<-ended
}

func TestAcceptor_OtherErrorsEndIt(t *testing.T) {
	t.Parallel()
	a := newAcceptor(t.Context(), newPoor(t, 1, syscall.EINVAL), anyCrowd(), &conf.Clients{}, zerolog.Nop())
	defer a.release()
	if _, err := a.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := newAcceptor(ctx, newPoor(t, 1<<40, syscall.EMFILE), anyCrowd(), &conf.Clients{}, zerolog.Nop())
	defer b.release()
	if _, err := b.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("a server that ends waits for descriptors: %v", err)
	}
}

// The real thing: a process without descriptors. Only when it alone is affected.
func TestAcceptor_RealDescriptorsRunOut(t *testing.T) {
	if os.Getenv("EDGE_POOR") == "" {
		rerun(t, "EDGE_POOR=1")
		return
	}
	w := newWorld(t)
	b := saying(t, "fine")
	w.tenant(b)
	inside := w.dial()
	inside.get("/")
	inside.hear("GET").wants(t, 200, "fine")
	eventually(t, "the tenant's connection is closed", func() bool { return b.alive() == 0 })
	var spent []*os.File
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		spent = append(spent, f)
	}
	inside.get("/") // no descriptor for a connection to the tenant
	if h := inside.hear("GET").wants(t, 503, "Service temporarily unavailable"); h.Header.Get("Retry-After") != "1" {
		t.Errorf("the one inside got %v", h.Header)
	}
	spent[0].Close() // the visitor's own
	c := w.dial()
	c.say("GET / HTTP/1.1\r\n", toAlice, "Connection: close\r\n\r\n")
	if got, err := http.ReadResponse(c.br, nil); err != nil || got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("the excess got %v, %v", got, err)
	}
	for _, f := range spent[1:] {
		f.Close()
	}
	eventually(t, "it recovers", func() bool {
		h := w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"\r\n")
		return h.StatusCode == 200
	})
	if w.host.failed.Load() != 0 {
		t.Error("the tenant was reported as dead because the daemon had no descriptors")
	}
}

// rerun runs this test alone in a process of its own, with few descriptors.
func rerun(t *testing.T, env string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -n 64 && exec "$0" -test.run "^$1\$" -test.v`, os.Args[0], t.Name())
	c.Env = append(os.Environ(), env)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
