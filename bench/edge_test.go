package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEdge_TenementIsComparedWithTheBetterNginx(t *testing.T) {
	t.Parallel()
	found := map[string][]float64{ours: {90, 110, 100}, nginx: {100, 100, 100}, nginxTuned: {50, 200, 80}}
	if got := betterNginx(found, true); got != nginx {
		t.Errorf("more is better: %s", got)
	}
	if got := betterNginx(found, false); got != nginxTuned {
		t.Errorf("less is better: %s", got)
	}
	one := against("m", found, true, 0.95)
	if one.Value != 1 || one.Low != 0.9 || one.High != 1.1 || one.Runs != 3 || one.Verdict() != "met" {
		t.Errorf("%+v %s", one, one.Verdict())
	}
	if worse := against("m", map[string][]float64{ours: {80}, nginx: {100}}, true, 0.95); worse.Verdict() != "MISSED" {
		t.Errorf("0.8 of nginx: %s", worse.Verdict())
	}
	if late := against("m", map[string][]float64{ours: {140}, nginx: {100}}, false, 1.3); late.Verdict() != "MISSED" {
		t.Errorf("1.4 of nginx's time: %s", late.Verdict())
	}
	none := against("m", map[string][]float64{ours: {1}}, true, 0.95)
	if !math.IsNaN(float64(none.Value)) || none.Verdict() != "" || none.Note == "" {
		t.Errorf("without nginx: %+v", none)
	}
}

func TestEdge_ABarIsMissedByFailuresToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    result
		want string
	}{
		{result{Value: 1, Floor: 0.9}, "met"}, {result{Value: 0.8, Floor: 0.9}, "MISSED"}, {result{Value: 1, Floor: 0.9, Failures: 1}, "MISSED"},
		{result{Value: 1, Aim: 2}, "met"}, {result{Value: 3, Aim: 2}, "MISSED"}, {result{Value: 3}, ""}, {result{Value: number(math.NaN()), Aim: 2}, "MISSED"},
	} {
		if got := c.r.Verdict(); got != c.want {
			t.Errorf("%+v: %q", c.r, got)
		}
	}
}

func TestEdge_TurnsChangeWhoBegins(t *testing.T) {
	t.Parallel()
	e := &edgeBench{rounds: 3, subjects: []*contender{{name: "a"}, {name: "b"}, {name: "c"}}}
	var order strings.Builder
	if err := e.turns(func(c *contender) error { order.WriteString(c.name); return nil }); err != nil || order.String() != "abcbcacab" {
		t.Errorf("%s, %v", order.String(), err)
	}
	failing := func(c *contender) error { return fmt.Errorf("no") }
	if e.turns(failing) == nil {
		t.Error("a failure goes unnoticed")
	}
}

func TestEdge_WhatLoadPrintsIsRead(t *testing.T) {
	t.Parallel()
	run, err := parseLoad("12 3 2.000040 6.5 65.25 160.0")
	if err != nil || run.requests != 12 || run.errors != 3 || run.quantiles[2] != 160 {
		t.Errorf("%+v, %v", run, err)
	}
	if _, err := parseLoad("usage: load"); err == nil {
		t.Error("what is no line of figures is taken for one")
	}
}

// loadProgram builds load.c, which every figure of the suite comes from.
func loadProgram(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed")
	}
	path := filepath.Join(t.TempDir(), "load")
	if out, err := exec.Command("gcc", "-O2", "-o", path, "testdata/load.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// answers is a server with an answer of its own for each request.
func answers(t *testing.T, answer func(n int64) string) (port string, asked *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = &atomic.Int64{}
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					if _, err := io.WriteString(c, answer(asked.Add(1))); err != nil {
						return
					}
				}
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, asked
}

func runLoad(t *testing.T, program, port string, connections int, seconds, rate float64) loaded {
	t.Helper()
	line, err := output("", program, "127.0.0.1", port, fmt.Sprint(connections), fmt.Sprint(seconds), fmt.Sprint(rate), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	run, err := parseLoad(line)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

const plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func TestLoad_CountsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	program := loadProgram(t)
	port, asked := answers(t, func(int64) string { return plain })
	run := runLoad(t, program, port, 4, 0.3, 0)
	if n := int(asked.Load()); run.requests == 0 || run.requests > n || run.requests < n-4 || run.errors != 0 {
		t.Errorf("%+v of %d asked", run, n)
	}
}

func TestLoad_CountsWhatFailed(t *testing.T) {
	t.Parallel()
	program := loadProgram(t)
	port, _ := answers(t, func(n int64) string {
		if n%10 == 0 {
			return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
		}
		return plain
	})
	if run := runLoad(t, program, port, 2, 0.3, 0); run.errors == 0 || run.requests < 5*run.errors {
		t.Errorf("%+v", run)
	}
}

// At a fixed rate a server that stops for a while is not excused from what was
// due meanwhile.
func TestLoad_WaitingCountsFromWhenARequestWasDue(t *testing.T) {
	t.Parallel()
	program := loadProgram(t)
	port, _ := answers(t, func(n int64) string {
		if n == 50 {
			time.Sleep(300 * time.Millisecond)
		}
		return plain
	})
	run := runLoad(t, program, port, 1, 1, 200) // one connection: 60 requests come due in the pause
	if run.quantiles[1] < 200_000 || run.requests < 100 {
		t.Errorf("%+v: p99 hides the pause", run)
	}
}
