package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// ExecServer runs commands in tenants' enclosures for whoever may use the control
// socket. A connection is one command:
//
//	client → one line of ExecRequest, with three pipes passed along (SCM_RIGHTS):
//	         the command's stdin, stdout and stderr; none if it asks for a terminal
//	       → then one byte for each signal; the end of the stream hangs up
//	server → an empty line with the terminal's master passed along, if one was asked
//	         for and the command runs: the client reads, writes and resizes it
//	       → one line of ExecReply when the command has ended
//
// Nothing but pipes is taken: a terminal in the hands of a tenant's program could
// type into the operator's shell (TIOCSTI), a directory would lead out.
type ExecServer struct {
	host  Host
	log   zerolog.Logger
	ctx   context.Context // ends with Close
	end   context.CancelFunc
	calls sync.WaitGroup
}

// ExecRequest says what to run.
type ExecRequest struct {
	Instance string   `json:"instance"` // "service:id"
	Argv     []string `json:"argv"`
	NoWake   bool     `json:"no_wake"`

	Terminal *ExecTerminal `json:"terminal,omitempty"` // nil: three pipes
}

// ExecTerminal is the terminal that a command is to have.
type ExecTerminal struct {
	Rows uint16 `json:"rows"` // 0 = unknown
	Cols uint16 `json:"cols"`
	Type string `json:"type"` // what TERM says; "" = what the tenant's own does
}

// ExecReply says how it ended.
type ExecReply struct {
	Code   int    `json:"code"`   // -1 when a signal ended it
	Signal int    `json:"signal"` // 0 when it exited
	Error  string `json:"error"`  // it could not be run; "" = it was
}

// execPatience is how long a client may take to say what it wants.
const execPatience = 5 * time.Second

// NewExecServer makes the server; Close ends it.
func NewExecServer(host Host, log zerolog.Logger) *ExecServer {
	ctx, cancel := context.WithCancel(context.Background())
	return &ExecServer{host: host, log: log, ctx: ctx, end: cancel}
}

// Serve answers until the listener, of ListenControl, is closed.
func (s *ExecServer) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept who wants to run a command: %w", err)
		}
		s.calls.Go(func() { s.serve(conn.(*net.UnixConn)) }) // ended by Close at the latest
	}
}

// Close hangs up on all commands and returns when they have ended. The listener is
// to be closed before.
func (s *ExecServer) Close() {
	s.end()
	s.calls.Wait()
}

