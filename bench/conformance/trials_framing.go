package main

import "strings"

// What the families below have in common.
func withCoding(value string) string {
	return post + "Transfer-Encoding:" + value + "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
}
func withLength(value string) string { return post + "Content-Length:" + value + "\r\n\r\nhello" }

func mayBe400(name, bytes string) trial { return allow(name, bytes).gets(400).lacks("/smuggled") }
func or501(name, bytes string) trial    { return reject(name, bytes).gets(400, 501) }

var framing = topic{"framing", []rule{
	{cite: "RFC 9112, 6.3", quote: "Such a message might indicate an attempt to perform request smuggling (Section 11.2) or response splitting (Section 11.1) and ought to be handled as an error.",
		trials: []trial{
			mayBe400("length, then chunked", post+"Content-Length: 15\r\n"+chunks+"\r\n5\r\nhello\r\n0\r\n\r\n"),
			mayBe400("chunked, then length", post+chunks+"Content-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
			mayBe400("length 0 and chunked", post+"Content-Length: 0\r\n"+chunks+"\r\n0\r\n\r\n"),
			mayBe400("length that hides a request", post+"Content-Length: 5\r\n"+chunks+"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"+toAlice+"\r\n"),
			mayBe400("chunks that hide a request", post+"Content-Length: 60\r\n"+chunks+"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"+toAlice+"X: y"),
			mayBe400("two lengths and chunked", post+"Content-Length: 5\r\nContent-Length: 6\r\n"+chunks+"\r\n0\r\n\r\n"),
			mayBe400("in small letters", post+"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
			mayBe400("with GET", get+"Content-Length: 5\r\n"+chunks+"\r\n0\r\n\r\n"),
			mayBe400("an invalid length and chunked", post+"Content-Length: x\r\n"+chunks+"\r\n0\r\n\r\n"),
		}},
	{cite: "RFC 9112, 6.1", quote: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the message as if the framing is faulty, even if a Content-Length is present, and close the connection after processing the message.",
		trials: []trial{
			mayBe400("HTTP/1.0 with chunked", "POST / HTTP/1.0\r\n"+toAlice+chunks+"\r\n0\r\n\r\n").ends(),
			mayBe400("HTTP/1.0 with chunked and length", "POST / HTTP/1.0\r\n"+toAlice+chunks+"Content-Length: 5\r\n\r\n0\r\n\r\n").ends(),
			mayBe400("HTTP/1.0 with chunked, kept", "POST / HTTP/1.0\r\n"+toAlice+"Connection: keep-alive\r\n"+chunks+"\r\n0\r\n\r\n").ends(),
		}},
	{cite: "RFC 9112, 6.3", quote: "If a Transfer-Encoding header field is present in a request and the chunked transfer coding is not the final encoding, the message body length cannot be determined reliably; the server MUST respond with the 400 (Bad Request) status code and then close the connection.",
		trials: family(func(n, b string) trial { return or501(n, b).ends() }, withCoding,
			"identity", " identity", "chunked, identity", " chunked, identity", "gzip alone", " gzip", "chunked, then gzip", " chunked, gzip",
			"xchunked", " xchunked", "chunkedx", " chunkedx", "chunk", " chunk", "empty", "", "a comma", " ,", "in quotes", ` "chunked"`,
			"in apostrophes", " 'chunked'", "chunked with a dot", " chunked.", "two words", " chunked chunked", "in brackets", " [chunked]")},
	{cite: "RFC 9112, 6.1", quote: "A server that receives a request message with a transfer coding it does not understand SHOULD respond with 501 (Not Implemented).",
		trials: family(or501, withCoding,
			"gzip, chunked", " gzip, chunked", "deflate, chunked", " deflate, chunked", "unknown, chunked", " foo, chunked", "identity, chunked", " identity, chunked")},
	{cite: "RFC 9112, 7.1", quote: "The chunked coding does not define any parameters. Their presence SHOULD be treated as an error.",
		trials: family(or501, withCoding, "with a parameter", " chunked;q=1", "with a quoted parameter", ` chunked; a="b"`)},
	{cite: "RFC 9112, 6.1", quote: "A sender MUST NOT apply the chunked transfer coding more than once to a message body (i.e., chunking an already chunked message is not allowed).",
		trials: []trial{
			or501("chunked, chunked", withCoding(" chunked, chunked")),
			or501("two lines of chunked", post+chunks+chunks+"\r\n0\r\n\r\n"),
			or501("two lines, one other", post+chunks+"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
			or501("two lines, other first", post+"Transfer-Encoding: x\r\n"+chunks+"\r\n0\r\n\r\n"),
			or501("an empty one besides", post+"Transfer-Encoding:\r\n"+chunks+"\r\n0\r\n\r\n"),
		}},
	{cite: "RFC 9110, 5.5", quote: "a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace each of those characters with SP before further processing or forwarding of that message.",
		trials: family(mayBe400, withCoding,
			"coding with NUL", " chunked\x00", "coding after NUL", " \x00chunked", "coding with a bare CR", " chunked\rX", "coding after a bare CR", " \rchunked")},
	{cite: "RFC 9110, 5.5", quote: "Field values containing other CTL characters are also invalid; however, recipients MAY retain such characters for the sake of robustness when they appear within a safe context",
		trials: family(or501, withCoding,
			"coding after a vertical tab", "\x0bchunked", "coding after a form feed", "\x0cchunked", "coding with DEL", " chunked\x7f", "coding after a no-break space", " \xa0chunked", "coding after a backspace", " \x08chunked")},
	{cite: "RFC 9112, 6.3", quote: "If a message is received without Transfer-Encoding and with an invalid Content-Length header field, then the message framing is invalid and the recipient MUST treat it as an unrecoverable error, unless the field value can be successfully parsed as a comma-separated list (Section 5.6.1 of [HTTP]), all values in the list are valid, and all values in the list are the same",
		trials: append(family(func(n, b string) trial { return reject(n, b).ends() }, withLength,
			"plus", " +5", "minus", " -5", "hexadecimal", " 0x5", "hexadecimal digits", " 5a", "two numbers", " 5 5", "a fraction", " 5.0", "no value", "", "a word", " five",
			"an exponent", " 5e0", "in quotes, length", ` "5"`, "a list of two", " 5, 6", "with a parameter, length", " 5;x", "an underscore", " 5_0", "full-width digits", " \xef\xbc\x95",
			"length with NUL", " 5\x00", "length after a vertical tab", "\x0b5", "length with a tab inside", " 5\t5", "length with a bare CR", " 5\r5"),
			reject("two lengths", post+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!").ends(),
			reject("two lengths, shorter first", post+"Content-Length: 0\r\nContent-Length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\n"+toAlice+"\r\n").ends(),
			reject("a length and an empty one", post+"Content-Length: 5\r\nContent-Length:\r\n\r\nhello").ends(),
		)},
	{cite: "RFC 9110, 8.6", quote: "a recipient MUST anticipate potentially large decimal numerals and prevent parsing errors due to integer conversion overflows or precision loss due to integer conversion",
		trials: family(func(n, b string) trial { return reject(n, b).gets(400, 413) }, withLength,
			"2^64+5", " 18446744073709551621", "2^63", " 9223372036854775808", "2^64+5 after ten zeros", " 000000000018446744073709551621", "a hundred nines", " "+strings.Repeat("9", 100))},
	{cite: "RFC 9112, 6.3", quote: "in which case, the message is processed with that single value used as the Content-Length field value",
		trials: []trial{
			allow("the same length twice", post+"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello").carries("hello"),
			allow("the same length in a list", withLength(" 5, 5")).carries("hello"),
			allow("the same length in two spellings", post+"Content-Length: 5\r\nContent-Length: 05\r\n\r\nhello").carries("hello"),
		}},
	{cite: "RFC 9112, 6.2", quote: "the Content-Length field value provides the framing information necessary for determining where the data (and message) ends",
		trials: []trial{
			serve("POST with a length", withLength(" 5")).carries("hello"),
			serve("length 0", post+"Content-Length: 0\r\n\r\n"),
			serve("zeros in front", withLength(" 00005")).carries("hello"),
			serve("no space before the length", withLength("5")).carries("hello"),
			serve("spaces and tabs around the length", withLength(" \t5\t ")).carries("hello"),
			serve("GET with a body", get+"Content-Length: 5\r\n\r\nhello").carries("hello"),
			serve("DELETE with a body", "DELETE /x HTTP/1.1\r\n"+toAlice+"Content-Length: 5\r\n\r\nhello").carries("hello"),
			serve("PUT with 70 000 bytes", "PUT /x HTTP/1.1\r\n"+toAlice+"Content-Length: 70000\r\n\r\n"+strings.Repeat("0123456789", 7000)).carries(strings.Repeat("0123456789", 7000)),
			talk(served, "the body comes later", say(post+"Content-Length: 5\r\n\r\n"), pause(lull), say("he"), pause(lull), say("llo")).carries("hello"),
			talk(served, "the head comes byte by byte", drip(get+"\r\n", lull/25)),
			serve("a body that looks like a request", post+"Content-Length: 54\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: alice.app.example.test\r\n\r\n").lacks("0000smuggled"),
		}},
	{cite: "RFC 9112, 6.3", quote: "If this is a request message and none of the above are true, then the message body length is zero (no message body is present).",
		trials: []trial{
			serve("HEAD", "HEAD / HTTP/1.1\r\n"+toAlice+"\r\n"),
			serve("OPTIONS", "OPTIONS /x HTTP/1.1\r\n"+toAlice+"\r\n"),
		}},
	{cite: "RFC 9112, 7", quote: "All transfer-coding names are case-insensitive",
		trials: family(func(n, b string) trial { return serve(n, b).carries("hello") }, withCoding,
			"CHUNKED", " CHUNKED", "Chunked without a space", "Chunked", "chunked among tabs", "\tchunked\t ")},
	{cite: "RFC 9110, 8.6", quote: "a user agent SHOULD send Content-Length in a request when the method defines a meaning for enclosed content and it is not sending Transfer-Encoding.",
		trials: []trial{
			serve("an empty POST says so", post+"\r\n").sees("content-length: 0"),
			serve("an empty GET says nothing", get+"X-A: b\r\n\r\n").lacks("content-length", "transfer-encoding"),
		}},
}}
