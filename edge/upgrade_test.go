package edge

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tenement/conf"
)

// switching serves connections that ask for a switch: after the 101 everything
// comes back as it was sent, until "bye".
func switching(t testing.TB, network, protocol string) *backend {
	return newBackend(t, network, func(b *backend, c net.Conn, br *bufio.Reader) {
		head, err := rawHead(br)
		if err != nil || !strings.Contains(head, "Connection: Upgrade\r\nUpgrade: ") {
			_, _ = io.WriteString(c, strings.Replace(ok("no switch: "+head), "\r\n", "\r\nConnection: close\r\n", 1))
			return
		}
		b.requests.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: "+protocol+"\r\nX-Kept: 1\r\n\r\nwelcome")
		p := make([]byte, 64<<10)
		for {
			n, err := br.Read(p)
			if err != nil || string(p[:n]) == "bye" {
				return
			}
			if _, err := c.Write(p[:n]); err != nil {
				return
			}
		}
	})
}

// upgrades asks alice to switch and reads up to the end of the 101.
func (v *visitorConn) upgrades(protocol, early string) string {
	v.t.Helper()
	v.say("GET /ws HTTP/1.1\r\n", toAlice, "Connection: keep-alive, Upgrade\r\nUpgrade: ", protocol, "\r\nSec-WebSocket-Key: x\r\n\r\n", early)
	head, err := rawHead(v.br)
	if err != nil {
		v.t.Fatal(err)
	}
	return head
}

func (v *visitorConn) reads(want string) {
	v.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(v.br, got); err != nil || string(got) != want {
		v.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func TestUpgrade_BytesGoBothWaysAfterThe101(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		for _, protocol := range []string{"websocket", "chat/2"} {
			t.Run(network+" "+protocol, func(t *testing.T) {
				t.Parallel()
				w := limited(t, func(c *conf.Clients) { c.HeaderTimeout, c.BodyTimeout, c.IdleTimeout = soon, soon, soon })
				d := w.tenant(switching(t, network, protocol))
				v := w.dial()
				head := v.upgrades("h2c, "+protocol, "early")
				head = anyID.ReplaceAllString(head, "")
				if want := "HTTP/1.1 101 Switching Protocols\r\nX-Kept: 1\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"; head != want {
					t.Errorf("got %q, want %q", head, want)
				}
				v.reads("welcomeearly")
				time.Sleep(2 * soon) // no deadline of a request's counts any more
				big := strings.Repeat("x", 1<<20)
				go v.say(big)
				v.reads(big)
				v.say("bye")
				v.ends()
				eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
			})
		}
	}
}

func TestUpgrade_WithoutASwitchItIsARequestLikeAnyOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(answering(t, "unix", func(r *http.Request, _ string) string {
		if r.URL.Path == "/426" {
			return "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"
		}
		return ok("plain")
	}))
	v := w.dial()
	for range 2 {
		v.say("GET / HTTP/1.1\r\n", toAlice, "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		v.hear("GET").wants(t, 200, "plain")
		v.say("GET /426 HTTP/1.1\r\n", toAlice, "\r\n")
		if h := v.hear("GET").wants(t, 426, ""); h.Header.Get("Upgrade") != "websocket" {
			t.Errorf("what to upgrade to is not said: %v", h.Header)
		}
	}
}

func TestUpgrade_WhatMayNotBeAskedForIsNotPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(switching(t, "unix", "websocket"))
	for name, request := range map[string]string{
		"h2c":           "GET / HTTP/1.1\r\n" + toAlice + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
		"TLS":           "OPTIONS / HTTP/1.1\r\n" + toAlice + "Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/2.0\r\n\r\n",
		"not nominated": "GET / HTTP/1.1\r\n" + toAlice + "Upgrade: websocket\r\n\r\n",
		"without any":   "GET / HTTP/1.1\r\n" + toAlice + "Connection: Upgrade\r\n\r\n",
		"1.0":           "GET / HTTP/1.0\r\n" + toAlice + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		h := w.ask("GET", request)
		if h.StatusCode != 200 || !strings.HasPrefix(h.text, "no switch") || strings.Contains(strings.ToLower(h.text), "upgrade") || strings.Contains(h.text, "HTTP2") {
			t.Errorf("%s: got %d %q", name, h.StatusCode, h.text)
		}
	}
	// A body would be the first thing that the new protocol reads.
	h := w.ask("POST", "POST / HTTP/1.1\r\n"+toAlice+"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi")
	if h.StatusCode != 200 || strings.Contains(h.text, "Upgrade") {
		t.Errorf("with a body: got %d %q", h.StatusCode, h.text)
	}
}

