package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// Exec is a host's whose only commands are: cat, which ends with its input; sleep,
// which ends by a signal or when the caller hangs up; and false.
func (h *apiHost) Exec(ctx context.Context, name conf.Instance, x actors.Execution) (sandbox.Status, error) {
	defer closeFiles(x.Streams[:])
	if _, err := h.find(name); err != nil {
		return sandbox.Status{}, err
	}
	if err := h.did("exec %s %q %t", name, x.Argv, x.NoWake); err != nil {
		return sandbox.Status{}, err
	}
	switch x.Argv[0] {
	case "tty":
		return sandbox.Status{}, h.sit(x)
	case "cat":
		if _, err := io.Copy(x.Streams[1], x.Streams[0]); err != nil {
			return sandbox.Status{}, err
		}
	case "sleep":
		fmt.Fprintln(x.Streams[2], "asleep")
		select {
		case s := <-x.Signals:
			return sandbox.Status{Code: -1, Signal: int(s)}, nil
		case <-ctx.Done():
			return sandbox.Status{Code: -1, Signal: int(syscall.SIGHUP)}, h.did("hung up")
		}
	case "false":
		return sandbox.Status{Code: 7}, nil
	}
	return sandbox.Status{}, nil
}

// sit reads a line from a terminal, which is a socket here, and answers it.
func (h *apiHost) sit(x actors.Execution) error {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	tty, master := os.NewFile(uintptr(ends[0]), "tty"), os.NewFile(uintptr(ends[1]), "master")
	defer tty.Close()
	x.Terminal.Attach(master)
	master.Close()
	line, err := bufio.NewReader(tty).ReadString('\n')
	if err == io.EOF {
		return h.did("hung up")
	}
	if err == nil {
		_, err = fmt.Fprintf(tty, "%d x %d, %s: %s", x.Terminal.Rows, x.Terminal.Cols, x.TerminalType, line)
	}
	return err
}

// execWorld is an ExecServer, and where it listens.
func execWorld(t *testing.T) (h *apiHost, server *ExecServer, path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ex") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	h = newAPIHost(t)
	server = NewExecServer(h, zerolog.Nop())
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return h, server, path
}

// execCall sends a line with files and gives the connection.
func execCall(t *testing.T, path, line string, files ...*os.File) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, file := range files {
			fds = append(fds, int(file.Fd()))
		}
		rights = syscall.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix([]byte(line), rights, nil); err != nil {
		t.Fatal(err)
	}
	return conn
}

func execAnswer(t *testing.T, conn net.Conn) (r ExecReply) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// threePipes are a command's streams, and the other ends.
func threePipes(t *testing.T) (theirs, ours []*os.File) {
	t.Helper()
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		theirs, ours = append(theirs, w), append(ours, r)
	}
	theirs[0], ours[0] = ours[0], theirs[0]
	return theirs, ours
}

