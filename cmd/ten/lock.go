package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dataLock is the right to a data directory: one daemon, or one verb that
// writes to it, at a time. The file tells the holder's pid and, in a second
// line, the URL it serves.
type dataLock struct{ file *os.File }

// lockData takes the lock of a data directory. Who comes second is told who holds it.
func lockData(dataDir string) (*dataLock, error) {
	f, err := os.OpenFile(filepath.Join(dataDir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		l := &dataLock{file: f}
		if err = l.write(""); err == nil {
			return l, nil
		}
	}
	defer f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := readLock(f)
		return nil, fmt.Errorf("data_dir %s is in use by pid %s: stop that daemon, or choose another --data-dir", dataDir, holder)
	}
	return nil, fmt.Errorf("cannot lock the data directory: %w", err)
}

// write says who holds the lock and what it serves, "" before it does.
func (l *dataLock) write(url string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), url), 0)
	return err
}

// Close gives the lock back. The file stays: removing it would let two take it.
func (l *dataLock) Close() error { return l.file.Close() }

// lockedURL is what the holder of a data directory's lock serves; "" when that
// cannot be told.
func lockedURL(dataDir string) string {
	f, err := os.Open(filepath.Join(dataDir, lockName))
	if err != nil {
		return ""
	}
	defer f.Close()
	_, url := readLock(f)
	return url
}

// lockedPID is who holds the lock of a data directory, as the file says; 0 when
// that cannot be told.
func lockedPID(dataDir string) int {
	f, err := os.Open(filepath.Join(dataDir, lockName))
	if err != nil {
		return 0
	}
	defer f.Close()
	text, _ := readLock(f)
	pid, _ := strconv.Atoi(text) // "unknown"
	return pid
}

func readLock(r io.ReaderAt) (pid, url string) {
	b := make([]byte, 512)
	n, _ := r.ReadAt(b, 0)
	pid, rest, _ := strings.Cut(string(b[:n]), "\n")
	url, _, _ = strings.Cut(rest, "\n")
	if pid == "" {
		pid = "unknown"
	}
	return pid, url
}
