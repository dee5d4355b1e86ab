package main

import "strings"

var long = strings.Repeat("0123456789", 10000)

// upload is a request that the client does not complete.
func upload(name, bytes string, how step) trial {
	return talk(rejected, name, say(bytes), pause(2*lull), how).gets(400, 408, silent)
}

// broken is an answer that the backend does not complete.
func broken(name, bytes string, how step) trial {
	return answer(cut, name, bytes, pause(2*lull), how)
}

var truncation = topic{"truncation", []rule{
	{cite: "RFC 9112, 6.3", quote: "If the sender closes the connection or the recipient times out before the indicated number of octets are received, the recipient MUST consider the message to be incomplete and close the connection.",
		trials: []trial{
			upload("upload: length, connection closed", post+"Content-Length: 10\r\n\r\nhello", hangUp()),
			upload("upload: length, sending ended", post+"Content-Length: 10\r\n\r\nhello", finish()),
			upload("upload: length, reset", post+"Content-Length: 10\r\n\r\nhello", slam()),
			upload("upload: length, nothing of the body", post+"Content-Length: 10\r\n\r\n", finish()),
			upload("upload: length, one byte missing", post+"Content-Length: 6\r\n\r\nhello", finish()),
			upload("upload: half of 200 000 bytes", post+"Content-Length: 200000\r\n\r\n"+long, hangUp()),
			upload("upload: half of 200 000 bytes, sending ended", post+"Content-Length: 200000\r\n\r\n"+long, finish()),
			upload("upload: a GET's body", get+"Content-Length: 10\r\n\r\nhello", finish()),
			broken("answer: length, connection closed", ok("Content-Length: 10\r\n", "hello"), hangUp()),
			broken("answer: length, nothing of the body", ok("Content-Length: 10\r\n", ""), hangUp()),
			broken("answer: length, one byte missing", ok("Content-Length: 6\r\n", "hello"), hangUp()),
			broken("answer: half of 200 000 bytes", ok("Content-Length: 200000\r\n", long), hangUp()),
			broken("answer: length, in the backend's last words", ok("Connection: close\r\nContent-Length: 10\r\n", "hello"), hangUp()),
			answer(cut, "answer: length, at once", ok("Content-Length: 10\r\n", "hello"), hangUp()),
		}},
	{cite: "RFC 9112, 8", quote: "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the encoding has not been received.",
		trials: []trial{
			upload("upload: chunked, after a chunk", post+chunks+"\r\n5\r\nhello\r\n", hangUp()),
			upload("upload: chunked, after a chunk, sending ended", post+chunks+"\r\n5\r\nhello\r\n", finish()),
			upload("upload: chunked, after a chunk, reset", post+chunks+"\r\n5\r\nhello\r\n", slam()),
			upload("upload: chunked, before the first", post+chunks+"\r\n", finish()),
			upload("upload: chunked, in a size", post+chunks+"\r\n5\r\nhello\r\n5", finish()),
			upload("upload: chunked, after a size", post+chunks+"\r\n5\r\n", finish()),
			upload("upload: chunked, in the data", post+chunks+"\r\n5\r\nhel", finish()),
			upload("upload: chunked, before the data's line end", post+chunks+"\r\n5\r\nhello", finish()),
			upload("upload: chunked, in the data's line end", post+chunks+"\r\n5\r\nhello\r", finish()),
			upload("upload: chunked, in the last size", post+chunks+"\r\n5\r\nhello\r\n0", finish()),
			upload("upload: chunked, before the last empty line", post+chunks+"\r\n5\r\nhello\r\n0\r\n", finish()),
			upload("upload: chunked, in the last line end", post+chunks+"\r\n5\r\nhello\r\n0\r\n\r", finish()),
			upload("upload: chunked, in the trailer", post+chunks+"\r\n5\r\nhello\r\n0\r\nX: y\r\n", finish()),
			upload("upload: chunked, half of 200 000 bytes", post+chunks+"\r\n30d40\r\n"+long, hangUp()),
			broken("answer: chunked, after a chunk", ok(chunks, "5\r\nhello\r\n"), hangUp()),
			broken("answer: chunked, before the first", ok(chunks, ""), hangUp()),
			broken("answer: chunked, after a size", ok(chunks, "5\r\n"), hangUp()),
			broken("answer: chunked, in the data", ok(chunks, "5\r\nhel"), hangUp()),
			broken("answer: chunked, before the data's line end", ok(chunks, "5\r\nhello"), hangUp()),
			broken("answer: chunked, in the last size", ok(chunks, "5\r\nhello\r\n0"), hangUp()),
			broken("answer: chunked, before the last empty line", ok(chunks, "5\r\nhello\r\n0\r\n"), hangUp()),
			broken("answer: chunked, in the trailer", ok(chunks, "5\r\nhello\r\n0\r\nX: y\r\n"), hangUp()),
			broken("answer: chunked, half of 200 000 bytes", ok(chunks, "30d40\r\n"+long), hangUp()),
			answer(cut, "answer: chunked, at once", ok(chunks, "5\r\nhello\r\n"), hangUp()),
		}},
	{cite: "RFC 9112, 8", quote: "A client that receives an incomplete response message, which can occur when a connection is closed prematurely or when decoding a supposedly chunked transfer coding fails, MUST record the message as incomplete.",
		trials: append(family(func(n, body string) trial { return broken(n, body, hangUp()) }, func(b string) string { return ok(chunks, "5\r\nhello\r\n"+b) },
			"answer: no size", "\r\nhello\r\n0\r\n\r\n", "answer: a size of letters", "xyz\r\nhello\r\n0\r\n\r\n", "answer: 0x", "0x5\r\nhello\r\n0\r\n\r\n", "answer: a negative size", "-5\r\nhello\r\n0\r\n\r\n", "answer: a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n",
			"answer: bare LF", "5\nhello\n0\n\n", "answer: data longer than its size", "3\r\nhello\r\n0\r\n\r\n", "answer: another answer", "HTTP/1.1 200 OK\r\n\r\n"),
			broken("answer: length, reset", ok("Content-Length: 10\r\n", "hello"), slam()),
			broken("answer: chunked, reset", ok(chunks, "5\r\nhello\r\n"), slam()),
			talk(cut, "answer: chunked, cut, to a 1.0 client", say("GET / HTTP/1.0\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok(chunks, "5\r\nhello\r\n")), pause(2*lull), hangUp()),
			talk(cut, "answer: length, cut, to a 1.0 client", say("GET / HTTP/1.0\r\n"+toAlice+"\r\n")).replies(atWhole, say(ok("Content-Length: 10\r\n", "hello")), pause(2*lull), hangUp()),
			talk(cut, "answer: chunked, cut, on the second request", say(get+"\r\n"), await("seen"), say("GET /2 HTTP/1.1\r\n"+toAlice+"\r\n")).replies(atWhole, say("HTTP/1.1 200 OK\r\n"+chunks+"X: seen\r\n\r\n4\r\nabcd\r\n"), pause(2*lull), hangUp()),
		)},
	{cite: "RFC 9112, 8", quote: "A server that receives an incomplete request message, usually due to a canceled request or a triggered timeout exception, MAY send an error response prior to closing the connection.",
		trials: []trial{
			upload("head: cut in the request line", "GET / HT", finish()), upload("head: cut after the request line", "GET / HTTP/1.1\r\n", finish()), upload("head: cut in a field", "GET / HTTP/1.1\r\nHost: alice.app", finish()),
			upload("head: cut before the empty line", get, finish()), upload("head: cut in the empty line", get+"\r", finish()), upload("nothing sent", "", finish()),
		}},
}}
