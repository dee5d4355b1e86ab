package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// eachLook runs a test with the kernel's sock_diag and with /proc/net alone.
func eachLook(t *testing.T, test func(t *testing.T, e *Engine)) {
	eachKind(t, func(t *testing.T, e *Engine) {
		test(t, e)
		if !e.diag.unix || !e.diag.inet {
			t.Log("this kernel has no sock_diag: only /proc/net was tested")
		}
		e.diag = diag{}
		test(t, e)
	})
}

func TestReady_AUnixSocketIsFoundHoweverItWasBound(t *testing.T) {
	t.Parallel()
	eachLook(t, func(t *testing.T, e *Engine) {
		names := []string{"listensUnix", "slowStart"}
		if e.diag.unix { // /proc/net/unix knows names only
			names = append(names, "listensRelative", "renamesSocket")
		}
		for _, name := range names {
			s := withSocket(character(t, name))
			n := start(t, e, s)
			at, err := n.Ready(patient(t))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if at != (Endpoint{Network: "unix", Address: s.Socket}) || ask(t, at) != strconv.Itoa(n.Pid()) || n.Record().Endpoint != at {
				t.Errorf("%s: %v", name, at)
			}
			n.finish()
		}
	})
}

func TestReady_APortIsFoundAtTheAddressThatAnswers(t *testing.T) {
	t.Parallel()
	eachLook(t, func(t *testing.T, e *Engine) {
		for name, host := range map[string]string{
			"listensTCP4": "127.0.0.1", "listensAny4": "127.0.0.1", "listensAny6": "127.0.0.1", "listensOnly6": "[::1]", "childListens": "127.0.0.1",
		} {
			s := withPort(t, e, character(t, name))
			n := start(t, e, s)
			at, err := n.Ready(patient(t))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			// Of both families, whichever is looked at after it began to listen.
			if six := "[::1]:" + strconv.Itoa(s.Port); name == "listensAny6" && at.Address == six {
				host = "[::1]"
			}
			if at != (Endpoint{Network: "tcp", Address: host + ":" + strconv.Itoa(s.Port)}) {
				t.Errorf("%s: %v", name, at)
			}
			ask(t, at)
			n.finish()
			e.ReleasePort(s.Port)
		}
	})
}

func TestReady_AutoTakesWhicheverComesFirst(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for name, network := range map[string]string{"listensUnix": "unix", "listensTCP4": "tcp"} {
		s := withPort(t, e, withSocket(character(t, name)))
		s.Name, s.Listen = "notes:"+network, ListenAuto
		if at, err := start(t, e, s).Ready(patient(t)); err != nil || at.Network != network {
			t.Errorf("%s: %v %v", name, at, err)
		}
	}
}

func TestReady_APassedSocketAnswersAtOnceAndDiesWithItsProcess(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		s := withSocket(character(t, "listensFD", "LISTEN_PID=1", "LISTEN_FDS=9"))
		s.Listen = ListenFD
		n := start(t, e, s)
		at, err := n.Ready(patient(t))
		if err != nil || ask(t, at) != strconv.Itoa(n.Pid()) {
			t.Fatalf("%v %v; %s", at, err, n.output(Stderr))
		}
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		n.wait()
		if c, err := net.Dial("unix", s.Socket); err == nil {
			c.Close()
			t.Error("the socket outlived its process")
		}
	})
}

func TestReady_BoundIsNotListening(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := withSocket(character(t, "bindsOnly"))
	n := start(t, e, s)
	n.says("bound")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "notes:alice does not listen on "+s.Socket) {
		t.Error(err)
	}
}

func TestReady_ASquattedPortIsNamed(t *testing.T) {
	t.Parallel()
	eachLook(t, func(t *testing.T, e *Engine) {
		s := withPort(t, e, character(t, "hangs"))
		defer e.ReleasePort(s.Port)
		squatter, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(s.Port))
		if err != nil {
			t.Fatalf("somebody else took the port first: %v", err)
		}
		defer squatter.Close()
		n := start(t, e, s)
		defer n.finish()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = n.Ready(ctx)
		want := "port " + strconv.Itoa(s.Port) + " is taken by pid " + strconv.Itoa(os.Getpid()) + " ("
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "not by notes:alice") {
			t.Errorf("%v, want %q", err, want)
		}
	})
}

func TestReady_AnEndIsToldAtOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for name, change := range map[string]func(Spec) Spec{
		"unix": withSocket,
		"tcp":  func(s Spec) Spec { return withPort(t, e, s) },
	} {
		s := change(character(t, "crashes"))
		s.Name = "notes:" + name
		_, err := start(t, e, s).Ready(patient(t))
		var exited *ExitedError
		if !errors.Is(err, ErrExited) || !errors.As(err, &exited) || exited.Status.Code != 3 ||
			err.Error() != s.Name+" ended before it was ready: exit status 3" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReady_ADirectoryThatComesLaterIsFoundWithoutInotify(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := character(t, "")
	s.Socket = filepath.Join(shortDir(t), "later", "app.sock")
	s.Argv = []string{"/bin/sh", "-c", `mkdir "$(dirname "$SOCKET_PATH")" && TEST_CHARACTER=listensUnix exec "$0"`, s.Argv[0]}
	s.Env = append(s.Env, "SOCKET_PATH="+s.Socket)
	if at, err := start(t, e, s).Ready(patient(t)); err != nil || at.Address != s.Socket {
		t.Errorf("%v %v", at, err)
	}
}

func TestFreePort_IsOutsideTheEphemeralRangeAndGivenOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	r := portRange()
	seen := map[int]bool{}
	for range 50 {
		port, err := e.FreePort()
		if err != nil || seen[port] || port < r[0] || port > r[1] {
			t.Fatalf("%d %v", port, err)
		}
		seen[port] = true
	}
}

