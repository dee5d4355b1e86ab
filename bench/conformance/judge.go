package main

import (
	"fmt"
	"slices"
	"strings"
)

// Statuses that a kind implies.
var (
	badRequest = []int{400}
	successes  = []int{200}
	gateways   = []int{502, 503, 504}
)

// judge says what is wrong with an outcome; "" = nothing. strict also holds it
// to the statuses that are our choice.
func judge(t trial, o outcome, strict bool) string {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if len(o.arrival.ambiguous) > 0 {
		bad("ambiguous bytes reached the backend: %s", o.arrival.ambiguous[0])
	}
	if o.garbage != nil && t.kind != cut {
		bad("the client got %v", o.garbage)
	}
	for _, a := range o.answers {
		if err := checkHead(a.head); err != nil {
			bad("ambiguous bytes reached the client: %v", err)
		}
	}
	if t.over && o.end == "" {
		bad("the connection stays open")
	}
	verdicts[t.kind](t, o, strict, bad)
	for _, s := range t.hide {
		if contains(o.got, s) {
			bad("the client got %q", s)
		}
	}
	return strings.Join(wrong, "; ")
}

// verdicts is one judgement for each kind.
var verdicts = map[kind]func(t trial, o outcome, strict bool, bad func(string, ...any)){
	rejected: judgeRejected,
	served:   judgeServed,
	either: func(t trial, o outcome, strict bool, bad func(string, ...any)) {
		if o.arrival.whole() > 0 && !(strict && t.status != nil && t.status[0] != silent) {
			judgeServed(trial{times: t.times, body: t.body, see: t.see, lack: t.lack}, o, strict, bad)
		} else {
			judgeRejected(t, o, strict, bad)
		}
	},
	mended: func(t trial, o outcome, _ bool, bad func(string, ...any)) {
		if f := finals(o.answers); len(f) > 0 && slices.Contains(gateways, f[0].status) {
			return
		}
		judgeRelayed(t, o, bad)
	},
	relayed: func(t trial, o outcome, _ bool, bad func(string, ...any)) { judgeRelayed(t, o, bad) },
	cut: func(t trial, o outcome, _ bool, bad func(string, ...any)) {
		for _, a := range finals(o.answers) {
			if a.whole && a.status >= 400 {
				return
			}
			if a.whole {
				bad("the client took %d with %d bytes for whole", a.status, len(a.body))
			}
		}
		if o.end == "" {
			bad("the connection stays open")
		}
		judgeShown(t, o, bad)
	},
	refused: func(t trial, o outcome, strict bool, bad func(string, ...any)) {
		f := finals(o.answers)
		switch {
		case contains(o.got, mark):
			bad("the answer was passed on%s", shown(o))
		case len(f) == 0:
			if strict {
				bad("no answer")
			}
		case !slices.Contains(orStatus(t.status, gateways), f[0].status):
			bad("%d", f[0].status)
		}
	},
	once: func(t trial, o outcome, _ bool, bad func(string, ...any)) {
		if n := len(o.arrival.messages); n > max(t.times, 1) {
			bad("sent to the backend %d times", n)
		}
		f := finals(o.answers)
		if len(f) > 0 && f[len(f)-1].whole && !slices.Contains(orStatus(t.status, gateways), f[len(f)-1].status) {
			bad("%d", f[len(f)-1].status)
		}
		judgeShown(t, o, bad)
	},
	ended: func(t trial, o outcome, strict bool, bad func(string, ...any)) {
		if o.end == "" {
			bad("still open after %v", t.within)
		}
		if f := finals(o.answers); strict && len(t.status) > 0 && (len(f) == 0 || !slices.Contains(t.status, f[len(f)-1].status)) {
			bad("not %v%s", t.status, shown(o))
		}
		judgeArrival(t, o, bad)
		judgeShown(t, o, bad)
	},
}