func (s *ExecServer) serve(conn *net.UnixConn) {
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(execPatience)) // it fails on a closed connection only
	request, streams, in, err := readExec(conn)
	if err != nil {
		answerExec(conn, ExecReply{Code: -1, Error: err.Error()})
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	name, err := request.check(streams)
	if err != nil {
		closeFiles(streams)
		answerExec(conn, ExecReply{Code: -1, Error: err.Error()})
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	signals := make(chan syscall.Signal)
	var heard sync.WaitGroup
	heard.Go(func() { hearSignals(ctx, cancel, in, signals) }) // ends with the connection
	s.log.Info().Str("service", name.Service).Str("tenant", name.ID).Str("command", request.Argv[0]).Bool("terminal", request.Terminal != nil).Msg("exec")
	x := actors.Execution{Argv: request.Argv, Signals: signals, NoWake: request.NoWake}
	copy(x.Streams[:], streams)
	if t := request.Terminal; t != nil {
		x.TerminalType = t.Type
		x.Terminal = &sandbox.Terminal{Rows: t.Rows, Cols: t.Cols, Attach: func(master *os.File) { passMaster(conn, master) }}
	}
	status, err := s.host.Exec(ctx, name, x)
	reply := ExecReply{Code: status.Code, Signal: status.Signal}
	if err != nil {
		reply = ExecReply{Code: -1, Error: execError(name, err)}
	}
	answerExec(conn, reply)
	cancel()
	_ = conn.CloseRead() // the client may have gone first
	heard.Wait()
}

// check says whose the command is, or what is wrong with the request and the pipes
// that came with it.
func (r ExecRequest) check(streams []*os.File) (conf.Instance, error) {
	name, err := conf.ParseInstance(r.Instance)
	switch t := r.Terminal; {
	case err != nil:
	case len(r.Argv) == 0:
		err = errors.New("no command is given")
	case t == nil && len(streams) != 3:
		err = fmt.Errorf("%d files were passed, three pipes are expected", len(streams))
	case t != nil && len(streams) != 0:
		err = fmt.Errorf("%d files were passed beside a terminal, none is expected", len(streams))
	case t != nil && !isTerminalType(t.Type):
		err = fmt.Errorf("%q is no type of a terminal: set TERM to one, like xterm", t.Type)
	}
	return name, err
}

// isTerminalType knows names as terminfo has them.
func isTerminalType(name string) bool {
	return len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._") == ""
}

// passMaster gives the client a command's keyboard. One who has left does not get
// it, and with its last holder gone the kernel hangs the command up.
func passMaster(conn *net.UnixConn, master *os.File) {
	_, _, _ = conn.WriteMsgUnix([]byte("\n"), syscall.UnixRights(int(master.Fd())), nil)
}

// execError is an error with what to do about it, as the API has it.
func execError(name conf.Instance, err error) string {
	switch what := "cannot run a command in " + name.String(); {
	case errors.Is(err, actors.ErrUnknownService):
		return fmt.Sprintf("%s: %v: `ten config` lists the services", what, err)
	case errors.Is(err, actors.ErrUnknownTenant):
		return fmt.Sprintf("%s: %v: `ten ps --all` lists the tenants, `ten register` adds one", what, err)
	default:
		return fmt.Sprintf("%s: %v", what, err)
	}
}

func answerExec(conn net.Conn, r ExecReply) {
	line, err := json.Marshal(r)
	if err == nil {
		_, _ = conn.Write(append(line, '\n')) // who left does not hear it
	}
}

// hearSignals passes a client's signals on until it hangs up.
func hearSignals(ctx context.Context, hangUp func(), in *bufio.Reader, signals chan<- syscall.Signal) {
	defer hangUp()
	for {
		n, err := in.ReadByte()
		if err != nil {
			return
		}
		select {
		case signals <- syscall.Signal(n):
		case <-ctx.Done():
			return
		}
	}
}

// readExec reads the request and the pipes that come with its first bytes. in has
// what follows.
func readExec(conn *net.UnixConn) (r ExecRequest, streams []*os.File, in *bufio.Reader, err error) {
	data, control := make([]byte, 4096), make([]byte, syscall.CmsgSpace(8*4))
	n, nControl, flags, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return r, nil, nil, fmt.Errorf("cannot hear what to run: %w", err)
	}
	streams, err = passedPipes(control[:nControl])
	if err == nil && flags&syscall.MSG_CTRUNC != 0 {
		err = errors.New("more files were passed than three")
	}
	in = bufio.NewReaderSize(&joined{bytes.NewReader(data[:n]), conn}, maxBody)
	var line []byte
	if err == nil {
		line, err = in.ReadSlice('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		closeFiles(streams)
		return r, nil, nil, fmt.Errorf("cannot understand what to run: %w", err)
	}
	return r, streams, in, nil
}

// joined reads what was read already, and then a connection.
type joined struct {
	first *bytes.Reader
	conn  net.Conn
}

func (j *joined) Read(p []byte) (int, error) {
	if j.first.Len() > 0 {
		return j.first.Read(p)
	}
	return j.conn.Read(p)
}

// passedPipes takes the files of a control message, all of which are closed when they
// are not pipes.
func passedPipes(control []byte) ([]*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue // credentials, which nobody asked for
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "stream"))
		}
	}
	for _, file := range files {
		if info, err := file.Stat(); err != nil || info.Mode().Type() != os.ModeNamedPipe {
			closeFiles(files)
			return nil, errors.New("a file was passed that is no pipe")
		}
	}
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}