func TestPorts_OneInUseIsPassedOverAndAllInUseIsAnError(t *testing.T) {
	t.Parallel()
	var p ports
	r := [2]int{100, 102}
	free := func(port int) bool { return port != 101 }
	given := map[int]bool{}
	for range 2 {
		got, err := p.take(r, free)
		if err != nil {
			t.Fatal(err)
		}
		given[got] = true
	}
	if !given[100] || !given[102] {
		t.Errorf("given %v, want 100 and 102", given)
	}
	if _, err := p.take(r, free); err == nil || !strings.Contains(err.Error(), "between 100 and 102") {
		t.Error(err)
	}
	e := &Engine{}
	e.ports.given = p.given
	e.ReleasePort(100)
	if got, err := e.ports.take(r, free); err != nil || got != 100 {
		t.Errorf("%d %v", got, err)
	}
}

func TestIsFree_SeesListenersOnEveryLoopback(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err)
			continue
		}
		if isFree(l.Addr().(*net.TCPAddr).Port) {
			t.Errorf("%s looks free", l.Addr())
		}
		l.Close()
	}
}

func TestOutside_KeepsClearOfTheKernelsOwnPorts(t *testing.T) {
	t.Parallel()
	for ephemeral, want := range map[string][2]int{
		"32768\t60999\n": {20000, 32767},
		"10000 40000":    {40001, 65535},
		"1024 65535":     {20000, 32767},
		"":               {20000, 32767},
	} {
		if got := outside(ephemeral); got != want {
			t.Errorf("%q: %v", ephemeral, got)
		}
	}
}

func TestFindUnix_ReadsNamesWithSpacesAndOnlyListeners(t *testing.T) {
	t.Parallel()
	const table = "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a b.sock\n" +
		"0000000000000000: 00000003 00000000 00000000 0001 03 12346 /run/c.sock\n" +
		"0000000000000000: 00000003 00000000 00010000 0001 01 12347\n"
	if s, ok := findUnix(table, 12345); !ok || s.name != "/run/a b.sock" {
		t.Errorf("%q %v", s.name, ok)
	}
	if _, ok := findUnix(table, 12346); ok {
		t.Error("connected is not listening")
	}
	if s, ok := findUnix(table, 12347); !ok || s.name != "" {
		t.Errorf("%q %v", s.name, ok)
	}
	if _, ok := findUnix(table, 1); ok {
		t.Error("found nobody")
	}
}

func TestFindTCP_TakesListenersOnTheAddressOrOnAll(t *testing.T) {
	t.Parallel()
	const table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n" +
		"   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0\n" +
		"   2: 0100007F:1F92 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0\n" +
		"   3: 0200007F:1F93 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0\n" +
		"   4: 0100007F:1F94 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 14 1 0 100 0 0 10 0\n" +
		"   5: rubbish\n"
	for port, want := range map[uint16]tcpSocket{8080: {inode: 11}, 8081: {inode: 12}, 8082: {}, 8083: {}, 8084: {inode: 14, user: 1000}} {
		if got := findTCP(table, netip.AddrPortFrom(loopbacks[0], port)); got != want {
			t.Errorf("%d: %v, want %v", port, got, want)
		}
	}
}

func TestFirstMessage_ACutAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for _, reply := range [][]byte{nil, {1, 2, 3}, append([]byte{200, 0, 0, 0}, make([]byte, 20)...), append([]byte{16, 0, 0, 0, 2, 0}, make([]byte, 10)...)} {
		if _, err := firstMessage(reply); err == nil || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("%v: %v", reply, err)
		}
	}
	if _, ok := parseUnix([]byte{1, 0, stateListen}); ok {
		t.Error("half a message was read")
	}
	if parseInet(make([]byte, 71)) != (tcpSocket{}) {
		t.Error("half a message was read")
	}
}

func TestWatches_TwoInOneDirectoryAreBothToldAndEndAlone(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	dir := t.TempDir()
	first, err := e.watches.add(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := e.watches.add(dir)
	if err != nil {
		t.Fatal(err)
	}
	touch := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch("a")
	<-first.C
	<-second.C
	e.watches.remove(first)
	touch("b")
	<-second.C
	e.watches.remove(second)
	if len(e.watches.dirs) != 0 {
		t.Error("a watch was left")
	}
	if _, err := e.watches.add(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "cannot watch") {
		t.Error(err)
	}
}