func TestUpgrade_ASwitchThatNobodyAskedForIsABadGateway(t *testing.T) {
	for name, answer := range map[string]string{
		"another protocol": "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
		"none":             "HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n",
		"not nominated":    "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
		"1.0":              "HTTP/1.0 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		w := newWorld(t)
		w.tenant(raw(t, answer))
		if h := w.ask("GET", "GET / HTTP/1.1\r\n"+toAlice+"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); h.StatusCode != 502 {
			t.Errorf("%s: got %d", name, h.StatusCode)
		}
	}
}

func TestUpgrade_AClientThatLeavesEndsIt(t *testing.T) {
	for name, reset := range map[string]bool{"orderly": false, "by a reset": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := switching(t, "unix", "websocket")
			d := w.tenant(b)
			v := w.dial()
			v.upgrades("websocket", "")
			if reset {
				_ = v.Conn.(*net.TCPConn).SetLinger(0)
			}
			v.Close()
			eventually(t, "the tenant is told", func() bool { return b.alive() == 0 && d.Inflight() == 0 })
		})
	}
}

func TestUpgrade_TheTenantsEndIsTheClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := switching(t, "unix", "websocket")
	w.tenant(b)
	v := w.dial()
	v.upgrades("websocket", "")
	v.reads("welcome")
	b.stop()
	v.ends()
}

// Half of a connection may end before the other.
func TestUpgrade_TheLastWordOfOneSideIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: pipe\r\n\r\n")
		all, err := io.ReadAll(br) // up to the client's last word
		if err == nil {
			time.Sleep(5 * watchAfter) // whoever only looks for the end has seen it by now
			_, _ = io.WriteString(c, strings.ToUpper(string(all)))
		}
	}))
	v := w.dial()
	v.upgrades("pipe", "one ")
	v.say("two")
	_ = v.Conn.(*net.TCPConn).CloseWrite()
	v.reads("ONE TWO")
	v.ends()
}

func TestUpgrade_PingsAreNoUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, br)
	}))
	v := w.dial()
	v.upgrades("WebSocket", "")
	if d.Inflight() != 1 {
		t.Error("it does not count at first")
	}
	ping, text := wsFrame(9, 4, true), wsFrame(1, 4, true)
	eventually(t, "it steps outside while it only pings", func() bool {
		v.say(ping)
		v.reads(ping)
		time.Sleep(20 * time.Millisecond)
		return d.Inflight() == 0
	})
	v.say(text)
	v.reads(text)
	if d.Inflight() != 1 {
		t.Error("data of the app's did not bring it back")
	}
	v.Close()
	eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
}

func TestForward_AStreamOfCommentsIsNoUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	say := make(chan string)
	d := w.tenant(newBackend(t, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		_, _ = rawHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n")
		for line := range say {
			_, _ = io.WriteString(c, line)
		}
	}))
	v := w.dial()
	v.get("/")
	r, err := http.ReadResponse(v.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	hears := func(line string) {
		t.Helper()
		say <- line
		got := make([]byte, len(line))
		if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != line {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	hears("data: 1\n\n")
	if d.Inflight() != 1 {
		t.Error("it does not count")
	}
	eventually(t, "it steps outside", func() bool { hears(": ping\n\n"); time.Sleep(20 * time.Millisecond); return d.Inflight() == 0 })
	hears("data: 2\n\n")
	if d.Inflight() != 1 {
		t.Error("an event did not bring it back")
	}
	close(say)
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	eventually(t, "the door is left", func() bool { return d.Inflight() == 0 })
}

func TestUpgrade_ThereAreOnlySoMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.config.Services = map[string]*conf.Service{"notes": {Name: "notes", Front: conf.Front{MaxUpgrades: 2}}}
	w.tenant(switching(t, "unix", "websocket"))
	var two [2]*visitorConn
	for i := range two {
		two[i] = w.dial()
		two[i].upgrades("websocket", "")
	}
	third := "GET / HTTP/1.1\r\n" + toAlice + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	if h := w.ask("GET", third).wants(t, 503, "Service temporarily unavailable"); h.Header.Get("Retry-After") == "" {
		t.Error("nobody says when to come back")
	}
	two[0].Close()
	eventually(t, "there is room again", func() bool {
		v := w.dial()
		defer v.Close()
		v.say(third)
		head, err := rawHead(v.br)
		return err == nil && strings.HasPrefix(head, "HTTP/1.1 101 ")
	})
}

func TestUpgrade_ShutdownCutsOffTheQuietAndDrainsTheBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.tenant(switching(t, "unix", "chat"))
	quiet, busy := w.dial(), w.dial()
	quiet.upgrades("chat", "")
	quiet.reads("welcome")
	eventually(t, "one is quiet", func() bool { return d.Inflight() == 0 })
	busy.upgrades("chat", "")
	busy.reads("welcome")
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(context.Background()) }()
	if n, err := quiet.br.Read(make([]byte, 1)); err == nil {
		t.Errorf("the quiet one goes on: %d bytes", n)
	}
	busy.say("still here")
	busy.reads("still here")
	busy.say("bye")
	busy.ends()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
