package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// points are where the tenant is killed in a request.
var points = []string{"line", "head", "body", "uncounted", "counted", "half", "answered"}

// ledger is what the visitors know of their requests.
type ledger struct {
	mu           sync.Mutex
	sent         map[string]bool
	acknowledged []string
	refused      map[string]int // by what came instead
}

// count sends one request and notes what came of it. False: the connection has
// ended, or ends as its answer says; what is sent on it then gets no answer.
func (l *ledger) count(d *daemon, c net.Conn, in *bufio.Reader, method, path, query string) (goesOn bool) {
	ok := false
	l.mu.Lock()
	l.sent[path] = true
	l.mu.Unlock()
	body := strings.Repeat("x", 2000)
	c.SetDeadline(time.Now().Add(60 * time.Second))
	_, err := fmt.Fprintf(c, "%s %s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, query, d.host("web", "one"), len(body), body)
	outcome := "no answer"
	if err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(in, nil); err == nil {
			var text []byte
			text, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			outcome, goesOn = resp.Status, !resp.Close
			if err != nil {
				outcome += ", cut"
			}
			ok = err == nil && resp.StatusCode == 200 && string(text) == "counted"
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.acknowledged = append(l.acknowledged, path)
	} else {
		if outcome == "no answer" {
			outcome = fmt.Sprint(err)
		}
		l.refused[outcome]++
	}
	return goesOn && err == nil
}

// Ten thousand POST and PUT to a tenant that is killed at every point of a
// request: what is acknowledged was processed, and nothing twice.
func TestOnce_WhateverDiesNothingIsProcessedTwice(t *testing.T) {
	t.Parallel()
	const visitors, each = 16, 625
	d := launch(t, setup{
		settings: "max_restarts = 1000000\nbackoff_base_ms = 0\n",
		services: control + character("web", "counts", "listen = \"fd\"\nrestart = \"always\""),
	})
	quiet := d.neighbour()
	l := &ledger{sent: map[string]bool{}, refused: map[string]int{}}
	var crowd sync.WaitGroup
	for v := range visitors {
		crowd.Go(func() {
			var c net.Conn
			var in *bufio.Reader
			for n := range each {
				if c == nil {
					var err error
					if c, err = net.DialTimeout("tcp", d.address(), 10*time.Second); err != nil {
						t.Error(err)
						return
					}
					in = bufio.NewReader(c)
				}
				i := v*each + n
				query := ""
				if i%40 == 0 {
					query = "?die=" + points[i/40%len(points)]
				}
				if !l.count(d, c, in, []string{"POST", "PUT"}[i%2], fmt.Sprintf("/%d", i), query) {
					c.Close()
					c = nil
				}
			}
			if c != nil {
				c.Close()
			}
		})
	}
	crowd.Wait()
	quiet()
	for _, fault := range l.faults(d.tenantFile("web", "one", "counted")) {
		t.Error(fault)
	}
	t.Logf("%d acknowledged, the others: %v", len(l.acknowledged), l.refused)
	for outcome, n := range l.refused {
		if !strings.HasPrefix(outcome, "50") && outcome != "200 OK, cut" {
			t.Errorf("%d visitors have neither an answer nor one that is visibly cut: %s", n, outcome)
		}
	}
	if len(l.sent) != visitors*each || len(l.acknowledged) < visitors*each/2 {
		t.Errorf("%d of %d acknowledged: too few to say anything", len(l.acknowledged), len(l.sent))
	}
	if n := d.starts("web", "one"); n < 50 {
		t.Errorf("only %d processes: the tenant was hardly ever killed", n)
	}
}

// faults compares what the visitors know with what the tenant has written.
func (l *ledger) faults(counted string) (all []string) {
	times := map[string]int{}
	for path := range strings.FieldsSeq(counted) {
		if times[path]++; times[path] == 2 {
			all = append(all, path+" was processed twice")
		}
		if !l.sent[path] {
			all = append(all, path+" was processed and never sent")
		}
	}
	for _, path := range l.acknowledged {
		if times[path] == 0 {
			all = append(all, path+" was acknowledged and not processed")
		}
	}
	return all
}

// The comparison itself has to see a double and a loss.
func TestOnce_FaultsAreSeen(t *testing.T) {
	t.Parallel()
	l := &ledger{sent: map[string]bool{"/1": true, "/2": true}, acknowledged: []string{"/1", "/2"}}
	for counted, want := range map[string]string{
		"/1\n/2\n": "[]", "/1\n/2\n/1\n": "[/1 was processed twice]", "/1\n": "[/2 was acknowledged and not processed]", "/1\n/2\n/3\n": "[/3 was processed and never sent]",
	} {
		if got := fmt.Sprint(l.faults(counted)); got != want {
			t.Errorf("%q: %s, want %s", counted, got, want)
		}
	}
}
