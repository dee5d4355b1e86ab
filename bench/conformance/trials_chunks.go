package main

import (
	"strings"
	"time"
)

func withChunks(body string) string { return post + chunks + "\r\n" + body }
func withSize(size string) string   { return withChunks(size + "\r\nhello\r\n0\r\n\r\n") }
func withTrailer(lines string) string {
	return withChunks("5\r\nhello\r\n0\r\n" + lines + "\r\n\r\n")
}

var chunking = topic{"chunked", []rule{
	{cite: "RFC 9112, 7.1", quote: "The chunk-size field is a string of hex digits indicating the size of the chunk-data in octets.",
		trials: family(reject, withSize,
			"0x in front", "0x5", "plus", "+5", "minus", "-5", "no size", "", "only an extension", ";x", "no hex digit", "g", "a space in front", " 5", "a tab in front", "\t5",
			"a comma", "5,5", "two sizes", "5 5", "a fraction", "5.0", "an underscore", "0_5", "in quotes", `"5"`, "h behind", "5h", "a NUL behind", "5\x00", "a NUL in front", "\x005",
			"a full-width digit", "\xef\xbc\x95", "a colon", "5:x")},
	{cite: "RFC 9112, 7.1", quote: "Recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing errors due to integer conversion overflows or precision loss due to integer representation.",
		trials: family(func(n, b string) trial { return reject(n, b).gets(400, 413) }, withSize,
			"2^64+5", "10000000000000005", "2^32+5 seventeen digits", "F0000000100000005", "sixteen F", "FFFFFFFFFFFFFFFF", "2^63", "8000000000000000", "sixty digits", strings.Repeat("f", 60))},
	{cite: "RFC 9112, 7.1", quote: "The chunked transfer coding is complete when a chunk with a chunk-size of zero is received, possibly followed by a trailer section, and finally terminated by an empty line.",
		trials: []trial{
			reject("data longer than its size", withChunks("5\r\nhello!\r\n0\r\n\r\n")),
			reject("data shorter than its size", withChunks("6\r\nhello\r\n0\r\n\r\n")),
			reject("no line end after the data", withChunks("5\r\nhello0\r\n\r\n")),
			reject("another byte for CR", withChunks("5\r\nhelloX\n0\r\n\r\n")),
			reject("CR CR after the data", withChunks("5\r\nhello\r\r0\r\n\r\n")),
			reject("an empty line before the first chunk", withChunks("\r\n5\r\nhello\r\n0\r\n\r\n")),
			reject("a request hidden in a size that is too large", withChunks("3\r\nabc\r\n41\r\nx\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"+toAlice+"\r\n")).gets(400, silent),
		}},
	{cite: "RFC 9112, 2.2", quote: "receives a sequence of octets that does not match the HTTP-message grammar aside from the robustness exceptions listed above, the server SHOULD respond with a 400 (Bad Request) response and close the connection.",
		trials: []trial{ // the exception for LF is for the start-line and fields, not for chunks
			reject("bare LF after the size", withChunks("5\nhello\r\n0\r\n\r\n")),
			reject("bare LF after the data", withChunks("5\r\nhello\n0\r\n\r\n")),
			reject("bare LF after the last size", withChunks("5\r\nhello\r\n0\n\r\n")),
			reject("bare LF in an extension", withChunks("5;a\nhello\r\n0\r\n\r\n")),
			reject("bare LF ends the trailer", withChunks("5\r\nhello\r\n0\r\n\n")).gets(400, silent),
			reject("all bare LF", withChunks("5\nhello\n0\n\n")),
		}},
	{cite: "RFC 9112, 2.2", quote: "A recipient of such a bare CR MUST consider that element to be invalid or replace each bare CR with SP before processing the element or forwarding the message.",
		trials: []trial{
			reject("bare CR after the size", withChunks("5\rhello\r\n0\r\n\r\n")),
			allow("bare CR in an extension", withChunks("5;a\rb\r\nhello\r\n0\r\n\r\n")),
			reject("CR CR LF after the size", withChunks("5\r\r\nhello\r\n0\r\n\r\n")),
		}},
	{cite: "RFC 9112, 7.1.1", quote: "A recipient MUST ignore unrecognized chunk extensions.",
		trials: append(family(func(n, b string) trial { return serve(n, b).carries("hello") }, withSize,
			"an extension", "5;a", "with a value", "5;a=b", "with a quoted value", `5;a="b c"`, "three of them", "5;a;b=c;d", "of 100 bytes", "5;"+strings.Repeat("e", 100)),
			allow("white space before it", withSize("5 ;a=b")).carries("hello"),
			allow("a quoted line end", withSize("5;a=\"\\\r\n\"")).gets(400),
			allow("extension on the last chunk", withChunks("5\r\nhello\r\n0;a=b\r\n\r\n")).carries("hello"),
		)},
	{cite: "RFC 9112, 7.1.1", quote: "A server ought to limit the total length of chunk extensions received in a request to an amount reasonable for the services provided",
		trials: []trial{reject("an extension of 40 000 bytes", withSize("5;"+strings.Repeat("e", 40000))).gets(400, 413, 431)}},
	{cite: "RFC 9112, 7.1", quote: "A recipient MUST be able to parse and decode the chunked transfer coding.",
		trials: []trial{
			serve("one chunk", withChunks("5\r\nhello\r\n0\r\n\r\n")).carries("hello"),
			serve("three chunks", withChunks("2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n")).carries("hello"),
			serve("no body", withChunks("0\r\n\r\n")),
			serve("zeros in front", withChunks("0005\r\nhello\r\n000\r\n\r\n")).carries("hello"),
			serve("large letters", withChunks("A\r\n0123456789\r\n0\r\n\r\n")).carries("0123456789"),
			serve("small letters", withChunks("a\r\n0123456789\r\n0\r\n\r\n")).carries("0123456789"),
			serve("70 000 bytes in one chunk", withChunks("11170\r\n"+strings.Repeat("0123456789", 7000)+"\r\n0\r\n\r\n")).carries(strings.Repeat("0123456789", 7000)),
			serve("500 chunks of one byte", withChunks(strings.Repeat("1\r\nx\r\n", 500)+"0\r\n\r\n")).carries(strings.Repeat("x", 500)),
			serve("data that looks like the end", withChunks("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n")).carries("\r\n0\r\n\r\n"),
			serve("with GET", get+chunks+"\r\n5\r\nhello\r\n0\r\n\r\n").carries("hello"),
			talk(served, "in pieces anywhere", say(post+chunks+"\r\n"), say("5"), pause(lull), say("\r"), pause(lull), say("\nhel"), pause(lull), say("lo\r"), pause(lull), say("\n0\r\n"), pause(lull), say("\r\n")).carries("hello"),
			talk(served, "byte by byte", drip(withChunks("3\r\nabc\r\n0\r\n\r\n"), time.Millisecond)).carries("abc"),
			allow("sixteen zeros in front", withSize("00000000000000005")).carries("hello"),
		}},
	{cite: "RFC 9112, 7.1.2", quote: "A recipient that removes the chunked coding from a message MAY selectively retain or discard the received trailer fields.",
		trials: []trial{
			serve("a trailer field", withTrailer("X-Sum: abc")).carries("hello"),
			serve("two, announced", post+chunks+"Trailer: X-A, X-B\r\n\r\n5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n").carries("hello"),
		}},
	{cite: "RFC 9110, 6.5.1", quote: "Many fields cannot be processed outside the header section because their evaluation is necessary prior to receiving the content, such as those that describe message framing, routing, authentication, request modifiers, response controls, or content format.",
		trials: []trial{
			allow("a length in the trailer", withTrailer("Content-Length: 77")).lacks("content-length: 77"),
			allow("a coding in the trailer", withTrailer("Transfer-Encoding: gzip")).lacks("gzip"),
			allow("a host in the trailer", withTrailer("Host: evil.test")).lacks("evil.test"),
			allow("credentials in the trailer", withTrailer("Authorization: stolen")).lacks("stolen"),
			allow("an origin in the trailer", withTrailer("X-Forwarded-For: 6.6.6.6")).lacks("6.6.6.6"),
			allow("a connection option in the trailer", withTrailer("Connection: x-evil")).lacks("x-evil"),
		}},
	{cite: "RFC 9112, 7.1.2", quote: "A trailer section allows the sender to include additional fields at the end of a chunked message in order to supply metadata that might be dynamically generated while the content is sent",
		trials: family(allow, withTrailer,
			"a trailer line without a colon", "nothing", "a folded trailer line", "X: a\r\n b", "a space before a trailer's colon", "X : a", "a NUL in the trailer", "X: a\x00b", "a bare CR in the trailer", "X: a\rY: b", "a space in front of a trailer line", " X: a")},
	{cite: "RFC 9110, 5.4", quote: "A server that receives a request header field line, field value, or set of fields larger than it wishes to process MUST respond with an appropriate 4xx (Client Error) status code.",
		trials: []trial{reject("a trailer of 100 000 bytes", withTrailer(strings.Repeat("X: "+strings.Repeat("y", 96)+"\r\n", 1000)+"Z: z")).gets(400, 413, 431)}},
}}
