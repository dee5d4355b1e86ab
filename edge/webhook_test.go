package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
)

// These are told, and nothing else that happens to a tenant.
func TestWebhook_IsForWhatGoesWrong(t *testing.T) {
	for _, c := range []struct {
		o    actors.Occurrence
		want string
	}{
		{actors.Occurrence{From: actors.Queued, To: actors.Failed, Event: actors.EventStartFailed}, "failed"},
		{actors.Occurrence{From: actors.Stopping, To: actors.Failed, Event: actors.EventGone}, "crash_loop"},
		{actors.Occurrence{From: actors.Running, To: actors.Stopping, Event: actors.EventDied, Limit: "oom"}, "oom"},
		{actors.Occurrence{From: actors.Running, To: actors.Stopping, Event: actors.EventDied, Limit: "pids"}, ""},
		{actors.Occurrence{From: actors.Running, To: actors.Running, Event: actors.EventLimit, Limit: "pids"}, "pids"},
		{actors.Occurrence{From: actors.Running, To: actors.Running, Event: actors.EventLimit, Limit: "quota"}, "quota"},
		{actors.Occurrence{From: actors.Running, To: actors.Stopping, Event: actors.EventDied}, ""},
		{actors.Occurrence{From: actors.Stopping, To: actors.Backoff, Event: actors.EventGone, Limit: "oom"}, ""},
		{actors.Occurrence{To: actors.Queued, Event: actors.EventWake}, ""},
	} {
		if got := newsOf(c.o); got != c.want {
			t.Errorf("%s -> %s (%s): %q, want %q", c.o.From, c.o.To, c.o.Event, got, c.want)
		}
	}
}

// failing is a tenant's end that the webhook is for.
func failing(n uint64) actors.Occurrence {
	return actors.Occurrence{
		Number: n, Time: time.UnixMilli(1000), Name: apiName("notes:alice"), From: actors.Stopping, To: actors.Failed,
		Event: actors.EventGone, Reason: "exit status 3", Generation: 9,
	}
}

// told is a webhook with its events and a receiver of a test's.
type told struct {
	*Webhook
	events chan actors.Occurrence
	log    *bytes.Buffer
	mu     sync.Mutex
	bodies []string
}

func tell(o WebhookOptions, answer func(try int) (bool, error)) *told {
	r := &told{events: make(chan actors.Occurrence), log: &bytes.Buffer{}}
	o.Log = zerolog.New(zerolog.SyncWriter(r.log))
	if answer != nil {
		o.post = func(_ context.Context, body []byte) (bool, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bodies = append(r.bodies, string(body))
			return answer(len(r.bodies))
		}
	}
	r.Webhook = StartWebhook(o, func(ctx context.Context) <-chan actors.Occurrence {
		context.AfterFunc(ctx, func() { close(r.events) })
		return r.events
	})
	return r
}

func (r *told) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func TestWebhook_TriesAgainWithLongerPausesAndKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tell(WebhookOptions{Domain: "example.test"}, func(try int) (bool, error) {
			if try < 4 {
				return true, errors.New("nobody there")
			}
			return false, nil
		})
		r.events <- failing(1)
		r.events <- failing(2)
		for _, c := range []struct {
			after time.Duration
			tries int
		}{{time.Second, 1}, {2 * time.Second, 2}, {4 * time.Second, 3}, {8 * time.Second, 5}} {
			time.Sleep(c.after)
			synctest.Wait()
			if got := r.count(); got != c.tries {
				t.Errorf("%d tries, want %d", got, c.tries)
			}
		}
		r.Stop()
		for i, number := range []string{`"number":1`, `"number":1`, `"number":1`, `"number":1`, `"number":2`} {
			if !strings.Contains(r.bodies[i], number) {
				t.Errorf("try %d: %s", i, r.bodies[i])
			}
		}
		var n NewsJSON
		if err := json.Unmarshal([]byte(r.bodies[0]), &n); err != nil || n != (NewsJSON{
			Event: "crash_loop", Timestamp: 1000, Instance: "notes:alice", State: "failed", Reason: "exit status 3", Generation: 9, Number: 1, Domain: "example.test",
		}) {
			t.Errorf("%s: %v", r.bodies[0], err)
		}
	})
}

