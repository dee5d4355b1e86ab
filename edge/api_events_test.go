package edge

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
)

func TestEvents_AreFilteredAndLimited(t *testing.T) {
	const alice = `{"number":1,"timestamp":1000,"instance":"notes:alice","from":"asleep","to":"queued","event":"wake","reason":"","generation":7}`
	const bob = `{"number":2,"timestamp":2000,"instance":"notes:bob","from":"running","to":"stopping","event":"died","reason":"exit status 3","generation":0}`
	for _, c := range []struct{ token, query, want string }{
		{"admin", "", "[" + alice + "," + bob + "]"},
		{"admin", "?limit=1", "[" + bob + "]"},
		{"admin", "?process=notes&id=alice", "[" + alice + "]"},
		{"admin", "?process=shop", "[]"},
		{"notes-bob", "", "[" + bob + "]"},
	} {
		if r := newAsker(t).ask(c.token, "GET", "/api/events"+c.query, ""); r.Status != 200 || string(r.Body) != c.want {
			t.Errorf("%s %s: %d %s, want %s", c.token, c.query, r.Status, r.Body, c.want)
		}
	}
	d := newAsker(t)
	d.ask("admin", "GET", "/api/events?limit=0", "").wants(t, 400, "limit=")
	d.ask("admin", "GET", "/api/events?id=a/b", "").wants(t, 400, "id=")
	d.ask("notes-bob", "GET", "/api/events/stream?id=alice", "").wants(t, 403, "another tenant")
}

func TestEvents_AStreamShowsTheCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAsker(t)
		reply := d.ask("notes-bob", "GET", "/api/events/stream", "")
		ctx, cancel := context.WithCancel(t.Context())
		r, end := &sseReader{}, make(chan error, 1)
		go func() { end <- reply.Stream(ctx, r) }()
		synctest.Wait()
		if got := r.seen(); strings.Count(got, "data: ") != 1 || !strings.Contains(got, `"instance":"notes:bob"`) {
			t.Errorf("%q", got)
		}
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
}
