// Tiny is the smallest web app that Go can make of a listening socket passed in
// as descriptor 3: what it takes to start is Go's runtime and nothing else.
package main

import (
	"net"
	"os"
)

func main() {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go serve(c)
	}
}

func serve(c net.Conn) {
	defer c.Close()
	request := make([]byte, 16<<10)
	for {
		if _, err := c.Read(request); err != nil {
			return
		}
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
			return
		}
	}
}