func TestWebhook_GivesUpAfterItsTriesOrARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			again bool
			tries int
		}{{true, webhookTries}, {false, 1}} {
			r := tell(WebhookOptions{}, func(int) (bool, error) { return c.again, errors.New("go away") })
			r.events <- failing(1)
			time.Sleep(time.Hour)
			r.Stop()
			if r.count() != c.tries || !strings.Contains(r.log.String(), "the webhook was not told") || !strings.Contains(r.log.String(), "go away") {
				t.Errorf("%d tries, want %d: %s", r.count(), c.tries, r.log)
			}
		}
	})
}

func TestWebhook_AReceiverThatHangsCostsABoundedQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tell(WebhookOptions{}, nil)
		r.Stop()
		hang := make(chan struct{})
		r = tell(WebhookOptions{}, func(int) (bool, error) { <-hang; return false, nil })
		for n := range uint64(2 * webhookQueue) {
			r.events <- failing(n)
		}
		synctest.Wait()
		if !strings.Contains(r.log.String(), "too many news wait") || len(r.queue) != webhookQueue {
			t.Errorf("%d queued: %.300s", len(r.queue), r.log)
		}
		r.end() // before the receiver lives again, so that only what it had is told
		close(hang)
		r.Stop()
		if !strings.Contains(r.log.String(), "before the webhook was told of everything") && r.count() < webhookQueue {
			t.Errorf("%d told, the rest silently lost", r.count())
		}
	})
}

func TestWebhook_PostsSignedJSONAndFollowsNobody(t *testing.T) {
	seen := make(chan *http.Request, 10)
	bodies := make(chan string, 10)
	status := make(chan int, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- r
		bodies <- string(body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(<-status)
	}))
	defer server.Close()
	w := &Webhook{o: WebhookOptions{URL: server.URL + "/hook", Secret: []byte("key")}}
	for code, again := range map[int]bool{200: false, 204: false, 302: false, 400: false, 404: false, 408: true, 429: true, 500: true, 503: true} {
		status <- code
		got, err := w.post(t.Context(), []byte(`{"event":"oom"}`))
		if got != again || (err == nil) != (code < 300) {
			t.Errorf("%d: again %t, %v", code, got, err)
		}
		r, body := <-seen, <-bodies
		// printf '{"event":"oom"}' | openssl dgst -sha256 -hmac key
		if r.Method != "POST" || r.URL.Path != "/hook" || body != `{"event":"oom"}` || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get(SignatureHeader) != "sha256=3957790390c68f91afde6e5119b861116031802c2c0881e5e45e160e7a35e5ac" {
			t.Errorf("%s %s %s %v", r.Method, r.URL, body, r.Header)
		}
	}
	w.o.Secret = nil
	status <- 200
	if _, err := w.post(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if r := <-seen; r.Header.Get(SignatureHeader) != "" {
		t.Error("signed without a secret")
	}
	server.Close()
	if again, err := w.post(t.Context(), nil); !again || err == nil || strings.Contains(err.Error(), "/hook") {
		t.Errorf("nobody there: again %t, %v", again, err)
	}
}

// A receiver that answers a byte now and then, without end, costs one try's time.
func TestWebhook_AnAnswerThatTricklesIsBounded(t *testing.T) {
	for begins, c := range map[string]struct {
		again bool
		says  string
	}{
		"HTTP/1.1 200 OK\r\nX-Endless: ":                        {true, "deadline exceeded"}, // a head that never ends: it may not have been taken
		"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n":    {false, ""},                 // what it thinks of it is said
		"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n": {true, "503"},
	} {
		url, gone := trickling(t, begins)
		w := &Webhook{o: WebhookOptions{URL: url, timeout: 200 * time.Millisecond}}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		again, err := w.post(ctx, []byte(`{}`))
		if ctx.Err() != nil || again != c.again || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: again %t, %v, want %t and %q; %v", begins, again, err, c.again, c.says, ctx.Err())
		}
		select {
		case <-gone:
		case <-ctx.Done():
			t.Errorf("%q: the connection stays open", begins)
		}
		cancel()
	}
}

// trickling answers with begins and then a byte at a time; gone is closed when
// nobody takes them any more.
func trickling(t *testing.T, begins string) (url string, gone chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone = make(chan struct{})
	go func() { // ends with the connection, or with the listener
		defer close(gone)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = rawHead(bufio.NewReader(c))
		_, err = io.WriteString(c, begins)
		for ; err == nil; time.Sleep(10 * time.Millisecond) {
			_, err = io.WriteString(c, "1")
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-gone
	})
	return "http://" + l.Addr().String(), gone
}
