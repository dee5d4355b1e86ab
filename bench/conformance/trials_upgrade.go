package main

const (
	wantsSocket = get + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	switches    = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// switched is a conversation in which the backend switches, and what follows.
func switched(k kind, name string, request string, backend []step, client ...step) trial {
	return talk(k, name, append([]step{say(request)}, client...)...).replies(atHead, backend...).gets(101)
}

var upgrades = topic{"upgrade", []rule{
	{cite: "RFC 9110, 7.8", quote: "The “Upgrade” header field is intended to provide a simple mechanism for transitioning from HTTP/1.1 to some other protocol on the same connection.",
		trials: []trial{
			switched(relayed, "bytes in both directions", wantsSocket, []step{say(switches), await("ping"), say("pong"), hangUp()}, await("HTTP/1.1 101 "), say("ping"), await("pong")).
				sees("Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").shows("Upgrade: websocket", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "pong"),
			switched(relayed, "bytes behind the 101 in one write", wantsSocket, []step{say(switches + "at once"), pause(4 * lull), hangUp()}, await("at once")).shows("at once"),
			switched(relayed, "the backend speaks first", wantsSocket, []step{say(switches), pause(lull), say("hello"), hangUp()}, await("hello")).shows("hello"),
			switched(relayed, "bytes of any value", wantsSocket, []step{say(switches), await("\x00\xff\r\n\r\n"), say("\x80\x00\xff"), hangUp()}, await("HTTP/1.1 101 "), say("\x00\xff\r\n\r\n"), await("\x80\x00\xff")).shows("\x80\x00\xff"),
			switched(relayed, "another protocol", get+"Connection: upgrade\r\nUpgrade: tenement-test/1\r\n\r\n", []step{say("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: tenement-test/1\r\n\r\nraw"), pause(4 * lull), hangUp()}, await("raw")).shows("raw"),
			switched(relayed, "Connection in a list", get+"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", []step{say(switches + "raw"), pause(4 * lull), hangUp()}, await("raw")).shows("raw"),
		}},
	{cite: "RFC 9110, 7.8", quote: "A server MAY ignore a received Upgrade header field if it wishes to continue using the current protocol on that connection.",
		trials: []trial{
			talk(relayed, "the backend does not switch", say(wantsSocket)).replies(atWhole, say(kept)).carries("seen"),
			talk(relayed, "the backend says 426", say(wantsSocket)).replies(atWhole, say("HTTP/1.1 426 Other\r\nUpgrade: other\r\nConnection: upgrade\r\nContent-Length: 4\r\n\r\nbody")).gets(426).carries("body"),
			talk(served, "and the connection goes on", say(wantsSocket), await("seen"), say(path("2"))).arrives(2),
		}},
	{cite: "RFC 9110, 7.8", quote: "A server MUST NOT switch to a protocol that was not indicated by the client in the corresponding request's Upgrade header field.",
		trials: []trial{
			answer(refused, "101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+mark+"\r\n\r\nraw", pause(4*lull), hangUp()).hides("raw"),
			talk(refused, "101 to another protocol", say(wantsSocket)).replies(atWhole, say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n"+mark+"\r\n\r\nraw"), pause(4*lull), hangUp()).hides("raw"),
			talk(refused, "101 without Upgrade", say(wantsSocket)).replies(atWhole, say("HTTP/1.1 101 Switching Protocols\r\n"+mark+"\r\n\r\nraw"), pause(4*lull), hangUp()).hides("raw"),
		}},
	{cite: "RFC 9110, 7.8", quote: "A sender of Upgrade MUST also send an “Upgrade” connection option in the Connection header field (Section 7.6.1) to inform intermediaries not to forward this field.",
		trials: []trial{
			talk(served, "Connection without Upgrade", say(get+"Connection: upgrade\r\n\r\n")).lacks("connection: upgrade"),
		}},
	{quote: "h2c is a second framing that the edge would not read: it is never passed on.",
		trials: []trial{
			talk(either, "h2c", say(get+"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")).gets(silent, 400).lacks("h2c", "HTTP2-Settings"),
			talk(either, "h2c in a list", say(get+"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n")).gets(silent, 400).lacks("h2c"),
			talk(either, "h2c in capitals", say(get+"Connection: Upgrade\r\nUpgrade: H2C\r\n\r\n")).gets(silent, 400).lacks("h2c"),
		}},
	{quote: "who has ended one direction may still hear in the other, as on any connection.",
		trials: []trial{
			switched(relayed, "the client ends its half", wantsSocket, []step{say(switches), await("bye"), pause(2 * lull), say("late"), hangUp()}, await("HTTP/1.1 101 "), say("bye"), finish(), await("late")).shows("late"),
		}},
	{quote: "a body before the switch is a body first: what follows its end is the protocol's, and only then.",
		trials: []trial{
			talk(either, "upgrade with a body", say(post+"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")).gets(silent, 400, 501).carries("hello"),
			talk(served, "bytes before the answer are not lost when nothing switches", say(wantsSocket+path("2"))).arrives(2),
		}},
}}
