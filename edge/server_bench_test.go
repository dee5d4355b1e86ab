package edge

import (
	"bufio"
	"io"
	"net"
	"testing"
)

// BenchmarkServer_WarmRequest is one visitor on a kept connection before a
// backend that costs nothing to speak of; "direct" is the same without the edge.
func BenchmarkServer_WarmRequest(b *testing.B) {
	answer := []byte(ok("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	back := newBackend(b, "unix", func(_ *backend, c net.Conn, br *bufio.Reader) {
		for {
			if line, err := br.ReadSlice('\n'); err != nil {
				return
			} else if len(line) > 2 {
				continue
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	w := newWorld(b)
	w.tenant(back)
	request := []byte("GET / HTTP/1.1\r\n" + toAlice + "User-Agent: bench\r\nAccept: */*\r\n\r\n")
	for name, address := range map[string][2]string{"direct": {"unix", back.endpoint.Address}, "edge": {"tcp", w.addr}} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial(address[0], address[1])
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			got := make([]byte, len(answer))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
