package main

import "strings"

// dies is a backend that ends the connection at a moment, after saying text.
func dies(method string, when moment, text string, how step) trial {
	body := "Content-Length: 5\r\n\r\nhello"
	if method == "GET" || method == "DELETE" || method == "HEAD" {
		body = "\r\n"
	}
	names := map[moment]string{atByte: "at the first byte", atHead: "at the head", atWhole: "when it has all"}
	name := method + ", closed " + names[when]
	if how.end == resets {
		name = method + ", reset " + names[when]
	}
	steps := []step{how}
	if text != "" {
		name += ", in its answer"
		steps = []step{say(text), pause(lull), how}
	}
	return talk(once, name, say(method+" /x HTTP/1.1\r\n"+toAlice+body)).replies(when, steps...)
}

// deaths are the moments for one method.
func deaths(method string) []trial {
	return []trial{
		dies(method, atByte, "", hangUp()), dies(method, atHead, "", hangUp()), dies(method, atWhole, "", hangUp()), dies(method, atWhole, "", slam()),
		dies(method, atWhole, "HTTP/1.1 20", hangUp()), dies(method, atWhole, "HTTP/1.1 200 OK\r\nContent-Len", slam()),
	}
}

// twice is a second request on a kept connection, after the backend did
// something behind its first answer.
func twice(name, second string, answer string, then ...step) trial {
	steps := append([]step{say(answer)}, then...)
	return talk(served, name, say(get+"\r\n"), await("seen"), pause(3*lull), say(second)).replies(atWhole, steps...).arrives(2)
}

var kept = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + mark + "\r\n\r\nseen"

var retries = topic{"retries", []rule{
	{cite: "RFC 9110, 9.2.2", quote: "A proxy MUST NOT automatically retry non-idempotent requests.",
		trials: append(append(deaths("POST"), deaths("PATCH")...), dies("REPORT", atWhole, "", hangUp()), dies("LOCK", atHead, "", slam()))},
	{quote: "what a tenant may have processed is sent once, whatever the method: PUT and DELETE of a real app count, log and mail.",
		trials: append(append(deaths("PUT"), dies("DELETE", atWhole, "", hangUp()), dies("DELETE", atByte, "", slam()), dies("HEAD", atWhole, "", hangUp())), deaths("GET")...)},
	{cite: "RFC 9112, 9.3.1", quote: "Connections can be closed at any time, with or without intention. Implementations ought to anticipate the need to recover from asynchronous close events.",
		trials: []trial{
			twice("GET after the backend closed the kept connection", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept, pause(lull), hangUp()),
			twice("POST after the backend closed the kept connection", "POST /2 HTTP/1.1\r\n"+toAlice+"Content-Length: 5\r\n\r\nhello", kept, pause(lull), hangUp()),
			twice("a chunked POST after that", "POST /2 HTTP/1.1\r\n"+toAlice+chunks+"\r\n5\r\nhello\r\n0\r\n\r\n", kept, pause(lull), hangUp()),
			twice("PUT of 70 000 bytes after that", "PUT /2 HTTP/1.1\r\n"+toAlice+"Content-Length: 70000\r\n\r\n"+strings.Repeat("0123456789", 7000), kept, pause(lull), hangUp()),
			twice("GET after a reset", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept, pause(lull), slam()),
			twice("GET after an announced end", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nseen", hangUp()),
			twice("POST after an announced end", "POST /2 HTTP/1.1\r\n"+toAlice+"Content-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nseen", hangUp()),
		}},
	{cite: "RFC 9112, 9.2", quote: "If a client receives data on a connection that doesn't have outstanding requests, the client MUST NOT consider that data to be a valid response; the client SHOULD close the connection, since message delimitation is now ambiguous",
		trials: []trial{
			twice("an answer that nobody asked for", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept, pause(lull), say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")).hides("evil"),
			twice("a 408 that nobody asked for", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept, pause(lull), say("HTTP/1.1 408 Late\r\nContent-Length: 4\r\nConnection: close\r\n\r\nevil"), hangUp()).hides("evil"),
			twice("a second answer in the same write", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").hides("evil"),
			twice("a body longer than its length", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept+"evil and more").hides("evil"),
			twice("bytes behind the last chunk", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", "HTTP/1.1 200 OK\r\n"+chunks+"\r\n4\r\nseen\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").hides("evil"),
			twice("a single line end, later", "GET /2 HTTP/1.1\r\n"+toAlice+"\r\n", kept, pause(lull), say("\r\n")),
		}},
	{cite: "RFC 9112, 6.3", quote: "is always terminated by the first empty line after the header fields, regardless of the header fields present in the message, and thus cannot contain a message body or trailer section.",
		trials: []trial{
			talk(served, "a body behind HEAD's answer", say("HEAD / HTTP/1.1\r\n"+toAlice+"\r\n"), await("seen"), pause(3*lull), say("GET /2 HTTP/1.1\r\n"+toAlice+"\r\n")).
				replies(atWhole, say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: seen\r\n\r\nevil")).arrives(2).hides("evil"),
			talk(served, "an answer behind HEAD's answer", say("HEAD / HTTP/1.1\r\n"+toAlice+"\r\n"), await("seen"), pause(3*lull), say("GET /2 HTTP/1.1\r\n"+toAlice+"\r\n")).
				replies(atWhole, say("HTTP/1.1 200 OK\r\nContent-Length: 46\r\nX: seen\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")).arrives(2).hides("evil"),
			talk(served, "a body behind 204", say(get+"\r\n"), await("seen"), pause(3*lull), say("GET /2 HTTP/1.1\r\n"+toAlice+"\r\n")).
				replies(atWhole, say("HTTP/1.1 204 No\r\nX: seen\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")).arrives(2).gets(200, 204).hides("evil"),
			talk(served, "a body behind 304", say(get+"\r\n"), await("seen"), pause(3*lull), say("GET /2 HTTP/1.1\r\n"+toAlice+"\r\n")).
				replies(atWhole, say("HTTP/1.1 304 No\r\nContent-Length: 4\r\nX: seen\r\n\r\nevil")).arrives(2).gets(200, 304).hides("evil"),
		}},
}}
