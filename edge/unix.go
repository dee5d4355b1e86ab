package edge

import (
	"fmt"
	"net"
	"os"
)

// unixMode lets every user of the machine connect, as to a TCP port; who shall
// not is kept out by the mode of the directory.
const unixMode = 0o666

// ListenUnix listens for visitors on a Unix socket at path. One that nobody
// answers on is replaced; one with a daemon behind it, or anything that is not a
// socket, is an error. Closing the listener removes the file.
func ListenUnix(path string) (net.Listener, error) {
	l, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on unix:%s: %w", path, err)
	}
	return l, nil
}

func listenUnix(path string) (*net.UnixListener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, unixMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
