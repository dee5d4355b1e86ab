package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/conf"
)

// logging serves notes with a share of its requests written to what is returned.
func logging(t *testing.T, share float64, change ...func(*ServerOptions)) (*edgeWorld, *syncBuffer) {
	access := &syncBuffer{}
	w := newWorld(t, append(change, func(o *ServerOptions) { o.Access = zerolog.New(access) })...)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes", Front: conf.Front{AccessLog: share}}}
	return w, access
}

// lines are those of the access log, when there are so many.
func (s *syncBuffer) lines(t *testing.T, n int) []map[string]any {
	t.Helper()
	var all []map[string]any
	eventually(t, fmt.Sprintf("%d lines are there", n), func() bool {
		all = nil
		for _, line := range strings.Split(strings.TrimSpace(s.String()), "\n") {
			fields := map[string]any{}
			if json.Unmarshal([]byte(line), &fields) == nil {
				all = append(all, fields)
			}
		}
		return len(all) >= n
	})
	return all
}

func TestAccount_TheAccessLogSaysWhatHappened(t *testing.T) {
	t.Parallel()
	w, access := logging(t, 1, func(o *ServerOptions) { o.TrustedProxies = loopback })
	w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
		if r.URL.Path == "/die" {
			return ""
		}
		return ok("got " + body)
	}))
	v := w.dial()
	v.say("POST /a/b?token=secret HTTP/1.1\r\n", toAlice, "X-Forwarded-For: 203.0.113.7\r\nX-Request-Id: abc\r\nUser-Agent: curl\"\r\nReferer: http://x/\r\nContent-Length: 5\r\n\r\nhello")
	v.hear("POST").wants(t, 200, "got hello")
	v.get("/die")
	v.hear("GET").wants(t, 502, "Bad gateway")
	w.ask("GET", "GET / HTTP/1.1\r\nHost: unknown.notes.example.test\r\n\r\n").wants(t, 404, "Not found")
	lines := access.lines(t, 2)
	if len(lines) != 2 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	for field, want := range map[string]any{
		"request_id": "abc", "service": "notes", "tenant": "alice", "remote": "203.0.113.7", "method": "POST", "host": "alice.notes.example.test",
		"path": "/a/b", "status": 200.0, "bytes_in": 5.0, "user_agent": "curl\"", "referer": "http://x/", "woke": nil, "reason": nil,
	} {
		if got := lines[0][field]; got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if out, _ := lines[0]["bytes_out"].(float64); out < 50 {
		t.Errorf("%v bytes went out", out)
	}
	if _, err := time.Parse(time.RFC3339, fmt.Sprint(lines[0]["time"])); err != nil {
		t.Error(err)
	}
	if lines[1]["status"] != 502.0 || !strings.Contains(fmt.Sprint(lines[1]["reason"]), "cannot forward") {
		t.Errorf("the failure: %v", lines[1])
	}
	if strings.Contains(access.String(), "secret") {
		t.Error("a query is in the log")
	}
}

func TestAccount_OnlyTheShareThatIsWantedIsLogged(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64][2]int{0: {0, 0}, 0.5: {100, 300}} {
		w, access := logging(t, share)
		w.tenant(saying(t, "fine"))
		v := w.dial()
		for range 400 {
			v.get("/")
			v.hear("GET").wants(t, 200, "fine")
		}
		if n := strings.Count(access.String(), "\n"); n < want[0] || n > want[1] {
			t.Errorf("of 400 at %g: %d", share, n)
		}
	}
}

func TestAccount_TheMeterCountsWhatPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(answering(t, "unix", func(r *http.Request, body string) string {
		switch r.URL.Path {
		case "/die":
			return ""
		case "/nonsense":
			return "nonsense\r\n\r\n"
		}
		return ok("got " + body)
	}))
	v := w.dial()
	v.say("POST / HTTP/1.1\r\n", toAlice, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	v.hear("POST").wants(t, 200, "got hello")
	for _, path := range []string{"/die", "/nonsense"} {
		v.get(path)
		v.hear("GET").wants(t, 502, "Bad gateway")
	}
	d.Shut() // held, says the host
	v.get("/")
	v.hear("GET").wants(t, 503, "Service temporarily unavailable")
	m := d.Meter()
	eventually(t, "all are counted", func() bool { return m.Count() == 4 })
	if m.Answers[2].Load() != 1 || m.Answers[5].Load() != 3 || m.In.Load() != 5 || m.Out.Load() < 50 {
		t.Errorf("2xx %d, 5xx %d, in %d, out %d", m.Answers[2].Load(), m.Answers[5].Load(), m.In.Load(), m.Out.Load())
	}
	if m.Faults[actors.FaultBroken].Load() != 1 || m.Faults[actors.FaultMalformed].Load() != 1 {
		t.Errorf("faults: %v", &m.Faults)
	}
}