func judgeRelayed(t trial, o outcome, bad func(string, ...any)) {
	f := finals(o.answers)
	if len(f) == 0 || !f[len(f)-1].whole {
		bad("the answer did not come whole%s", shown(o))
		return
	}
	a := f[len(f)-1]
	if !slices.Contains(orStatus(t.status, successes), a.status) {
		bad("%d", a.status)
	} else if t.body != "" && a.body != t.body {
		bad("the body came as %.40q", a.body)
	}
	judgeArrival(t, o, bad)
	judgeShown(t, o, bad)
}

func judgeRejected(t trial, o outcome, strict bool, bad func(string, ...any)) {
	if forwarded(t, o) {
		bad("forwarded")
	}
	if o.arrival.waits {
		bad("the backend waits for the rest")
	}
	f := finals(o.answers)
	if len(f) > t.times {
		f = f[t.times:] // those before it are good
	} else {
		f = nil
	}
	switch {
	case len(f) == 0:
		if strict && !slices.Contains(t.status, silent) {
			bad("no answer")
		}
	case strict && !slices.Contains(orStatus(t.status, badRequest), f[0].status):
		bad("%d", f[0].status)
	case !strict && f[0].status < 400 && !slices.Contains(t.status, f[0].status):
		bad("answered with %d", f[0].status)
	}
}

// forwarded says that a request which had to be rejected reached the backend:
// whole, or such that nobody can tell.
func forwarded(t trial, o outcome) bool {
	return t.kind == rejected && (o.arrival.whole() > t.times || len(o.arrival.ambiguous) > 0)
}

// silent among the allowed statuses: no answer will do. As the first with kind
// either: being served will do, too.
const silent = 0

func judgeServed(t trial, o outcome, _ bool, bad func(string, ...any)) {
	f := finals(o.answers)
	want := max(t.times, 1)
	switch {
	case len(f) != want:
		bad("%d answers for %d requests%s", len(f), want, shown(o))
	default:
		for _, a := range f {
			if !slices.Contains(orStatus(t.status, successes), a.status) {
				bad("%d", a.status)
			} else if !a.whole {
				bad("the answer was cut")
			}
		}
	}
	if n := o.arrival.whole(); n != want {
		bad("%d whole requests arrived of %d", n, want)
	}
	judgeArrival(t, o, bad)
	judgeShown(t, o, bad)
	if t.body != "" && len(o.arrival.messages) > 0 && o.arrival.messages[0].body != t.body {
		bad("the body arrived as %.40q", o.arrival.messages[0].body)
	}
}

// judgeArrival looks at what reached the backend.
func judgeArrival(t trial, o outcome, bad func(string, ...any)) {
	for _, s := range t.see {
		if !contains(o.arrival.raw, s) {
			bad("%q did not arrive", s)
		}
	}
	for _, s := range t.lack {
		if contains(o.arrival.raw, s) {
			bad("%q arrived", s)
		}
	}
}

// judgeShown looks at what reached the client.
func judgeShown(t trial, o outcome, bad func(string, ...any)) {
	for _, s := range t.show {
		if !contains(o.got, s) {
			bad("the client did not get %q%s", s, shown(o))
		}
	}
}

// contains compares without regard to case: names of fields have none.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func orStatus(given, implied []int) []int {
	if given != nil {
		return given
	}
	return implied
}

// shown is the beginning of what the client got, for a report.
func shown(o outcome) string {
	if len(o.answers) > 0 {
		return fmt.Sprintf(" (%d)", o.answers[len(o.answers)-1].status)
	}
	if o.end != "" {
		return " (" + o.end + ")"
	}
	return " (silence)"
}

// checkHead holds an answer's head to the grammar.
func checkHead(head string) error {
	_, fields, _ := strings.Cut(head, "\r\n")
	for line := range strings.SplitSeq(fields, "\r\n") {
		if line != "" && (control.MatchString(line) || !fieldLine.MatchString(line)) {
			return fmt.Errorf("field line %.60q", line)
		}
	}
	return nil
}
