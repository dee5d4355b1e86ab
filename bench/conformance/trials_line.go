package main

import "strings"

func withLine(line string) string       { return line + "\r\n" + toAlice + "\r\n" }
func withVersion(version string) string { return withLine("GET / " + version) }

// servedAsItIs wants the target to arrive as it was sent.
func servedAsItIs(name, bytes string) trial {
	line, _, _ := strings.Cut(bytes, "1.1\r\n")
	return serve(name, bytes).sees(line + "1.")
}

var line = topic{"request line", []rule{
	{cite: "RFC 9112, 3.2", quote: "Recipients of an invalid request-line SHOULD respond with either a 400 (Bad Request) error or a 301 (Moved Permanently) redirect with the request-target properly encoded.",
		trials: family(reject, withLine,
			"a space in the target", "GET /a b HTTP/1.1", "two versions", "GET / HTTP/1.1 HTTP/1.1", "only a method", "GET", "a method and a space", "GET ", "no target", "GET  HTTP/1.1",
			"a fragment", "GET /a#b HTTP/1.1", "a NUL in the target", "GET /a\x00b HTTP/1.1", "a vertical tab in the target", "GET /a\x0bb HTTP/1.1", "DEL in the target", "GET /a\x7fb HTTP/1.1",
			"a control byte in the target", "GET /\x01 HTTP/1.1", "a tab in the target", "GET /a\tb HTTP/1.1", "nothing but spaces", "   ", "a request line of another protocol", "EHLO example.test", "a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "an answer", "HTTP/1.1 200 OK")},
	{cite: "RFC 9112, 3", quote: "recipients MAY instead parse on whitespace-delimited word boundaries and, aside from the CRLF terminator, treat any form of whitespace as the SP separator while ignoring preceding or trailing whitespace; such whitespace includes one or more of the following octets: SP, HTAB, VT (%x0B), FF (%x0C), or bare CR.",
		trials: family(mayBe400, withLine,
			"two spaces before the target", "GET  / HTTP/1.1", "two spaces before the version", "GET /  HTTP/1.1", "tabs between", "GET\t/\tHTTP/1.1", "a space in front", " GET / HTTP/1.1", "a space behind", "GET / HTTP/1.1 ",
			"a tab in front", "\tGET / HTTP/1.1", "a form feed between", "GET\x0c/ HTTP/1.1", "a bare CR between", "GET\r/ HTTP/1.1", "a bare CR behind", "GET / HTTP/1.1\rX: y")},
	{cite: "RFC 9110, 9.1", quote: "The method token is case-sensitive because it might be used as a gateway to object-based systems with case-sensitive method names.",
		trials: []trial{
			serve("a method of its own", withLine("REPORT /x HTTP/1.1")).sees("REPORT /x HTTP/1."),
			serve("a method with a hyphen", withLine("M-SEARCH /x HTTP/1.1")).sees("M-SEARCH /x HTTP/1."),
			serve("PATCH", "PATCH /x HTTP/1.1\r\n"+toAlice+"Content-Length: 5\r\n\r\nhello").sees("PATCH /x HTTP/1.").carries("hello"),
			serve("PROPFIND", "PROPFIND /x HTTP/1.1\r\n"+toAlice+"Depth: 1\r\n\r\n").sees("PROPFIND /x HTTP/1.", "Depth: 1"),
		}},
	{cite: "RFC 9112, 2.2", quote: "receives a sequence of octets that does not match the HTTP-message grammar aside from the robustness exceptions listed above, the server SHOULD respond with a 400 (Bad Request) response and close the connection.",
		trials: family(reject, func(m string) string { return withLine(m + " / HTTP/1.1") },
			"a bracket in the method", "GE(T", "quotes in the method", `"GET"`, "a colon in the method", "GET:", "a NUL in the method", "G\x00ET", "a slash in the method", "GET/", "a byte above 127", "G\xc9T", "a comma in the method", "GET,POST", "an at sign", "G@T", "a backspace", "GET\x08", "no method", "")},
	{cite: "RFC 9112, 2.2", quote: "receives a sequence of octets that does not match the HTTP-message grammar aside from the robustness exceptions listed above, the server SHOULD respond with a 400 (Bad Request) response and close the connection.",
		trials: family(func(n, b string) trial { return reject(n, b).gets(400, 505) }, withVersion,
			"small letters", "http/1.1", "no digits", "HTTP/", "no slash", "HTTP1.1", "no dot", "HTTP/11", "two digits", "HTTP/1.10", "a zero in front", "HTTP/01.1", "a comma", "HTTP/1,1", "a letter", "HTTP/1.x",
			"a letter behind", "HTTP/1.1x", "a sign", "HTTP/+1.1", "another protocol", "ICY/1.1", "shttp", "HTTPS/1.1", "a NUL behind", "HTTP/1.1\x00", "a space inside", "HTTP/ 1.1", "major 1 alone", "HTTP/1", "full-width", "HTTP/\xef\xbc\x91.1")},
	{cite: "RFC 9110, 15.6.6", quote: "The 505 (HTTP Version Not Supported) status code indicates that the server does not support, or refuses to support, the major version of HTTP that was used in the request message.",
		trials: family(func(n, b string) trial { return reject(n, b).gets(400, 505) }, withVersion, "HTTP/2.0", "HTTP/2.0", "HTTP/3.0", "HTTP/3.0", "HTTP/0.9", "HTTP/0.9", "HTTP/9.9", "HTTP/9.9")},
	{cite: "RFC 9110, 6.2", quote: "A recipient that receives a message with a major version number that it implements and a minor version number higher than what it implements SHOULD process the message as if it were in the highest minor version within that major version to which the recipient is conformant.",
		trials: []trial{
			talk(either, "HTTP/1.2", say(withVersion("HTTP/1.2"))).gets(400, 505),
			talk(either, "HTTP/1.9", say(withVersion("HTTP/1.9"))).gets(400, 505),
		}},
	{quote: "HTTP/0.9 has no Host, and HTTP/2 without TLS is nothing that a client of ours needs.",
		trials: []trial{
			reject("a request of HTTP/0.9", "GET /\r\n").gets(400, 505, silent),
			reject("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").gets(400, 505),
		}},
	{cite: "RFC 9112, 2.3", quote: "Intermediaries that process HTTP messages (i.e., all intermediaries other than those acting as tunnels) MUST send their own HTTP-version in forwarded messages, unless it is purposefully downgraded as a workaround for an upstream issue.",
		trials: []trial{serve("a 1.0 client", "GET / HTTP/1.0\r\n"+toAlice+"\r\n").sees(" HTTP/1.1\r\n").ends()}},
	{cite: "RFC 9112, 2.2", quote: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF) received prior to the request-line.",
		trials: []trial{
			serve("an empty line in front", "\r\n"+get+"\r\n"),
			allow("three empty lines in front", "\r\n\r\n\r\n"+get+"\r\n"),
		}},
	{cite: "RFC 9112, 2.2", quote: "a recipient MAY recognize a single LF as a line terminator and ignore any preceding CR.",
		trials: []trial{
			allow("bare LF everywhere", "GET / HTTP/1.1\nHost: "+alice+"\n\n").gets(silent, 400),
			allow("bare LF after the request line", "GET / HTTP/1.1\n"+toAlice+"\r\n").gets(silent, 400),
			allow("bare LF after a field", get+"X: y\n\r\n").gets(silent, 400),
			allow("bare LF as the empty line", get+"X: y\r\n\n").gets(silent, 400),
			allow("a field after a bare LF", get+"X: y\nContent-Length: 5\r\n\r\nhello").carries("hello"),
			allow("two CRs before a LF", "GET / HTTP/1.1\r\r\n"+toAlice+"\r\n").gets(silent, 400),
			allow("LF CR as line ends", "GET / HTTP/1.1\n\r"+toAlice+"\n\r").gets(silent, 400),
		}},
	{cite: "RFC 9112, 3", quote: "It is RECOMMENDED that all HTTP senders and recipients support, at a minimum, request-line lengths of 8000 octets.",
		trials: []trial{serve("8000 octets", withLine("GET /"+strings.Repeat("a", 7986)+" HTTP/1.1")).sees("a HTTP/1.")}},
	{cite: "RFC 9112, 3", quote: "A server that receives a request-target longer than any URI it wishes to parse MUST respond with a 414 (URI Too Long) status code",
		trials: []trial{
			reject("a target of 100 000 octets", withLine("GET /"+strings.Repeat("a", 100000)+" HTTP/1.1")).gets(414),
			reject("a query of 2 000 000 octets", withLine("GET /?"+strings.Repeat("a", 2000000)+" HTTP/1.1")).gets(414),
		}},
	{cite: "RFC 9112, 3", quote: "A server that receives a method longer than any that it implements SHOULD respond with a 501 (Not Implemented) status code.",
		trials: []trial{reject("a method of 100 000 octets", withLine(strings.Repeat("A", 100000)+" / HTTP/1.1")).gets(400, 414, 431, 501)}},
	{cite: "RFC 9110, 7.7", quote: "A proxy MUST NOT modify the “absolute-path” and “query” parts of the received target URI when forwarding it to the next inbound server except as required by that forwarding protocol.",
		trials: family(servedAsItIs, withTarget, "two dots", "/a/../b", "one dot", "/a/./b", "two slashes", "//a//b", "dots in percent", "/%2e%2e/%2E", "a slash in percent", "/a%2Fb", "a semicolon", "/a;b=c", "a query of a query", "/?a=b&c=%20?/d", "a space in percent", "/a%20b",
			"sub-delimiters", "/!$&'()*+,;=:@", "percent twice", "/%252e", "an empty query", "/a?", "a backslash in percent", `/%5c..%5c`)},
	{quote: "what no URI may hold, but browsers and curl send, is for the tenant to judge; it goes on as it came.",
		trials: []trial{
			allow("bytes above 127", withTarget("/\xc3\xa9")).sees("/\xc3\xa9 HTTP/1."),
			allow("half a percent", withTarget("/%zz")).sees("/%zz HTTP/1."),
			allow("NUL in percent", withTarget("/%00")).sees("/%00 HTTP/1."),
			allow("square brackets", withTarget("/[a]")).sees("/[a] HTTP/1."),
			allow("quotes", withTarget(`/"a"`)).sees(`/"a" HTTP/1.`),
			allow("a backslash", withTarget(`/a\b`)).sees(`/a\b HTTP/1.`),
			allow("a pipe and curly brackets", withTarget("/{a|b}")).sees("/{a|b} HTTP/1."),
		}},
}}
