package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A judge that lets everything pass is none: two proxies that are wrong in
// opposite ways have to be found out.

// careless is a proxy that reads nothing: bytes go through as they are.
func careless(c net.Conn, backend string) {
	b, err := net.Dial("unix", backend)
	if err != nil {
		c.Close()
		return
	}
	go func() {
		_, _ = io.Copy(b, c)
		b.Close()
	}()
	_, _ = io.Copy(c, b)
	c.Close()
}

// closed is a proxy that refuses everything, politely.
func closed(c net.Conn, _ string) {
	_ = c.SetReadDeadline(time.Now().Add(lull))
	_, _ = c.Read(make([]byte, 4<<20)) // all of it, or the reset of what is unread overtakes the answer
	_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	c.Close()
}

// fake starts such a proxy with a backend of its own.
func fake(t *testing.T, proxy func(net.Conn, string)) *subject {
	t.Helper()
	socket := t.TempDir() + "/b"
	inner, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{patience: 200 * time.Millisecond}
	t.Cleanup(func() {
		outer.Close()
		inner.Close()
		b.begin(reply{})
	})
	go b.serve(inner) // both end with their listeners
	go func() {
		for {
			c, err := outer.Accept()
			if err != nil {
				return
			}
			go proxy(c, socket)
		}
	}()
	return &subject{name: "fake", doors: []door{{outer.Addr().String(), 0, b}}}
}

// few leaves one trial of each rule, which is quick.
func few() (some []topic) {
	for _, tp := range topics {
		short := topic{name: tp.name}
		for _, r := range tp.rules {
			if !r.own && len(r.trials) > 0 {
				r.trials = r.trials[:1]
				short.rules = append(short.rules, r)
			}
		}
		some = append(some, short)
	}
	return some
}

func TestJudge_ACarelessProxyIsFoundOut(t *testing.T) {
	t.Parallel()
	some := few()
	found, err := run(fake(t, careless), some, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := column{name: "careless", found: found}
	n := c.total(some)
	if n.forwarded == 0 || n.ambiguous == 0 || n.other == 0 {
		t.Errorf("%+v", n)
	}
	c.each(some, func(tp topic, r rule, tr trial, f finding) {
		switch tr.kind {
		case rejected:
			if f.wrong == "" && f.outcome.arrival.whole() > 0 {
				t.Errorf("%s/%s arrived and passed", tp.name, tr.name)
			}
		case served:
			if wrong := judge(tr.bare(), f.outcome, false); wrong != "" && len(f.outcome.arrival.ambiguous) == 0 && tp.name != "connection" && tp.name != "retries" && tp.name != "host" && !tr.over {
				t.Errorf("%s/%s is not served by a plain pipe: %s", tp.name, tr.name, wrong)
			}
		}
	})
}

func TestJudge_AClosedDoorIsFoundOut(t *testing.T) {
	t.Parallel()
	some := few()
	found, err := run(fake(t, closed), some, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	column{found: found}.each(some, func(tp topic, r rule, tr trial, f finding) {
		if (tr.kind == served || tr.kind == relayed || tr.kind == refused) && f.wrong == "" && len(tr.status) == 0 {
			t.Errorf("%s/%s (%s) passed though nothing is forwarded", tp.name, tr.name, tr.kind)
		}
		if tr.kind == rejected && tr.times == 0 && f.wrong != "" {
			t.Errorf("%s/%s: %s", tp.name, tr.name, f.wrong)
		}
	})
}

// Each judgement has an outcome that it condemns.
func TestJudge_EveryKindCanFail(t *testing.T) {
	t.Parallel()
	fine := outcome{got: kept, end: "end", answers: []answered{{status: 200, head: "HTTP/1.1 200 OK", body: "seen", whole: true}}}
	arrived := fine
	arrived.arrival = arrival{messages: []*message{{method: "GET", whole: true}}, raw: "X-Raw: y"}
	twiceOver := arrived
	twiceOver.arrival.messages = append(twiceOver.arrival.messages, &message{method: "GET", whole: true})
	silence := outcome{}
	for _, c := range []struct {
		name string
		t    trial
		o    outcome
		want string
	}{
		{"forwarded", trial{kind: rejected}, arrived, "forwarded"},
		{"answered", trial{kind: rejected}, fine, "200"},
		{"not answered", trial{kind: rejected}, silence, "no answer"},
		{"waiting", trial{kind: rejected, status: []int{silent}}, outcome{arrival: arrival{waits: true}}, "waits"},
		{"not arrived", trial{kind: served}, fine, "0 whole requests"},
		{"arrived twice", trial{kind: served}, twiceOver, "2 whole requests"},
		{"lacks", trial{kind: served, lack: []string{"x-raw"}}, arrived, `"x-raw" arrived`},
		{"sees", trial{kind: served, see: []string{"x-other"}}, arrived, `"x-other" did not arrive`},
		{"shows", trial{kind: served, show: []string{"x-other"}}, arrived, `did not get "x-other"`},
		{"hides", trial{kind: served, hide: []string{"seen"}}, arrived, `got "seen"`},
		{"either", trial{kind: either, status: []int{400}}, arrived, "200"},
		{"relay", trial{kind: relayed}, silence, "did not come whole"},
		{"relay of another body", trial{kind: relayed, body: "x"}, fine, "the body came as"},
		{"taken for whole", trial{kind: cut}, fine, "for whole"},
		{"left open", trial{kind: cut}, outcome{answers: []answered{{status: 200}}}, "stays open"},
		{"passed on", trial{kind: refused}, fine, "passed on"},
		{"mended wrongly", trial{kind: mended, hide: []string{"seen"}}, fine, `got "seen"`},
		{"retried", trial{kind: once}, twiceOver, "2 times"},
		{"made up", trial{kind: once}, arrived, "200"},
		{"never ends", trial{kind: ended, within: time.Second}, silence, "still open"},
		{"kept", trial{kind: served, over: true}, outcome{answers: fine.answers, arrival: arrived.arrival}, "stays open"},
		{"ambiguous here", trial{kind: relayed}, outcome{answers: []answered{{status: 200, head: "HTTP/1.1 200 OK\r\nX : y", whole: true}}}, "ambiguous bytes reached the client"},
		{"ambiguous there", trial{kind: served}, outcome{arrival: arrival{ambiguous: []string{"two"}}}, "ambiguous bytes reached the backend"},
	} {
		if got := judge(c.t, c.o, true); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := judge(trial{kind: served}, arrived, true); got != "" {
		t.Errorf("what is right is called %q", got)
	}
}
