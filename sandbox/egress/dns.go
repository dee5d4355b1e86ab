package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Resolver is the nameserver of a tenant's /etc/resolv.conf. It is the address
// of systemd-resolved's stub, so that the host's own file often does as well.
const Resolver = "127.0.0.53"

const (
	// askTimeout is how long one upstream is waited for. Three of them take
	// little longer than the 5 s after which programs ask again.
	askTimeout = 2 * time.Second
	// idleTimeout ends a TCP connection that asks nothing.
	idleTimeout = 10 * time.Second
	// Of one tenant; beyond that its questions wait in the kernel's buffer.
	maxQuestions   = 32
	maxConnections = 8
)

// DNS is the resolver of one network namespace: it passes questions on to the
// host's resolvers and their replies back, and remembers nothing.
type DNS struct {
	upstreams   *Upstreams
	udp         *net.UDPConn
	tcp         net.Listener
	questions   chan struct{}
	connections chan struct{}
	ctx         context.Context
	cancel      context.CancelFunc
	running     sync.WaitGroup
}

// ServeDNS listens in a network namespace until Close.
func ServeDNS(netns int, u *Upstreams) (*DNS, error) {
	d := &DNS{upstreams: u, questions: make(chan struct{}, maxQuestions), connections: make(chan struct{}, maxConnections)}
	at := netip.AddrPortFrom(netip.MustParseAddr(Resolver), 53)
	err := inside(netns, func() (err error) {
		if d.udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at)); err == nil {
			if d.tcp, err = listen(at); err != nil {
				d.udp.Close()
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot serve DNS to a network namespace: %w", err)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.running.Go(d.serveUDP) // ended by Close
	d.running.Go(d.serveTCP) // ended by Close
	return d, nil
}

// Close ends it, with the questions that are under way.
func (d *DNS) Close() {
	d.cancel()
	d.udp.Close()
	d.tcp.Close()
	d.running.Wait()
}

// take waits for a slot, or for the end.
func (d *DNS) take(slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-d.ctx.Done():
		return false
	}
}

func (d *DNS) serveUDP() {
	b := make([]byte, maxQuery)
	for d.take(d.questions) {
		n, from, err := d.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return // Close; an unconnected socket hears of nothing else
		}
		query := append([]byte(nil), b[:n]...)
		d.running.Go(func() { // ended by Close: ask is
			defer func() { <-d.questions }()
			if reply := d.reply("udp", query); reply != nil {
				_, _ = d.udp.WriteToUDPAddrPort(reply, from) // who went away asked for nothing
			}
		})
	}
}

func (d *DNS) serveTCP() {
	for d.take(d.connections) {
		c, err := accept(d.ctx, d.tcp)
		if err != nil {
			return
		}
		d.running.Go(func() { // ended by Close, by way of ctx
			defer func() { <-d.connections }()
			d.converse(c)
		})
	}
}

// converse answers the questions of one TCP connection, one after another.
func (d *DNS) converse(c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(d.ctx, func() { c.Close() })()
	for {
		_ = c.SetDeadline(time.Now().Add(idleTimeout))
		query, err := readFrame(c)
		if err != nil {
			return
		}
		reply := d.reply("tcp", query)
		_ = c.SetDeadline(time.Now().Add(idleTimeout))
		if reply == nil || writeFrame(c, reply) != nil {
			return
		}
	}
}

// reply passes a question on; nil leaves it without one.
func (d *DNS) reply(network string, query []byte) []byte {
	end, ok := question(query)
	if !ok {
		return failure(query, 0, refusal)
	}
	if !d.take(d.upstreams.slots) {
		return nil
	}
	defer func() { <-d.upstreams.slots }()
	for _, server := range d.upstreams.servers() {
		if reply, err := d.ask(network, server, query, end); err == nil {
			return reply
		}
		if d.ctx.Err() != nil {
			return nil
		}
	}
	return failure(query, end, servFail)
}

// ask exchanges messages with one upstream. A socket for each question has a
// port of its own, which whoever forges answers has to guess.
func (d *DNS) ask(network, server string, query []byte, end int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.upstreams.timeout)
	defer cancel()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if network == "tcp" {
		return askTCP(c, query, end)
	}
	return askUDP(c, query, end)
}

var errNoAnswer = errors.New("no answer to the question")

func askTCP(c net.Conn, query []byte, end int) ([]byte, error) {
	if err := writeFrame(c, query); err != nil {
		return nil, err
	}
	reply, err := readFrame(c)
	if err == nil && !answers(reply, query, end) {
		err = errNoAnswer
	}
	return reply, err
}

// maxReply is more than any server sends over UDP without being asked to.
const maxReply = 4096

func askUDP(c net.Conn, query []byte, end int) ([]byte, error) {
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	b := make([]byte, maxReply+1)
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil, err
		}
		switch {
		case !answers(b[:n], query, end): // forged, or late: wait for the right one
		case n > maxReply:
			return cut(query, end), nil
		default:
			return b[:n], nil
		}
	}
}

// readFrame reads a message of a TCP stream (RFC 1035, 4.2.2).
func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeFrame(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
