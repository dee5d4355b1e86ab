package main

import "strings"

func path(n string) string { return "GET /" + n + " HTTP/1.1\r\n" + toAlice + "\r\n" }

var connection = topic{"connection", []rule{
	{cite: "RFC 9112, 9.3.2", quote: "A server MAY process a sequence of pipelined requests in parallel if they all have safe methods (Section 9.2.1 of [HTTP]), but it MUST send the corresponding responses in the same order that the requests were received.",
		trials: []trial{
			serve("two GETs in one write", path("1")+path("2")).arrives(2),
			serve("ten GETs in one write", strings.Repeat(path("1"), 10)).arrives(10),
			serve("POST, then GET", post+"Content-Length: 5\r\n\r\nhello"+path("2")).arrives(2).carries("hello"),
			serve("chunked POST, then GET", withChunks("5\r\nhello\r\n0\r\n\r\n")+path("2")).arrives(2).carries("hello"),
			serve("chunked with a trailer, then GET", withChunks("5\r\nhello\r\n0\r\nX: y\r\n\r\n")+path("2")).arrives(2).carries("hello"),
			serve("HEAD, then GET", "HEAD /1 HTTP/1.1\r\n"+toAlice+"\r\n"+path("2")).arrives(2),
			serve("GET with a body, then GET", get+"Content-Length: 5\r\n\r\nhello"+path("2")).arrives(2).carries("hello"),
			serve("two tenants on one connection", path("1")+"GET /2 HTTP/1.1\r\n"+toBob+"\r\n").arrives(2).sees(toAlice, toBob),
			serve("an empty line between", path("1")+"\r\n"+path("2")).arrives(2),
			talk(served, "one after the other", say(path("1")), await("seen"), say(path("2")), await("seen"), say(path("3"))).arrives(3),
			talk(served, "the second in pieces", say(path("1")+"GET /2 HT"), await("seen"), say("TP/1.1\r\n"+toAlice), pause(lull), say("\r\n")).arrives(2),
		}},
	{cite: "RFC 9112, 9.6", quote: "A server that receives a “close” connection option MUST initiate closure of the connection (see below) after it sends the final response to the request that contained the “close” connection option.",
		trials: []trial{
			serve("close", get+"Connection: close\r\n\r\n").ends(),
			serve("close in capitals", get+"Connection: CLOSE\r\n\r\n").ends(),
			serve("close among others", get+"Connection: x-a, close\r\n\r\n").ends(),
			serve("close with POST", post+"Connection: close\r\nContent-Length: 5\r\n\r\nhello").ends().carries("hello"),
			talk(served, "close on the second", say(path("1")), await("seen"), say(get+"Connection: close\r\n\r\n")).arrives(2).ends(),
		}},
	{cite: "RFC 9112, 9.6", quote: "The server SHOULD send a “close” connection option in its final response on that connection.",
		trials: []trial{serve("close is said back", get+"Connection: close\r\n\r\n\r\n").shows("Connection: close").ends()}},
	{cite: "RFC 9112, 9.6", quote: "The server MUST NOT process any further requests received on that connection.",
		trials: []trial{
			serve("a request behind close", get+"Connection: close\r\n\r\n"+path("behind")).lacks("/behind").ends(),
			serve("a request behind a 1.0 one", "GET / HTTP/1.0\r\n"+toAlice+"\r\n"+path("behind")).lacks("/behind").ends(),
		}},
	{cite: "RFC 9112, 9.3", quote: "A proxy server MUST NOT maintain a persistent connection with an HTTP/1.0 client",
		trials: []trial{
			serve("HTTP/1.0 with keep-alive", "GET / HTTP/1.0\r\n"+toAlice+"Connection: keep-alive\r\n\r\n").ends(),
			serve("HTTP/1.0 with close", "GET / HTTP/1.0\r\n"+toAlice+"Connection: close\r\n\r\n").ends(),
		}},
	{cite: "RFC 9112, 9.3", quote: "If the received protocol is HTTP/1.1 (or later), the connection will persist after the current response",
		trials: []trial{
			talk(served, "after a 404", say(get+"\r\n"), await("seen"), say(path("2"))).replies(atWhole, say("HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nseen")).arrives(2).gets(200, 404),
			talk(served, "after the backend's own end", say(get+"\r\n"), await("seen"), pause(lull), say(path("2"))).replies(atWhole, say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nseen"), hangUp()).arrives(2),
			talk(served, "after chunks", say(get+"\r\n"), await("seen"), pause(lull), say(path("2"))).replies(atWhole, say("HTTP/1.1 200 OK\r\n"+chunks+"\r\n4\r\nseen\r\n0\r\n\r\n")).arrives(2),
			talk(served, "after a body until the end", say(get+"\r\n"), await("seen"), pause(2*lull), say(path("2"))).replies(atWhole, say("HTTP/1.1 200 OK\r\n\r\nseen"), hangUp()).arrives(2),
			talk(served, "after HEAD", say("HEAD / HTTP/1.1\r\n"+toAlice+"\r\n"), await(mark), say(path("2"))).arrives(2),
		}},
	{cite: "RFC 9112, 9.3", quote: "A server MUST read the entire request message body or close the connection after sending its response; otherwise, the remaining data on a persistent connection would be misinterpreted as the next request.",
		trials: []trial{
			{name: "a good one, then garbage", kind: rejected, client: []step{say(path("1")), await("seen"), say("garbage\r\n\r\n")}, times: 1, over: true},
			{name: "a good one, then an ambiguous one", kind: rejected, client: []step{say(path("1") + post + "Content-Length: 5\r\n" + chunks + "Content-Length: 6\r\n\r\n0\r\n\r\n" + path("smuggled"))}, times: 1, over: true},
			{name: "a good one, then two Hosts", kind: rejected, client: []step{say(path("1") + get + toBob + "\r\n" + path("smuggled"))}, times: 1, over: true},
			{name: "nothing behind a bad one is read", kind: rejected, client: []step{say("GET / HTTP/1.1\r\nX : y\r\n" + toAlice + "\r\n" + path("smuggled"))}, over: true},
			{name: "nothing behind a bad length is read", kind: rejected, client: []step{say(withLength(" x") + path("smuggled"))}, over: true},
			{name: "nothing behind a bad chunk is read", kind: rejected, client: []step{say(withSize("x") + path("smuggled"))}, over: true},
		}},
	{cite: "RFC 9110, 7.8", quote: "A server that receives an Upgrade header field in an HTTP/1.0 request MUST ignore that Upgrade field.",
		trials: []trial{talk(served, "upgrade by a 1.0 client", say("GET / HTTP/1.0\r\n"+toAlice+"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")).lacks("upgrade: websocket")}},
}}
