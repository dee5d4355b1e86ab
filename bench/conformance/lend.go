package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// lendVerb makes this program the tenant: it sends descriptor 3, the listening
// socket that tenement passes, to the recording backend and waits for its end.
const lendVerb = "lend"

func lend(lender string) error {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: lender, Net: "unix"})
	if err != nil {
		return fmt.Errorf("cannot lend the socket: %w", err)
	}
	defer c.Close()
	if _, _, err := c.WriteMsgUnix([]byte{0}, syscall.UnixRights(3), nil); err != nil {
		return fmt.Errorf("cannot lend the socket: %w", err)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	return nil
}

// receive takes what lend sends.
func receive(c *net.UnixConn) (net.Listener, error) {
	room := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := c.ReadMsgUnix(make([]byte, 1), room)
	if err != nil {
		return nil, fmt.Errorf("cannot borrow a socket: %w", err)
	}
	messages, err := syscall.ParseSocketControlMessage(room[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errors.New("cannot borrow a socket: no descriptor came"), err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.Join(errors.New("cannot borrow a socket: no descriptor came"), err)
	}
	f := os.NewFile(uintptr(fds[0]), "lent")
	defer f.Close()
	return net.FileListener(f)
}
