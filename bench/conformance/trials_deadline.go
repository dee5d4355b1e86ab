package main

import (
	"fmt"
	"strings"
	"time"
)

// What tenement is configured with for these: short enough to wait for, long
// enough for everything else.
const (
	clientDeadline = 2 * time.Second // for a head, a piece of a body, the next request
	deadlineSlack  = 5 * clientDeadline
	maxFields      = 100
)

var ourSettings = fmt.Sprintf("client_header_timeout = %[1]v\nclient_body_timeout = %[1]v\nclient_idle_timeout = %[1]v\nmax_headers = %[2]d\n", clientDeadline.Seconds(), maxFields)

// slow is a client that does not come to an end; the proxy has to.
func slow(name string, steps ...step) trial {
	t := talk(ended, name, steps...)
	t.within = deadlineSlack
	return t
}

var deadlines = topic{"deadlines and limits", []rule{
	{cite: "RFC 9110, 15.5.9", quote: "The 408 (Request Timeout) status code indicates that the server did not receive a complete request message within the time that it was prepared to wait.",
		own: true, trials: []trial{
			slow("a head, byte by byte", drip(get+strings.Repeat("X: y\r\n", 50), 100*time.Millisecond)).gets(408),
			slow("a request line, byte by byte", drip("GET /"+strings.Repeat("a", 200), 100*time.Millisecond)).gets(408),
			slow("a head that stops", say(get)).gets(408),
			slow("a head that stops in a line", say("GET / HTTP/1.1\r\nHo")).gets(408),
			slow("a body that stops", say(post+"Content-Length: 10\r\n\r\nhello")).gets(408),
			slow("a body that never begins", say(post+"Content-Length: 10\r\n\r\n")).gets(408),
			slow("a body, byte by byte", say(post+"Content-Length: 1000\r\n\r\n"), drip(long[:200], 100*time.Millisecond)).gets(408),
			slow("chunks that stop", say(post+chunks+"\r\n5\r\nhello\r\n")).gets(408),
			slow("chunks, byte by byte", say(post+chunks+"\r\n"), drip(strings.Repeat("1\r\nx\r\n", 30), 100*time.Millisecond)).gets(408),
			slow("a trailer that stops", say(post+chunks+"\r\n5\r\nhello\r\n0\r\nX: y\r\n")).gets(408),
			slow("a second head that stops", say(get+"\r\n"), await("seen"), say(get)).shows("HTTP/1.1 408 "),
			slow("an expectation without its body", say(expects)).gets(408),
		}},
	{cite: "RFC 9112, 9.5", quote: "Servers will usually have some timeout value beyond which they will no longer maintain an inactive connection.",
		own: true, trials: []trial{
			slow("nothing is said"),
			slow("only empty lines", say("\r\n\r\n")),
			slow("nothing after an answer", say(path("idle"))).shows("seen"),
		}},
	{quote: "a hundred fields are more than a browser behind four proxies sends; who sends more gets a 431.", own: true,
		trials: []trial{
			talk(rejected, "one field too many", say(withField(many("X-%d: y", maxFields)))).gets(431),
			serve("as many as there may be", withField(many("X-%d: y", maxFields-1))).sees("X-98: y"),
		}},
}}
