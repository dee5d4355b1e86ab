package main

import (
	"fmt"
	"strings"
)

func withField(line string) string  { return get + line + "\r\n\r\n" }
func withValue(value string) string { return withField("X-Value: a" + value + "b") }

var fields = topic{"fields", []rule{
	{cite: "RFC 9112, 5.1", quote: "A server MUST reject, with a response status code of 400 (Bad Request), any received request message that contains whitespace between a header field name and colon.",
		trials: []trial{
			reject("a space", withField("X : y")), reject("a tab", withField("X\t: y")), reject("several", withField("X  : y")),
			reject("after Host", "GET / HTTP/1.1\r\nHost : "+alice+"\r\n\r\n"),
			reject("after a second Host", get+"Host : "+bob+"\r\n\r\n"),
			reject("after Content-Length", post+"Content-Length : 5\r\n\r\nhello"),
			reject("after Transfer-Encoding", post+"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
			reject("a tab after Transfer-Encoding", post+"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
			reject("after Transfer-Encoding, with a length", post+"Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
		}},
	{cite: "RFC 9112, 5.2", quote: "A server that receives an obs-fold in a request message that is not within a “message/http” container MUST either reject the message by sending a 400 (Bad Request), preferably with a representation explaining that obsolete line folding is unacceptable, or replace each received obs-fold with one or more SP octets prior to interpreting the field value or forwarding the message downstream.",
		trials: []trial{
			mayBe400("folded by a space", withField("X: a\r\n b")), mayBe400("folded by a tab", withField("X: a\r\n\tb")), mayBe400("folded to nothing", withField("X: a\r\n ")),
			mayBe400("folded Transfer-Encoding", post+"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
			mayBe400("a coding on a folded line", post+"X: y\r\n Transfer-Encoding: chunked\r\n\r\n"),
			mayBe400("folded Content-Length", post+"Content-Length: 1\r\n 0\r\n\r\nhelloworld"),
			mayBe400("folded Host", "GET / HTTP/1.1\r\nHost: alice\r\n .app.example.test\r\n\r\n"),
			mayBe400("folded after Host", get+" x\r\n\r\n"),
		}},
	{cite: "RFC 9112, 2.2", quote: "A recipient that receives whitespace between the start-line and the first header field MUST either reject the message as invalid or consume each whitespace-preceded line without further processing of it",
		trials: []trial{
			mayBe400("a space before the first field", "GET / HTTP/1.1\r\n X: y\r\n"+toAlice+"\r\n").lacks("X: y"),
			mayBe400("a tab before the first field", "GET / HTTP/1.1\r\n\tX: y\r\n"+toAlice+"\r\n").lacks("X: y"),
			mayBe400("a space before Host", "GET / HTTP/1.1\r\n "+toAlice+"\r\n"),
			mayBe400("a coding after white space", "POST / HTTP/1.1\r\n "+chunks+toAlice+"\r\n").lacks("chunked"),
		}},
	{cite: "RFC 9112, 2.2", quote: "receives a sequence of octets that does not match the HTTP-message grammar aside from the robustness exceptions listed above, the server SHOULD respond with a 400 (Bad Request) response and close the connection.",
		trials: family(reject, withField,
			"no colon", "nothing", "no name", ": y", "only a colon", ":", "a request line", "GET /smuggled HTTP/1.1", "two words before the colon", "X Y: z")},
	{cite: "RFC 9112, 2.2", quote: "receives a sequence of octets that does not match the HTTP-message grammar aside from the robustness exceptions listed above, the server SHOULD respond with a 400 (Bad Request) response and close the connection.",
		trials: family(reject, withField,
			"NUL in the name", "X\x00: y", "a control byte in the name", "X\x01: y", "a bracket in the name", "X(: y", "quotes in the name", `"X": y`, "a comma in the name", "X,Y: z", "a slash in the name", "X/Y: z", "a byte above 127 in the name", "X\xe9: y",
			"an at sign in the name", "X@Y: z", "square brackets in the name", "[X]: y", "an equals sign in the name", "X=Y: z", "DEL in the name", "X\x7f: y", "a question mark in the name", "X?: y", "a semicolon in the name", "X;Y: z", "curly brackets in the name", "{X}: y", "a backslash in the name", `X\Y: z`,
			"a BOM in front", "\xef\xbb\xbfX: y")},
	{cite: "RFC 9110, 5.5", quote: "Field values containing CR, LF, or NUL characters are invalid and dangerous, due to the varying ways that implementations might parse and interpret those characters",
		trials: family(mayBe400, withValue, "NUL in a value", "\x00", "bare CR in a value", "\r", "bare CR and a field", "\rX-Evil: y", "CR CR", "\r\r")},
	{cite: "RFC 9110, 5.5", quote: "Field values containing other CTL characters are also invalid; however, recipients MAY retain such characters for the sake of robustness when they appear within a safe context",
		trials: family(mayBe400, withValue, "SOH", "\x01", "BEL", "\x07", "backspace", "\x08", "vertical tab", "\x0b", "form feed", "\x0c", "escape", "\x1b[31m", "unit separator", "\x1f", "DEL", "\x7f")},
	{cite: "RFC 9110, 5.5", quote: "A recipient SHOULD treat other allowed octets in field content (i.e., obs-text) as opaque data.",
		trials: family(func(n, b string) trial { return serve(n, b).sees(strings.TrimSuffix(strings.Split(b, "\r\n")[2], " ")) }, withField,
			"bytes above 127", "X-Value: \xe9\xff", "UTF-8", "X-Value: é", "a tab inside", "X-Value: a\tb", "spaces inside", "X-Value: a  b", "quotes", `X-Value: "a, b"`, "a colon", "X-Value: a:b", "a percent sign", "X-Value: %0d%0aX: y", "4000 bytes", "X-Value: "+strings.Repeat("v", 4000))},
	{cite: "RFC 9110, 5.5", quote: "A field value does not include leading or trailing whitespace.",
		trials: []trial{
			serve("white space around", withField("X-Value: \t a \t ")).sees("X-Value: a\r\n"),
			serve("no white space", withField("X-Value:a")).sees("X-Value: a\r\n"),
			serve("an empty value", withField("X-Value:")),
		}},
	{cite: "RFC 9110, 5.1", quote: "A proxy MUST forward unrecognized header fields unless the field name is listed in the Connection header field (Section 7.6.1) or the proxy is specifically configured to block, or otherwise transform, such fields.",
		trials: []trial{
			serve("an unknown field", withField("X-Unknown: y")).sees("X-Unknown: y"),
			serve("a name of signs", withField("!#$%&'*+-.^`|~9: y")).sees("!#$%&'*+-.^`|~9: y"),
			serve("a name of digits", withField("123: y")).sees("123: y"),
			serve("a name of one letter", withField("Q: y")).sees("Q: y"),
			serve("a name of 200 bytes", withField(strings.Repeat("n", 200)+": y")).sees(strings.Repeat("n", 200) + ": y"),
			serve("cookies", withField("Cookie: a=b; c=\"d\"")).sees("Cookie: a=b; c=\"d\""),
			serve("credentials", withField("Authorization: Basic eDp5")).sees("Authorization: Basic eDp5"),
			serve("a range", withField("Range: bytes=0-1")).sees("Range: bytes=0-1"),
			serve("a condition", withField(`If-None-Match: "x"`)).sees(`If-None-Match: "x"`),
			serve("an encoding", withField("Accept-Encoding: br")).sees("Accept-Encoding: br"),
		}},
	{cite: "RFC 9110, 5.3", quote: "a proxy MUST NOT change the order of these field line values when forwarding a message.",
		trials: []trial{serve("repeated fields", get+"X-V: 1\r\nX-V: 2\r\nX-V: 3\r\n\r\n").sees("1\r\nX-V: 2\r\nX-V: 3")}},
	{cite: "RFC 9110, 7.6.1", quote: "Intermediaries MUST parse a received Connection header field before a message is forwarded and, for each connection-option in this field, remove any header or trailer field(s) from the message with the same name as the connection-option",
		trials: []trial{
			serve("a nominated field", withField("Connection: x-secret\r\nX-Secret: y")).lacks("x-secret"),
			serve("nominated after it", withField("X-Secret: y\r\nConnection: x-secret")).lacks("x-secret"),
			serve("two in a list", withField("Connection: keep-alive, x-one , X-Two\r\nX-One: y\r\nX-Two: z")).lacks("x-one", "x-two"),
			serve("in two Connection fields", withField("Connection: x-one\r\nConnection: x-two\r\nX-One: y\r\nX-Two: z")).lacks("x-one", "x-two"),
			serve("without white space", withField("Connection:close,x-one\r\nX-One: y")).lacks("x-one"),
			serve("a cookie", withField("Connection: cookie\r\nCookie: a=b")).lacks("a=b"),
			serve("among empty members", withField("Connection: , ,x-one,\r\nX-One: y")).lacks("x-one"),
			serve("the Connection field itself", withField("Connection: x-other")).lacks("x-other"),
		}},
	{cite: "RFC 9110, 7.6.1", quote: "A sender MUST NOT send a connection option corresponding to a field that is intended for all recipients of the content.",
		trials: []trial{
			allow("Host nominated", withField("Connection: host")).sees(toAlice),
			allow("Content-Length nominated", post+"Connection: content-length\r\nContent-Length: 5\r\n\r\nhello").carries("hello"),
			allow("Transfer-Encoding nominated", post+"Connection: transfer-encoding\r\n"+chunks+"\r\n5\r\nhello\r\n0\r\n\r\n").carries("hello"),
			allow("Connection nominated", withField("Connection: connection")).lacks("connection: connection"),
			allow("a length nominated to hide a request", post+"Connection: content-length\r\nContent-Length: 54\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: alice.app.example.test\r\n\r\n"),
		}},
	{quote: "who the visitor is, no visitor may say, by nominating ours away either.",
		trials: []trial{
			serve("X-Forwarded-For", withField("X-Forwarded-For: 6.6.6.6")).lacks("6.6.6.6"),
			serve("X-Forwarded-For twice", withField("X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7")).lacks("6.6.6.6", "7.7.7.7"),
			serve("X-Forwarded-Host", withField("X-Forwarded-Host: evil.test")).lacks("evil.test"),
			serve("X-Forwarded-Proto", withField("X-Forwarded-Proto: gopher")).lacks("gopher"),
			serve("X-Forwarded-Prefix", withField("X-Forwarded-Prefix: /evil")).lacks("/evil"),
			serve("Forwarded", withField("Forwarded: for=6.6.6.6;host=evil.test")).lacks("6.6.6.6"),
			serve("nominated away", withField("Connection: x-forwarded-for, x-forwarded-proto")).sees("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http"),
			serve("said by the proxy", get+"\r\n").sees("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: "+alice),
		}},
	{quote: "CGI, WSGI and Rack make the same variable of “_” and “-”, so a name with “_” is another one in disguise.",
		trials: family(func(n, b string) trial { return serve(n, b).lacks(strings.Split(b, "\r\n")[2]) }, withField,
			"X_Forwarded_For", "X_Forwarded_For: 6.6.6.6", "X-Forwarded_For", "X-Forwarded_For: 6.6.6.6", "Transfer_Encoding", "Transfer_Encoding: chunked", "Content_Length", "Content_Length: 5", "Remote_User", "Remote_User: root", "Proxy_", "Proxy_: x")},
	{cite: "RFC 9110, 7.6.1", quote: "Furthermore, intermediaries SHOULD remove or replace fields that are known to require removal before forwarding, whether or not they appear as a connection-option, after applying those fields' semantics.",
		trials: family(func(n, b string) trial { return serve(n, b).lacks(strings.Split(b, "\r\n")[2]) }, withField,
			"Proxy-Connection", "Proxy-Connection: keep-alive", "Keep-Alive", "Keep-Alive: timeout=5", "TE", "TE: gzip;q=0.5", "Upgrade alone", "Upgrade: websocket", "Trailer", "Trailer: X-Sum", "Proxy-Authorization", "Proxy-Authorization: Basic eDp5")},
	{cite: "RFC 9110, 7.6.2", quote: "Each intermediary that receives a TRACE or OPTIONS request containing a Max-Forwards header field MUST check and update its value prior to forwarding the request.",
		trials: []trial{
			serve("Max-Forwards 3", "OPTIONS /x HTTP/1.1\r\n"+toAlice+"Max-Forwards: 3\r\n\r\n").sees("Max-Forwards: 2"),
		}},
	{cite: "RFC 9110, 7.6.2", quote: "If the received value is zero (0), the intermediary MUST NOT forward the request; instead, the intermediary MUST respond as the final recipient.",
		trials: []trial{reject("Max-Forwards 0", "OPTIONS /x HTTP/1.1\r\n"+toAlice+"Max-Forwards: 0\r\n\r\n").gets(200, 204, 405)}},
	{cite: "RFC 9110, 7.6.3", quote: "An HTTP-to-HTTP gateway MUST send an appropriate Via header field in each inbound request message and MAY send a Via header field in forwarded response messages.",
		trials: []trial{serve("Via", "DELETE /x HTTP/1.1\r\n"+toAlice+"\r\n").sees("Via: 1.1 "), serve("Via of a proxy before", withField("Via: 1.0 fred")).sees("Via: 1.0 fred")}},
	{cite: "RFC 9110, 5.4", quote: "A server that receives a request header field line, field value, or set of fields larger than it wishes to process MUST respond with an appropriate 4xx (Client Error) status code.",
		trials: []trial{
			talk(either, "a value of 100 000 bytes", say(withField("X-Value: "+strings.Repeat("v", 100000)))).gets(431),
			talk(either, "a name of 100 000 bytes", say(withField(strings.Repeat("n", 100000)+": y"))).gets(431),
			talk(either, "3000 fields", say(withField(many("X-%d: y", 3000)))).gets(431),
			talk(either, "a Connection of 5000 names", say(withField("Connection: "+strings.Repeat("a, ", 5000)+"b"))).gets(400, 431),
			serve("60 fields", withField(many("X-%d: y", 60))).sees("X-59: y"),
		}},
}}

// many gives n lines of fields.
func many(format string, n int) string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(lines, "\r\n")
}
