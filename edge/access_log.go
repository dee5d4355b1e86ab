package edge

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// AccessFile is a log file that may be moved away under it: the next line opens
// a new one, a second later at most. It is safe for concurrent use.
type AccessFile struct {
	path string

	mu     sync.Mutex
	file   *os.File
	looked time.Time
}

// OpenAccessFile opens a file to append to, made when it is not there.
func OpenAccessFile(path string) (*AccessFile, error) {
	f := &AccessFile{path: path}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("cannot open the access log: %w", err)
	}
	return f, nil
}

// open replaces what was open before.
func (f *AccessFile) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.looked = file, time.Now()
	return nil
}

// Write appends a line. While a new file cannot be opened, the old one takes it.
func (f *AccessFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) >= time.Second {
		f.looked = time.Now()
		if f.moved() {
			_ = f.open() // told by the next line that is missing there, if at all
		}
	}
	return f.file.Write(p)
}

// moved reports that the path names another file now, or none.
func (f *AccessFile) moved() bool {
	here, err := f.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.path)
	return err != nil || !os.SameFile(here, there)
}

// Close closes the file.
func (f *AccessFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
