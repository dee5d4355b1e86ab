package main

import "strings"

// ok is the head of an answer with fields, and its body.
func ok(fields, body string) string {
	return "HTTP/1.1 200 OK\r\n" + mark + "\r\n" + fields + "\r\n" + body
}

func status(line string) string {
	return "HTTP/1.1 " + line + "\r\n" + mark + "\r\nContent-Length: 4\r\n\r\nbody"
}

func refuse(name, bytes string) trial { return answer(refused, name, bytes, hangUp()) }
func relay(name, bytes string) trial  { return answer(relayed, name, bytes) }
func mend(name, bytes string) trial   { return answer(mended, name, bytes, hangUp()) }

var answers = topic{"answers", []rule{
	{cite: "RFC 9112, 6.3", quote: "If it is in a response message received by a proxy, the proxy MUST close the connection to the server, discard the received response, and send a 502 (Bad Gateway) response to the client.",
		trials: append(family(refuse, func(v string) string { return ok("Content-Length:"+v+"\r\n", "hello") },
			"a length of letters", " five", "a negative length", " -5", "a length with plus", " +5", "a hexadecimal length", " 0x5", "a list of two lengths", " 5, 6", "an empty length", "", "a length of 100 digits", " "+strings.Repeat("9", 100)),
			refuse("two lengths", ok("Content-Length: 5\r\nContent-Length: 4\r\n", "hello")))},
	{cite: "RFC 9112, 6.3", quote: "Such a message might indicate an attempt to perform request smuggling (Section 11.2) or response splitting (Section 11.1) and ought to be handled as an error.",
		trials: []trial{
			refuse("length and chunked", ok("Content-Length: 5\r\n"+chunks, "5\r\nhello\r\n0\r\n\r\n")),
			refuse("chunked and length", ok(chunks+"Content-Length: 15\r\n", "5\r\nhello\r\n0\r\n\r\n")),
		}},
	{quote: "a tenant's answer in a coding that nobody asked for, or twice chunked, is read by no two clients alike.",
		trials: family(refuse, func(v string) string { return ok("Transfer-Encoding: "+v+"\r\n", "5\r\nhello\r\n0\r\n\r\n") },
			"gzip, chunked", "gzip, chunked", "chunked twice", "chunked, chunked", "identity", "identity", "xchunked", "xchunked", "chunked, gzip", "chunked, gzip")},
	{cite: "RFC 9112, 4", quote: "status-line = HTTP-version SP status-code SP [ reason-phrase ]",
		trials: family(refuse, func(line string) string { return line + "\r\n" + mark + "\r\nContent-Length: 4\r\n\r\nbody" },
			"four digits", "HTTP/1.1 2000 OK", "two digits", "HTTP/1.1 20 OK", "letters", "HTTP/1.1 abc OK", "no status", "HTTP/1.1", "a negative status", "HTTP/1.1 -20 OK", "status 099", "HTTP/1.1 099 OK", "another protocol", "ICY 200 OK", "small letters", "http/1.1 200 OK",
			"HTTP/2", "HTTP/2 200", "HTTP/3.0", "HTTP/3.0 200 OK", "a field first", "Content-Type: text/html", "a request", "GET / HTTP/1.1", "an empty line", "", "a space in front", " HTTP/1.1 200 OK", "status 600", "HTTP/1.1 600 OK")},
	{cite: "RFC 9110, 15.6.3", quote: "The 502 (Bad Gateway) status code indicates that the server, while acting as a gateway or proxy, received an invalid response from an inbound server it accessed while attempting to fulfill the request.",
		trials: []trial{
			refuse("bytes of no protocol", "\x00\x01\x02\x03\x04\r\n\r\n"),
			refuse("a head that ends early", "HTTP/1.1 200 OK\r\n"+mark+"\r\nContent-Le"),
			refuse("a status line alone", "HTTP/1.1 200 OK\r\n"),
			talk(refused, "nothing at all", say(get+"\r\n")).replies(atWhole, hangUp()),
			refuse("a line without a colon", ok("nothing\r\nContent-Length: 4\r\n", "body")),
			refuse("a field without a name", ok(": y\r\nContent-Length: 4\r\n", "body")),
			refuse("a head of a megabyte", ok("X: "+strings.Repeat("y", 1<<20)+"\r\nContent-Length: 4\r\n", "body")),
		}},
	{cite: "RFC 9110, 15.6.5", quote: "The 504 (Gateway Timeout) status code indicates that the server, while acting as a gateway or proxy, did not receive a timely response from an upstream server it needed to access in order to complete the request.",
		own: true, trials: []trial{
			talk(refused, "no answer in time", say(get+"\r\n")).replies(atWhole, pause(2*ourRequestTimeout), hangUp()).gets(504),
			talk(refused, "half a head in time", say(get+"\r\n")).replies(atWhole, say("HTTP/1.1 200 OK\r\n"), pause(2*ourRequestTimeout), hangUp()).gets(504),
		}},
	{cite: "RFC 9112, 5.1", quote: "A proxy MUST remove any such whitespace from a response message before forwarding the message downstream.",
		trials: []trial{mend("a space before a colon", ok("X-A : y\r\nContent-Length: 4\r\n", "body")), mend("a space after Content-Length", ok("Content-Length : 4\r\n", "body"))}},
	{cite: "RFC 9112, 5.2", quote: "A proxy or gateway that receives an obs-fold in a response message that is not within a “message/http” container MUST either discard the message and replace it with a 502 (Bad Gateway) response, preferably with a representation explaining that unacceptable line folding was received, or replace each received obs-fold with one or more SP octets prior to interpreting the field value or forwarding the message downstream.",
		trials: []trial{mend("a folded field", ok("X-A: a\r\n b\r\nContent-Length: 4\r\n", "body")), mend("a fold that looks like a field", ok("X-A: a\r\n Set-Cookie: b\r\nContent-Length: 4\r\n", "body"))}},
	{cite: "RFC 9110, 5.5", quote: "a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace each of those characters with SP before further processing or forwarding of that message.",
		trials: []trial{mend("NUL in a value", ok("X-A: a\x00b\r\nContent-Length: 4\r\n", "body")), mend("bare CR in a value", ok("X-A: a\rSet-Cookie: b\r\nContent-Length: 4\r\n", "body"))}},
	{cite: "RFC 9112, 6.3", quote: "If a valid Content-Length header field is present without Transfer-Encoding, its decimal value defines the expected message body length in octets.",
		trials: []trial{
			relay("a length", ok("Content-Length: 5\r\n", "hello")).carries("hello"),
			relay("length 0", ok("Content-Length: 0\r\n", "")),
			relay("70 000 bytes", ok("Content-Length: 70000\r\n", strings.Repeat("0123456789", 7000))).carries(strings.Repeat("0123456789", 7000)),
			talk(relayed, "the body comes later", say(get+"\r\n")).replies(atWhole, say(ok("Content-Length: 5\r\n", "he")), pause(2*lull), say("llo")).carries("hello"),
			talk(relayed, "the head comes in pieces", say(get+"\r\n")).replies(atWhole, say("HTTP/1.1 2"), pause(lull), say("00 OK\r\nContent-Le"), pause(lull), say("ngth: 5\r\n\r"), pause(lull), say("\nhello")).carries("hello"),
		}},
	{cite: "RFC 9112, 7.1", quote: "A recipient MUST be able to parse and decode the chunked transfer coding.",
		trials: []trial{
			relay("chunked", ok(chunks, "5\r\nhello\r\n0\r\n\r\n")).carries("hello"),
			relay("chunked, nothing in it", ok(chunks, "0\r\n\r\n")),
			relay("chunked with an extension", ok(chunks, "5;a=b\r\nhello\r\n0\r\n\r\n")).carries("hello"),
			relay("chunked with a trailer", ok(chunks+"Trailer: X-Sum\r\n", "5\r\nhello\r\n0\r\nX-Sum: y\r\n\r\n")).carries("hello"),
			relay("300 chunks", ok(chunks, strings.Repeat("1\r\nx\r\n", 300)+"0\r\n\r\n")).carries(strings.Repeat("x", 300)),
			talk(relayed, "chunks in pieces", say(get+"\r\n")).replies(atWhole, say(ok(chunks, "5\r\nhe")), pause(lull), say("llo\r"), pause(lull), say("\n0\r\n"), pause(lull), say("\r\n")).carries("hello"),
			talk(relayed, "chunked to a 1.0 client", say("GET / HTTP/1.0\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok(chunks, "5\r\nhello\r\n0\r\n\r\n"))).carries("hello").hides("transfer-encoding").ends(),
		}},
	{cite: "RFC 9112, 6.3", quote: "Otherwise, this is a response message without a declared message body length, so the message body length is determined by the number of octets received prior to the server closing the connection.",
		trials: []trial{
			answer(relayed, "until the end", ok("", "hello"), hangUp()).carries("hello"),
			answer(relayed, "until the end, empty", ok("", ""), hangUp()),
			talk(relayed, "until the end, slowly", say(get+"\r\n")).replies(atWhole, say(ok("", "he")), pause(2*lull), say("llo"), hangUp()).carries("hello"),
			talk(relayed, "until the end, to a 1.0 client", say("GET / HTTP/1.0\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok("", "hello")), hangUp()).carries("hello").ends(),
			answer(relayed, "of HTTP/1.0, until the end", "HTTP/1.0 200 OK\r\n\r\nhello", hangUp()).carries("hello"),
		}},
	{cite: "RFC 9112, 6.3", quote: "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified) status code is always terminated by the first empty line after the header fields, regardless of the header fields present in the message, and thus cannot contain a message body or trailer section.",
		trials: []trial{
			talk(relayed, "HEAD with a length", say("HEAD / HTTP/1.1\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok("Content-Length: 5\r\n", ""))).shows("Content-Length: 5"),
			talk(relayed, "HEAD with chunked", say("HEAD / HTTP/1.1\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok(chunks, ""))),
			talk(relayed, "HEAD with neither", say("HEAD / HTTP/1.1\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok("", ""))),
			relay("204", "HTTP/1.1 204 No Content\r\n"+mark+"\r\n\r\n").gets(204),
			relay("304", "HTTP/1.1 304 Not Modified\r\n"+mark+"\r\n\r\n").gets(304),
			relay("304 with a length", "HTTP/1.1 304 Not Modified\r\n"+mark+"\r\nContent-Length: 5\r\n\r\n").gets(304),
			relay("304 with chunked", "HTTP/1.1 304 Not Modified\r\n"+mark+"\r\n"+chunks+"\r\n").gets(304),
		}},
	{cite: "RFC 9110, 8.6", quote: "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx (Informational) or 204 (No Content).",
		trials: []trial{relay("204 with length 0", "HTTP/1.1 204 No Content\r\n"+mark+"\r\nContent-Length: 0\r\n\r\n").gets(204).hides("content-length")}},
	{cite: "RFC 9110, 15", quote: "a client MUST understand the class of any status code, as indicated by the first digit, and treat an unrecognized status code as being equivalent to the x00 status code of that class",
		trials: []trial{
			relay("299", status("299 Odd")).gets(299), relay("301", status("301 Moved\r\nLocation: /x")).gets(301).shows("Location: /x"), relay("404", status("404 Not Found")).gets(404), relay("418", status("418 I'm a teapot")).gets(418),
			relay("499", status("499 Odd")).gets(499), relay("500", status("500 Oh")).gets(500), relay("503", status("503 Busy\r\nRetry-After: 7")).gets(503).shows("Retry-After: 7", "body"), relay("599", status("599 Odd")).gets(599),
			relay("401", status("401 Who\r\nWWW-Authenticate: Basic")).gets(401).shows("WWW-Authenticate: Basic"), relay("206", status("206 Part\r\nContent-Range: bytes 0-3/9")).gets(206).shows("Content-Range: bytes 0-3/9"),
		}},
	{cite: "RFC 9112, 4", quote: "A client SHOULD ignore the reason-phrase content because it is not a reliable channel for information",
		trials: []trial{relay("no reason", status("200 ")).carries("body"), relay("no reason and no space", status("200")).carries("body"), relay("a reason of bytes above 127", status("200 \xc3\xa9")).carries("body")}},
	{cite: "RFC 9112, 2.3", quote: "an intermediary is not allowed to blindly forward the start-line without ensuring that the protocol version in that message matches a version to which that intermediary is conformant for both the receiving and sending of messages.",
		trials: []trial{relay("of HTTP/1.0", "HTTP/1.0 200 OK\r\n"+mark+"\r\nContent-Length: 4\r\n\r\nbody").carries("body").shows("HTTP/1.1 200")}},
	{cite: "RFC 9110, 7.6.1", quote: "remove any header or trailer field(s) from the message with the same name as the connection-option, and then remove the Connection header field itself (or replace it with the intermediary's own control options for the forwarded message).",
		trials: []trial{
			relay("a nominated field", ok("Connection: x-secret\r\nX-Secret: y\r\nContent-Length: 4\r\n", "body")).hides("x-secret"),
			relay("Keep-Alive", ok("Keep-Alive: timeout=99\r\nContent-Length: 4\r\n", "body")).hides("timeout=99"),
			relay("Proxy-Connection", ok("Proxy-Connection: odd\r\nContent-Length: 4\r\n", "body")).hides("odd"),
			relay("close is for one hop", ok("Connection: close\r\nContent-Length: 4\r\n", "body")).hides("connection: close"),
			relay("Content-Length nominated", ok("Connection: content-length\r\nContent-Length: 4\r\n", "body")).carries("body"),
		}},
	{cite: "RFC 9110, 5.3", quote: "a proxy MUST NOT change the order of these field line values when forwarding a message.",
		trials: []trial{
			relay("three cookies", ok("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nSet-Cookie: c=3\r\nContent-Length: 4\r\n", "body")).shows("a=1\r\nSet-Cookie: b=2\r\nSet-Cookie: c=3"),
			relay("an unknown field", ok("X-Unknown: y\r\nContent-Length: 4\r\n", "body")).shows("X-Unknown: y"),
			relay("bytes above 127", ok("X-Value: \xe9\r\nContent-Length: 4\r\n", "body")).shows("X-Value: \xe9"),
		}},
	{cite: "RFC 9110, 6.6.1", quote: "A recipient with a clock that receives a response message without a Date header field MUST record the time it was received and append a corresponding Date header field to the message's header section if it is cached or forwarded downstream.",
		trials: []trial{relay("no Date", ok("Content-Length: 4\r\n", "body")).shows("\r\nDate: "), relay("a Date of its own", ok("Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 4\r\n", "body")).shows("Date: Tue, 15 Nov 1994 08:12:31 GMT")}},
	{quote: "the tenant says what it is and what it sends, nobody for it.",
		trials: []trial{relay("no Content-Type, no Server", ok(chunks, "4\r\nbody\r\n0\r\n\r\n")).hides("content-type", "server:"), relay("a Server of its own", ok("Server: mine\r\nContent-Length: 4\r\n", "body")).shows("Server: mine")}},
}}
