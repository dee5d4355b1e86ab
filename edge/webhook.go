package edge

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/sandbox"
)

// What one piece of news may cost: how many wait, how often each is tried, how
// long one try and the pauses between them take. Eight tries are four minutes.
const (
	webhookQueue   = 256
	webhookTries   = 8
	webhookTimeout = 10 * time.Second
	webhookPause   = 2 * time.Second // doubled with each try
)

// SignatureHeader carries "sha256=" and the HMAC-SHA256 of the body, in hex,
// where there is a secret.
const SignatureHeader = "X-Tenement-Signature"

// What the webhook is told of, by name.
const (
	newsFailed    = "failed"     // it cannot be started
	newsCrashLoop = "crash_loop" // it failed more often than max_restarts
	newsOOM       = "oom"        // killed at its memory limit
	newsPids      = "pids"       // a fork was refused at its limit of processes
	newsQuota     = "quota"      // its storage quota is used up
)

// NewsJSON is the body of a webhook's request.
type NewsJSON struct {
	Event      string `json:"event"`     // failed, crash_loop, oom, pids, quota
	Timestamp  int64  `json:"timestamp"` // ms since 1970
	Instance   string `json:"instance"`
	State      string `json:"state"` // it went into
	Reason     string `json:"reason"`
	Generation uint64 `json:"generation"`
	Number     uint64 `json:"number"` // of the event in `ten events`; the same one may come twice
	Domain     string `json:"domain"` // of the daemon
}

// WebhookOptions is what a Webhook is made of.
type WebhookOptions struct {
	URL    string
	Secret []byte // of the signature; nil = none
	Domain string
	Log    zerolog.Logger

	timeout time.Duration                                                  // of one try; tests only, 0 = webhookTimeout
	post    func(ctx context.Context, body []byte) (again bool, err error) // tests only; nil = by HTTP
}

// Webhook tells a URL of what goes wrong with tenants. One goroutine picks the
// news, another sends them, in their order; both are ended by Stop.
type Webhook struct {
	o     WebhookOptions
	queue chan NewsJSON
	end   context.CancelFunc
	both  sync.WaitGroup
}

// StartWebhook begins with the events that come; follow is Host.FollowEvents.
func StartWebhook(o WebhookOptions, follow func(context.Context) <-chan actors.Occurrence) *Webhook {
	ctx, end := context.WithCancel(context.Background())
	w := &Webhook{o: o, queue: make(chan NewsJSON, webhookQueue), end: end}
	if w.o.post == nil {
		w.o.post = w.post
	}
	events := follow(ctx)
	w.both.Go(func() { w.pick(events) })
	w.both.Go(func() { w.send(ctx) })
	return w
}

// Stop ends it; what has not been sent is lost, and said in the log.
func (w *Webhook) Stop() {
	w.end()
	w.both.Wait()
	if left := len(w.queue); left > 0 {
		w.o.Log.Warn().Int("news", left).Msg("the daemon ended before the webhook was told of everything")
	}
}

// pick queues what the webhook is for. It never waits for the receiver.
func (w *Webhook) pick(events <-chan actors.Occurrence) {
	for o := range events {
		kind := newsOf(o)
		if kind == "" {
			continue
		}
		select {
		case w.queue <- w.news(kind, o):
		default:
			w.o.Log.Error().Stringer("tenant", o.Name).Str("event", kind).Msg("the webhook is not told: too many news wait for it already")
		}
	}
}

// newsOf names what an event is to the webhook, "" for nothing.
func newsOf(o actors.Occurrence) string {
	switch {
	case o.To == actors.Failed && o.From != actors.Failed && o.Event == actors.EventGone:
		return newsCrashLoop
	case o.To == actors.Failed && o.From != actors.Failed:
		return newsFailed
	case o.Event == actors.EventDied && o.Limit == string(sandbox.LimitMemory):
		return newsOOM
	case o.Event == actors.EventLimit && o.Limit == string(sandbox.LimitPids):
		return newsPids
	case o.Event == actors.EventLimit && o.Limit == actors.LimitQuota:
		return newsQuota
	}
	return ""
}

func (w *Webhook) news(kind string, o actors.Occurrence) NewsJSON {
	return NewsJSON{
		Event: kind, Timestamp: o.Time.UnixMilli(), Instance: o.Name.String(), State: o.To.String(), Reason: o.Reason,
		Generation: o.Generation, Number: o.Number, Domain: w.o.Domain,
	}
}

func (w *Webhook) send(ctx context.Context) {
	for {
		select {
		case n := <-w.queue:
			w.deliver(ctx, n)
		case <-ctx.Done():
			return
		}
	}
}

// deliver tries until it was taken, refused for good, or tried often enough.
func (w *Webhook) deliver(ctx context.Context, n NewsJSON) {
	body, err := json.Marshal(n)
	if err != nil { // a shape of ours that cannot be encoded
		w.o.Log.Error().Err(err).Msg("cannot encode news for the webhook")
		return
	}
	pause := webhookPause
	for try := 1; ; try++ {
		again, err := w.o.post(ctx, body)
		switch {
		case err == nil:
			return
		case !again || try == webhookTries || ctx.Err() != nil:
			w.o.Log.Error().Err(err).Str("tenant", n.Instance).Str("event", n.Event).Int("tries", try).Msg("the webhook was not told")
			return
		}
		w.o.Log.Warn().Err(err).Str("tenant", n.Instance).Str("event", n.Event).Dur("next", pause).Msg("cannot tell the webhook; trying again")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause *= 2
	}
}

// post makes one try, the answer's body and all. A redirect is not followed: the
// news, and who they are about, are for one receiver. again: another try may do
// better.
func (w *Webhook) post(ctx context.Context, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(w.o.timeout, webhookTimeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.o.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "tenement")
	if w.o.Secret != nil {
		r.Header.Set(SignatureHeader, Signature(w.o.Secret, body))
	}
	resp, err := webhookClient.Do(r)
	if err != nil {
		return true, bareURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return false, nil
	}
	later := resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode == http.StatusTooManyRequests
	return later, fmt.Errorf("the receiver answered %s", resp.Status)
}

// bareURL takes the URL off an error: a path may be what makes it secret.
func bareURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

var webhookClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Signature is what SignatureHeader says of a body.
func Signature(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