func TestAccount_WhoLeftIsCountedAsThat(t *testing.T) {
	t.Parallel()
	w, access := logging(t, 1)
	b := newBackend(t, "unix", func(b *backend, _ net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		b.requests.Add(1)
		_, _ = br.ReadByte()
	})
	d := w.tenant(b)
	v := w.dial()
	v.get("/")
	eventually(t, "it is inside", func() bool { return b.requests.Load() == 1 })
	v.Close()
	if line := access.lines(t, 1)[0]; line["status"] != float64(statusLeft) {
		t.Errorf("got %v", line)
	}
	if m := d.Meter(); m.Answers[0].Load() != 1 || m.Faults[actors.FaultClient].Load() != 1 {
		t.Errorf("left %d, faults %d", m.Answers[0].Load(), m.Faults[actors.FaultClient].Load())
	}
}

func TestAccount_AnUpgradeIsCountedWhileAndAfterItIsOpen(t *testing.T) {
	t.Parallel()
	w, access := logging(t, 1)
	d := w.tenant(switching(t, "unix", "chat"))
	v := w.dial()
	v.upgrades("chat", "")
	v.reads("welcome")
	v.say("hello")
	v.reads("hello")
	if n := d.Meter().Upgrades.Load(); n != 1 {
		t.Errorf("%d open", n)
	}
	time.Sleep(30 * time.Millisecond) // longer than the 101 took
	v.say("bye")
	v.ends()
	line := access.lines(t, 1)[0]
	if line["status"] != 101.0 || line["bytes_in"] != 8.0 || line["duration_ms"].(float64) < 30 {
		t.Errorf("got %v", line)
	}
	m := d.Meter()
	if m.Upgrades.Load() != 0 || m.Answers[1].Load() != 1 || m.In.Load() != 8 {
		t.Errorf("%d open, %d were, %d bytes in", m.Upgrades.Load(), m.Answers[1].Load(), m.In.Load())
	}
}

func TestAccount_TheFirstByteOfAProcessIsTimedOnce(t *testing.T) {
	t.Parallel()
	metrics := NewMetrics()
	w := newWorld(t, func(o *ServerOptions) { o.Metrics = metrics })
	d := w.host.door("notes:alice")
	b := saying(t, "awake")
	w.host.wake = func(context.Context, *actors.Door) (*actors.Way, error) {
		d.Open(w.host.way(1, b))
		return d.Enter(), nil
	}
	v := w.dial()
	for range 3 {
		v.get("/")
		v.hear("GET").wants(t, 200, "awake")
	}
	times, ok := metrics.wakes.Load("notes")
	if !ok {
		t.Fatal("not timed")
	}
	n := uint64(0)
	for i := range times.(*wakeTimes)[phaseFirstByte].counts {
		n += times.(*wakeTimes)[phaseFirstByte].counts[i].Load()
	}
	if n != 1 {
		t.Errorf("timed %d times", n)
	}
}

func TestFault_EachErrorHasItsCause(t *testing.T) {
	for err, want := range map[error]actors.Fault{
		errGone: actors.FaultClient, errClientBody: actors.FaultClient, errDial: actors.FaultRefused, errBusy: actors.FaultBusy,
		errCrowded: actors.FaultBusy, errNoRoom: actors.FaultNoRoom, errUnread: actors.FaultUnread, errLate: actors.FaultTimeout,
		errAnswer: actors.FaultMalformed, io.EOF: actors.FaultBroken, errTruncated: actors.FaultBroken,
	} {
		if got := faultOf(fmt.Errorf("cannot: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
