package edge

import "strconv"

// stream writes a streamed Reply straight to the client.
type stream struct {
	client  *client
	chunked bool
	pending []byte
}

func (w *stream) begin(r Reply) error {
	head := "HTTP/1.1 " + strconv.Itoa(r.Status) + " OK\r\nContent-Type: " + r.ContentType +
		"\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nConnection: close\r\n"
	if w.chunked {
		head += "Transfer-Encoding: chunked\r\n"
	}
	return w.client.send([]byte(head + "\r\n"))
}

func (w *stream) Write(p []byte) (int, error) {
	w.pending = append(w.pending, p...)
	return len(p), nil
}

func (w *stream) Flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	b := w.pending
	if w.chunked {
		b = append(strconv.AppendInt(nil, int64(len(w.pending)), 16), "\r\n"...)
		b = append(append(b, w.pending...), "\r\n"...)
	}
	w.pending = w.pending[:0]
	return w.client.send(b)
}

func (w *stream) finish() error {
	if err := w.Flush(); err != nil || !w.chunked {
		return err
	}
	return w.client.send([]byte("0\r\n\r\n"))
}
