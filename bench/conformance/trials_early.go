package main

const (
	tooLarge = "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n" + mark + "\r\n\r\nbody"
	goAhead  = "HTTP/1.1 100 Continue\r\n\r\n"
	events   = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + chunks + "\r\n"
	expects  = post + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
)

var early = topic{"early and interim answers", []rule{
	{quote: "a tenant that answers before it has the body is heard: its visitor gets that answer, and nobody another one's.",
		trials: []trial{
			talk(relayed, "413 at the head, the client waits for it", say(post+"Content-Length: 100000\r\n\r\n"), await("HTTP/1.1 413 ")).replies(atHead, say(tooLarge)).gets(413).carries("body"),
			talk(relayed, "413 at the head, then the end", say(post+"Content-Length: 100000\r\n\r\n"), await("HTTP/1.1 413 ")).replies(atHead, say(tooLarge), hangUp()).gets(413).carries("body"),
			talk(relayed, "413 at the head, the client sends on", say(post+"Content-Length: 100000\r\n\r\n"+long[:50000]), await("HTTP/1.1 413 ")).replies(atHead, say(tooLarge), pause(lull), hangUp()).gets(413).carries("body"),
			talk(relayed, "413 in chunks", say(post+chunks+"\r\n5\r\nhello\r\n"), await("HTTP/1.1 413 ")).replies(atHead, say(tooLarge), hangUp()).gets(413).carries("body"),
			talk(relayed, "200 before the body, which then comes", say(post+"Content-Length: 5\r\n\r\n"), await("seen"), say("hello")).replies(atHead, say(standard)).carries("seen"),
			talk(relayed, "401 before the body, announced end", say(post+"Content-Length: 100000\r\n\r\n"), await("HTTP/1.1 401 ")).replies(atHead, say("HTTP/1.1 401 Who\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"), hangUp()).gets(401).carries("body"),
			talk(relayed, "an early answer until the end", say(post+"Content-Length: 100000\r\n\r\n"), await("body")).replies(atHead, say("HTTP/1.1 403 No\r\n\r\nbody"), hangUp()).gets(403).carries("body"),
			talk(rejected, "the rest of the body is no request", say(post+"Content-Length: 70\r\n\r\n"), await("HTTP/1.1 413 "), say("GET /smuggled HTTP/1.1\r\n"+toAlice+"\r\n"), pause(4*lull)).replies(atHead, say(tooLarge), hangUp()).gets(413).lacks("GET /smuggled"),
		}},
	{cite: "RFC 9110, 15.2", quote: "A proxy MUST forward 1xx responses unless the proxy itself requested the generation of the 1xx response.",
		trials: []trial{
			relay("103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+kept).shows("HTTP/1.1 103 ", "Link: </a>", "seen"),
			relay("two 103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n"+kept).shows("</a>", "</b>", "seen"),
			relay("102", "HTTP/1.1 102 Processing\r\n\r\n"+kept).shows("HTTP/1.1 102 ", "seen"),
			relay("an unknown 1xx", "HTTP/1.1 199 Odd\r\n\r\n"+kept).shows("HTTP/1.1 199 ", "seen"),
			talk(relayed, "103, and the answer later", say(get+"\r\n"), await("HTTP/1.1 103 ")).replies(atWhole, say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), pause(8*lull), say(kept)).shows("</a>", "seen"),
			relay("1xx with a length", "HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n"+kept).shows("seen"),
			relay("1xx of HTTP/1.0", "HTTP/1.0 103 Early Hints\r\n\r\n"+kept).shows("seen"),
		}},
	{cite: "RFC 9110, 15.2", quote: "Since HTTP/1.0 did not define any 1xx status codes, a server MUST NOT send a 1xx response to an HTTP/1.0 client.",
		trials: []trial{talk(relayed, "103 to a 1.0 client", say("GET / HTTP/1.0\r\n"+toAlice+"\r\n")).replies(atWhole, say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+kept)).hides(" 103 ").shows("seen")}},
	{cite: "RFC 9110, 15.2", quote: "A client MUST be able to parse one or more 1xx responses received prior to a final response, even if the client does not expect one.",
		trials: []trial{refuse("1xx without end", repeated("HTTP/1.1 100 Continue\r\n\r\n", 20000)), refuse("only a 103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")}},
	{cite: "RFC 9110, 10.1.1", quote: "Upon receiving an HTTP/1.1 (or later) request that has a method, target URI, and complete header section that contains a 100-continue expectation and indicates a request content will follow, a proxy MUST either:",
		trials: []trial{
			talk(served, "100 comes from the backend", say(expects), await("100 Continue"), say("hello")).replies(atHead, say(goAhead), await("hello"), say(standard)).carries("hello").shows("100 Continue", "seen"),
			talk(served, "the client does not wait", say(expects+"hello")).carries("hello").shows("seen"),
			talk(served, "chunked", say(post+chunks+"Expect: 100-continue\r\n\r\n"), await("100 Continue"), say("5\r\nhello\r\n0\r\n\r\n")).replies(atHead, say(goAhead), await("0\r\n\r\n"), say(standard)).carries("hello").shows("seen"),
			talk(served, "in capitals", say(post+"Content-Length: 5\r\nEXPECT: 100-CONTINUE\r\n\r\n"), await("100 Continue"), say("hello")).replies(atHead, say(goAhead), await("hello"), say(standard)).carries("hello").shows("seen"),
			talk(served, "without a body", say(get+"Expect: 100-continue\r\n\r\n")).shows("seen"),
		}},
	{cite: "RFC 9110, 10.1.1", quote: "forward the request toward the origin server by sending a corresponding request-line and header section to the next inbound server.",
		trials: []trial{
			talk(relayed, "417 from the backend, no body sent", say(expects), await("HTTP/1.1 417 ")).replies(atHead, say("HTTP/1.1 417 No\r\nContent-Length: 4\r\n\r\nbody"), hangUp()).gets(417).carries("body").hides("100 Continue"),
			talk(relayed, "401 from the backend, no body sent", say(expects), await("HTTP/1.1 401 ")).replies(atHead, say("HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nbody"), hangUp()).gets(401).carries("body").hides("100 Continue"),
			talk(relayed, "413 from the backend, no body sent", say(expects), await("HTTP/1.1 413 ")).replies(atHead, say(tooLarge), hangUp()).gets(413).carries("body").hides("100 Continue"),
		}},
	{cite: "RFC 9110, 10.1.1", quote: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation.",
		trials: []trial{talk(served, "of a 1.0 client", say("POST / HTTP/1.0\r\n"+toAlice+"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")).carries("hello").hides("100 Continue")}},
	{cite: "RFC 9110, 10.1.1", quote: "A server that receives an Expect field value containing a member other than 100-continue MAY respond with a 417 (Expectation Failed) status code to indicate that the unexpected expectation cannot be met.",
		trials: []trial{
			allow("another expectation", post+"Content-Length: 5\r\nExpect: 200-ok\r\n\r\nhello").gets(silent, 400, 417),
			allow("two expectations", post+"Content-Length: 5\r\nExpect: 100-continue, 200-ok\r\n\r\nhello").gets(silent, 400, 417),
		}},
	{quote: "events come as they are sent: what the tenant has flushed does not wait for more.",
		trials: []trial{
			talk(cut, "the head before any body", say(get+"\r\n"), await("text/event-stream"), hangUp()).replies(atWhole, say(events), await("/never"), hangUp()).shows("text/event-stream"),
			talk(cut, "an event before the next", say(get+"\r\n"), await("data: 1"), hangUp()).replies(atWhole, say(events+"9\r\ndata: 1\n\n\r\n"), await("/never"), hangUp()).shows("data: 1"),
			talk(cut, "an event later than its head", say(get+"\r\n"), await("data: 1"), hangUp()).replies(atWhole, say(events), pause(4*lull), say("9\r\ndata: 1\n\n\r\n"), await("/never"), hangUp()).shows("data: 1"),
		}},
}}

func repeated(s string, n int) string {
	b := make([]byte, 0, len(s)*n)
	for range n {
		b = append(b, s...)
	}
	return string(b)
}