func TestExec_StreamsAndTheEndArePassedOn(t *testing.T) {
	h, _, path := execWorld(t)
	theirs, ours := threePipes(t)
	conn := execCall(t, path, `{"instance":"Notes:Alice","argv":["cat","-u"]}`+"\n", theirs...)
	closeFiles(theirs)
	if _, err := io.WriteString(ours[0], "typed"); err != nil {
		t.Fatal(err)
	}
	ours[0].Close()
	if got := execAnswer(t, conn); got != (ExecReply{}) {
		t.Errorf("%+v", got)
	}
	if out, err := io.ReadAll(ours[1]); err != nil || string(out) != "typed" {
		t.Errorf("%q, %v", out, err)
	}
	theirs, _ = threePipes(t)
	conn = execCall(t, path, `{"instance":"notes:alice",`, theirs...)
	if _, err := io.WriteString(conn, `"argv":["false"],"no_wake":true}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if got := execAnswer(t, conn); got != (ExecReply{Code: 7}) {
		t.Errorf("%+v", got)
	}
	if got := strings.Join(h.deeds(), ","); got != `exec notes:alice ["cat" "-u"] false,exec notes:alice ["false"] true` {
		t.Error(got)
	}
}

func TestExec_SignalsArePassedOnAndWhoLeavesHangsUp(t *testing.T) {
	h, server, path := execWorld(t)
	sleep := func() *net.UnixConn {
		theirs, ours := threePipes(t)
		conn := execCall(t, path, `{"instance":"notes:alice","argv":["sleep"]}`+"\n", theirs...)
		line := make([]byte, 7)
		if _, err := io.ReadFull(ours[2], line); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := sleep()
	if _, err := conn.Write([]byte{byte(syscall.SIGINT)}); err != nil {
		t.Fatal(err)
	}
	if got := execAnswer(t, conn); got.Signal != int(syscall.SIGINT) {
		t.Errorf("%+v", got)
	}
	sleep().Close()
	for deadline := time.Now().Add(time.Minute); !strings.HasSuffix(strings.Join(h.deeds(), ","), "hung up"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody noticed that the caller left")
		}
	}
	conn = sleep()
	server.end() // as Close does
	if got := execAnswer(t, conn); got.Signal != int(syscall.SIGHUP) {
		t.Errorf("%+v", got)
	}
}

func TestExec_NothingButPipesAndWholeSentencesAreTaken(t *testing.T) {
	h, _, path := execWorld(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	theirs, _ := threePipes(t)
	const request = `{"instance":"notes:alice","argv":["cat"]}` + "\n"
	for _, c := range []struct {
		line  string
		files []*os.File
		want  string
	}{
		{request, nil, "0 files were passed, three pipes are expected"},
		{request, theirs[:2], "2 files were passed"},
		{request, append(theirs[:3:3], theirs[0]), "4 files were passed"},
		{request, slices.Repeat(theirs, 4), "more files were passed than three"},
		{`{"instance":"notes:alice","argv":["tty"],"terminal":{}}` + "\n", theirs[:1], "1 files were passed beside a terminal, none is expected"},
		{`{"instance":"notes:alice","argv":["tty"],"terminal":{"type":"vt 100"}}` + "\n", nil, `"vt 100" is no type of a terminal: set TERM to one, like xterm`},
		{`{"instance":"notes:alice","argv":["tty"],"terminal":{"type":"` + strings.Repeat("x", 65) + `"}}` + "\n", nil, "is no type of a terminal"},
		{`{"instance":"notes:alice","argv":["tty"],"terminal":{"rows":70000}}` + "\n", nil, "cannot understand what to run"},
		{`{"instance":"notes:zoe","argv":["tty"],"terminal":{}}` + "\n", nil, "unknown tenant"},
		{request, append(theirs[:2:2], null), "a file was passed that is no pipe"},
		{"{}\n", theirs, "not a valid name"},
		{`{"instance":"notes:alice"}` + "\n", theirs, "no command is given"},
		{`{"instance":7}` + "\n", theirs, "cannot understand what to run"},
		{`{"instance":"notes:zoe","argv":["cat"]}` + "\n", theirs, "cannot run a command in notes:zoe: notes:zoe: unknown tenant: `ten ps --all` lists the tenants"},
	} {
		if got := execAnswer(t, execCall(t, path, c.line, c.files...)); got.Code != -1 || !strings.Contains(got.Error, c.want) {
			t.Errorf("%s with %d files: %+v, want %s", c.line, len(c.files), got, c.want)
		}
	}
	conn := execCall(t, path, `{"instance":"`, theirs...)
	go func() { // ends when the server has had enough
		_, _ = io.Copy(conn, bytes.NewReader(bytes.Repeat([]byte("x"), 2*maxBody)))
	}()
	if got := execAnswer(t, conn); !strings.Contains(got.Error, "cannot understand what to run: bufio: buffer full") {
		t.Errorf("%+v", got)
	}
	if got := h.deeds(); len(got) > 0 {
		t.Errorf("the host did %q", got)
	}
	h.fails(errors.New("cannot execute cat"))
	if got := execError(apiName("notes:alice"), actors.ErrUnknownService); !strings.Contains(got, "`ten config` lists the services") {
		t.Error(got)
	}
	if got := execAnswer(t, execCall(t, path, request, theirs...)); got.Error != "cannot run a command in notes:alice: cannot execute cat" {
		t.Errorf("%+v", got)
	}
}

// execMaster waits for the terminal's master.
func execMaster(t *testing.T, conn *net.UnixConn) *os.File {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	first, control := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(first, control)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := syscall.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 || first[0] != '\n' {
		t.Fatalf("%d messages, %q, %v", len(messages), first, err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	master := os.NewFile(uintptr(fds[0]), "master")
	t.Cleanup(func() { master.Close() })
	return master
}

func TestExec_TheClientGetsTheTerminalsMaster(t *testing.T) {
	h, _, path := execWorld(t)
	const request = `{"instance":"notes:alice","argv":["tty"],"terminal":{"rows":40,"cols":100,"type":"xterm-256color"}}` + "\n"
	conn := execCall(t, path, request)
	master := execMaster(t, conn)
	if _, err := io.WriteString(master, "typed\n"); err != nil {
		t.Fatal(err)
	}
	if screen, err := io.ReadAll(master); err != nil || string(screen) != "40 x 100, xterm-256color: typed\n" {
		t.Errorf("%q, %v", screen, err)
	}
	if got := execAnswer(t, conn); got != (ExecReply{}) {
		t.Errorf("%+v", got)
	}
	execCall(t, path, request).Close() // unread: the master goes with the connection
	for deadline := time.Now().Add(time.Minute); !strings.HasSuffix(strings.Join(h.deeds(), ","), "hung up"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a terminal whose client left is held by somebody")
		}
	}
}
