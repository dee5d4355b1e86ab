package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

func init() {
	characters["dials"] = func() {
		http.HandleFunc("/dial", dial)
		http.HandleFunc("/lookup", lookUp)
		serve()
	}
	characters["answers"] = answers
	characters["names"] = names
}

// patience is far beyond what an answer takes; what is refused takes no time.
const patience = 5 * time.Second

// dial says what comes of a TCP connection to the address that was asked for.
func dial(w http.ResponseWriter, r *http.Request) {
	c, err := net.DialTimeout("tcp", r.URL.Query().Get("to"), patience)
	if err != nil {
		fmt.Fprint(w, err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(c)
	fmt.Fprint(w, string(text))
	if err != nil {
		fmt.Fprint(w, err)
	}
}

// lookUp asks the resolver that /etc/resolv.conf names.
func lookUp(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", r.URL.Query().Get("name"))
	fmt.Fprint(w, addrs, err)
}

// answers says hello to whoever calls port 80 or 5432, at whatever address.
func answers() {
	for _, port := range []string{"80", "5432"} {
		l, err := net.Listen("tcp4", "0.0.0.0:"+port)
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					log.Fatal(err)
				}
				io.WriteString(c, "hello")
				c.Close()
			}
		}()
	}
	fmt.Println("ready")
	select {}
}

// names is a resolver at an address.
func names() {
	c, err := net.ListenPacket("udp4", argument(2)+":53")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	for b := make([]byte, 512); ; {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			log.Fatal(err)
		}
		c.WriteTo(namedAddress(b[:n]), from)
	}
}

// namedAddress answers a question for an address by 198.51.100.7, any other
// one by nothing.
func namedAddress(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5
	if end > len(query) {
		return nil
	}
	reply := append([]byte(nil), query[:end]...)
	reply[2], reply[3], reply[11] = 0x81, 0x80, 0
	if query[end-3] == 1 { // A
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7)
	}
	return reply
}
