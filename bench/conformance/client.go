package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// outcome is what became of a trial, seen from both sides.
type outcome struct {
	got     string // by the client
	end     string // how its connection ended; "" = it did not
	answers []answered
	garbage error // in what it got
	arrival arrival
	took    time.Duration // until the end
}

// lull is how long nothing may come until a conversation counts as over, when
// there is no other sign of it.
const lull = 25 * time.Millisecond

// hold has one conversation with a door and looks at both of its sides. t is as
// the door's shard has it.
func hold(d door, t trial, patience time.Duration) (outcome, error) {
	if slices.Contains(t.status, silent) {
		patience = min(patience, theirPatience)
	}
	b := d.backend
	b.begin(t.reply)
	c, err := net.DialTimeout("tcp", d.address, 5*time.Second)
	if err != nil {
		return outcome{}, fmt.Errorf("cannot reach %s: %w", d.address, err)
	}
	began := time.Now()
	w := newWire(c)
	open := w.perform(t.client, patience)
	if open {
		listen(w, t, patience)
	}
	took := time.Since(began)
	got, end := w.bytes()
	if open {
		w.stop(closes)
	}
	if t.kind != served && t.kind != relayed {
		b.settle(lull)
	}
	if t.kind == rejected {
		b.rest(patience)
	}
	o := outcome{got: string(got), end: end, arrival: b.arrived(), took: took}
	o.answers, o.garbage = parseAnswers(got, methodsOf(t), end == "end")
	if t.warm {
		return o.withoutFirst()
	}
	return o, nil
}

// withoutFirst leaves out the request that only made the connection warm.
func (o outcome) withoutFirst() (outcome, error) {
	_, got, answered := strings.Cut(o.got, "\r\n\r\nseen")
	_, raw, arrived := strings.Cut(o.arrival.raw, "\r\n\r\n")
	if !answered || !arrived || len(o.answers) == 0 || len(o.arrival.messages) == 0 {
		return o, fmt.Errorf("the first request was not answered: %.200q", o.got)
	}
	o.got, o.answers = got, o.answers[1:]
	o.arrival.raw, o.arrival.messages = raw, o.arrival.messages[1:]
	return o, nil
}

// listen waits for the end of what the client gets.
func listen(w *wire, t trial, patience time.Duration) {
	methods, want := methodsOf(t), t.answersDue()
	if t.warm {
		want++
	}
	if t.kind == ended {
		w.until(t.within, func(_ []byte, ended bool) bool { return ended })
		return
	}
	due := func(got []byte, ended bool) bool {
		all, _ := parseAnswers(got, methods, ended)
		f := finals(all)
		return ended || len(f) >= want && f[len(f)-1].whole
	}
	if w.until(patience, due) {
		rest := lull
		if t.over {
			rest = patience
		}
		w.until(rest, func(_ []byte, ended bool) bool { return ended }) // one too many, or the end
	}
}

// answersDue is how many final answers the client waits for.
func (t trial) answersDue() int {
	switch t.kind {
	case rejected:
		return t.times + 1
	case once:
		return 1
	}
	return max(t.times, 1)
}

// methodsOf finds the methods of what is sent: of each piece that begins like a
// request.
func methodsOf(t trial) (all []string) {
	for line := range strings.SplitSeq(t.sent(), "\n") {
		if method, rest, ok := strings.Cut(line, " "); ok && strings.Contains(rest, "HTTP/1.") && !strings.Contains(method, ":") {
			all = append(all, method)
		}
	}
	return all
}
