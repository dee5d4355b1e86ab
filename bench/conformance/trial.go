package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// kind is what has to become of a trial.
type kind int

const (
	rejected kind = iota // nothing whole reaches the backend; the client gets an error, or the end
	served               // each request arrives once and is answered
	either               // rejected, or it arrives as sees and lacks say
	relayed              // the backend's answer reaches the client whole
	cut                  // the client can tell that the answer is not complete
	refused              // the backend's answer is unusable: 502, and nothing of it is shown
	mended               // refused, or relayed as show and hide say
	once                 // at most one attempt reaches the backend, and the client is told
	ended                // the proxy ends the connection by itself, in time
)

var kinds = map[kind]string{
	rejected: "reject", served: "control", either: "reject or normalise", relayed: "relay", cut: "visibly cut", refused: "502", mended: "502 or mend", once: "once", ended: "end in time",
}

func (k kind) String() string { return kinds[k] }

// topic is one section of the table.
type topic struct {
	name  string
	rules []rule
}

// rule is a sentence and the trials that rest on it.
type rule struct {
	cite   string // "RFC 9112, 6.1"; "" = our choice, and quote says why
	quote  string
	own    bool // of tenement alone: what the others do depends on how they are configured
	trials []trial
}

// trial is one conversation and what has to become of it.
type trial struct {
	name   string
	kind   kind
	client []step
	reply  reply         // of the backend to the first request; then the standard one
	within time.Duration // until the end, with kind ended

	status []int    // allowed to the proxy's or backend's final answer; nil = what kind implies
	warm   bool     // it comes second on its connection
	over   bool     // the connection has to end with it
	times  int      // requests that arrive; 0 = one
	body   string   // that arrived, or with relayed that the client got; "" = not looked at
	see    []string // in what reached the backend (served, either)
	lack   []string // nowhere in it
	show   []string // in what the client got
	hide   []string // nowhere in it
}

// step is one thing that a side does.
type step struct {
	say   string
	await string        // goes on when this has come
	pause time.Duration // or after this
	end   ending
	every time.Duration // say is sent byte by byte, at this distance
}

// ending is how a side ends its sending, or the connection.
type ending int

const (
	goesOn ending = iota
	finishes
	closes
	resets
)

// reply is what the backend does instead of its standard answer.
type reply struct {
	when  moment
	steps []step
}

// moment is when a reply begins.
type moment int

const (
	atWhole moment = iota // the request is complete
	atHead                // its head is
	atByte                // something has come
)

func say(s string) step                   { return step{say: s} }
func await(s string) step                 { return step{await: s} }
func pause(d time.Duration) step          { return step{pause: d} }
func finish() step                        { return step{end: finishes} }
func hangUp() step                        { return step{end: closes} }
func slam() step                          { return step{end: resets} }
func drip(s string, d time.Duration) step { return step{say: s, every: d} }

// family is a trial for each pair of a name and a value, which form makes the
// bytes of.
func family(of func(name, bytes string) trial, form func(value string) string, pairs ...string) (all []trial) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, of(pairs[i], form(pairs[i+1])))
	}
	return all
}

func reject(name, bytes string) trial { return talk(rejected, name, say(bytes)) }
func serve(name, bytes string) trial  { return talk(served, name, say(bytes)) }
func allow(name, bytes string) trial  { return talk(either, name, say(bytes)) }

// answer is a plain GET, answered with these bytes; an answer that needs the
// connection's end ends it.
func answer(k kind, name, bytes string, then ...step) trial {
	return talk(k, name, say(get+"\r\n")).replies(atWhole, append([]step{say(bytes)}, then...)...)
}

func talk(k kind, name string, steps ...step) trial {
	return trial{name: name, kind: k, client: steps}
}

func (t trial) replies(when moment, steps ...step) trial {
	t.reply = reply{when, steps}
	return t
}

func (t trial) gets(status ...int) trial  { t.status = status; return t }
func (t trial) arrives(times int) trial   { t.times = times; return t }
func (t trial) carries(body string) trial { t.body = body; return t }
func (t trial) sees(s ...string) trial    { t.see = s; return t }
func (t trial) lacks(s ...string) trial   { t.lack = s; return t }
func (t trial) shows(s ...string) trial   { t.show = s; return t }
func (t trial) hides(s ...string) trial   { t.hide = s; return t }
func (t trial) ends() trial               { t.over = true; return t }

// warmed is the trial as the second request of a connection, where a server may
// read otherwise than at first. ok is false for those whose backend answers in a
// way of its own: that is for the first.
func (t trial) warmed() (second trial, ok bool) {
	t.warm = true
	t.client = append([]step{say(path("first")), await("seen")}, t.client...)
	return t, len(t.reply.steps) == 0
}

// bare is the trial without its wishes for what the messages look like.
func (t trial) bare() trial {
	t.see, t.lack, t.show, t.hide = nil, nil, nil, nil
	return t
}

// sent is everything that the client says.
func (t trial) sent() string {
	var b strings.Builder
	for _, s := range t.client {
		b.WriteString(s.say)
	}
	return b.String()
}

// key tells two trials apart: what is said by both sides, and how.
func (t trial) key() string { return fmt.Sprint(t.client, t.reply) }

// The names in the trials. Each shard of a subject has an alice and a bob of its
// own: at puts its number in.
const (
	alice   = "alice.app.example.test"
	bob     = "bob.app.example.test"
	toAlice = "Host: " + alice + "\r\n"
	toBob   = "Host: " + bob + "\r\n"
	get     = "GET / HTTP/1.1\r\n" + toAlice
	post    = "POST / HTTP/1.1\r\n" + toAlice
	chunks  = "Transfer-Encoding: chunked\r\n"
)

// at is the trial as a shard has it. The lengths stay what they were.
func (t trial) at(shard int) trial {
	names := strings.NewReplacer(
		alice, fmt.Sprintf("alic%d.app.example.test", shard), strings.ToUpper(alice), fmt.Sprintf("ALIC%d.APP.EXAMPLE.TEST", shard),
		bob, fmt.Sprintf("bo%d.app.example.test", shard))
	t.client = slices.Clone(t.client)
	for i := range t.client {
		t.client[i].say = names.Replace(t.client[i].say)
	}
	for _, texts := range []*[]string{&t.see, &t.lack, &t.show, &t.hide} {
		*texts = slices.Clone(*texts)
		for i, text := range *texts {
			(*texts)[i] = names.Replace(text)
		}
	}
	return t
}
