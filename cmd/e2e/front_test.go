package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// frames of RFC 6455, with an empty payload and a mask of zeroes.
const (
	textFrame = "\x81\x80\x00\x00\x00\x00"
	pingFrame = "\x89\x80\x00\x00\x00\x00"
)

// socket is a visitor who has switched protocols.
func (d *daemon) socket(service, id string) (net.Conn, *bufio.Reader) {
	d.t.Helper()
	c, err := net.Dial("tcp", d.address())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	br := bufio.NewReader(c)
	_, err = io.WriteString(c, "GET /socket HTTP/1.1\r\nHost: "+d.host(service, id)+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.ReadResponse(br, nil)
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		d.t.Fatalf("no switch: %v, %v", r, err)
	}
	return c, br
}

// says sends a frame and reads it back.
func says(c net.Conn, br *bufio.Reader, frame string) error {
	if _, err := io.WriteString(c, frame); err != nil {
		return err
	}
	_, err := io.ReadFull(br, make([]byte, len(frame)))
	return err
}

// Data of the app's is use, pings are not: a visitor who left the tab open keeps
// nobody awake.
func TestFront_AWebSocketKeepsItsTenantAwakeWhileItSaysSomething(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "idle_timeout = 1")})
	c, br := d.socket("web", "one")
	pid := d.awaitState("web:one", "running", 5*time.Second).Pid
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err := says(c, br, textFrame); err != nil {
			t.Fatalf("cut off while it talked: %v\n%s", err, d.why("web:one"))
		}
	}
	if i := d.instances()["web:one"]; i.Pid != pid {
		t.Fatalf("it did not stay awake: %+v", i)
	}
	eventually(t, "it sleeps though it is pinged", 30*time.Second, func() bool {
		err := says(c, br, pingFrame)
		return err != nil && d.instances()["web:one"].State == "asleep"
	})
	d.want(200, "web", "one", "/") // and wakes as ever
}

func TestFront_WhatVisitorsDoIsCountedTimedAndNoted(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{settings: `access_log_file = "DIR/access.log"`, services: character("web", "serves", "access_log = 1")})
	for range 3 {
		d.want(200, "web", "one", "/?secret=1")
	}
	r, err := d.api("GET", "/metrics", "")
	if err != nil || r.status != 200 {
		t.Fatalf("%v, %d %s", err, r.status, r.body)
	}
	for _, line := range []string{
		`tenement_requests_total{instance="one",process="web"} 3`,
		`tenement_responses_total{class="2xx",instance="one",process="web"} 3`,
		`tenement_instances_up 1`,
		`tenement_wake_seconds_count{phase="queue",process="web"} 1`,
		`tenement_wake_seconds_count{phase="spawn",process="web"} 1`,
		`tenement_wake_seconds_count{phase="ready",process="web"} 1`,
		`tenement_wake_seconds_count{phase="first_byte",process="web"} 1`,
	} {
		if !strings.Contains(r.body, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	text, err := os.ReadFile(filepath.Join(d.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var first struct {
		Service, Tenant, Path string
		Status                int
		Woke                  bool
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 3 {
		t.Fatalf("%d lines, %v: %s", len(lines), err, text)
	}
	if first.Service != "web" || first.Tenant != "one" || first.Path != "/" || first.Status != 200 || !first.Woke {
		t.Errorf("got %+v", first)
	}
	d.must("forget", "web:one")
	if r, _ := d.api("GET", "/metrics", ""); strings.Contains(r.body, `"one"`) {
		t.Error("series of a tenant that was forgotten")
	}
}

func TestFront_WhoWaitsForASlowStartSeesThatItStarts(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "slow-start 3s", "wake_page_after = 0.2")})
	ask := func() (*http.Response, string) {
		r, err := http.NewRequest("GET", "http://"+d.address()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = d.host("web", "one")
		r.Header.Set("Accept", "text/html")
		resp, err := d.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp, string(text)
	}
	if r, text := ask(); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || !strings.Contains(text, "web is starting") {
		t.Fatalf("got %d %s", r.StatusCode, text)
	}
	eventually(t, "the page asks again until it is there", 30*time.Second, func() bool { r, _ := ask(); return r.StatusCode == 200 })
	if n := d.starts("web", "one"); n != 1 {
		t.Errorf("%d starts", n)
	}
}
