package sandbox

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// watches tells when something appears in a directory, or a file changes; one
// inotify descriptor serves the whole engine.
type watches struct {
	fd int

	mu   sync.Mutex
	dirs map[int32]map[*watch]struct{} // by watch descriptor: a directory may have several
}

// watch is one process's interest in a directory or a file.
type watch struct {
	descriptor int32
	C          chan struct{} // filled, one deep, when something may have appeared
	changed    func()        // a file's; called on the loop, with mu held
}

func newWatches(l *loop) (*watches, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch directories: %w", err)
	}
	w := &watches{fd: fd, dirs: map[int32]map[*watch]struct{}{}}
	if _, err := l.add(fd, func(uint64) { w.read() }); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return w, nil
}

// add begins to watch dir; remove ends it.
func (w *watches) add(dir string) (*watch, error) {
	return w.watch(dir, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR, &watch{C: make(chan struct{}, 1)})
}

// addFile has changed called when the file may have changed; remove ends it.
func (w *watches) addFile(file string, changed func()) (*watch, error) {
	return w.watch(file, unix.IN_MODIFY, &watch{changed: changed})
}

func (w *watches) watch(path string, mask uint32, one *watch) (*watch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := unix.InotifyAddWatch(w.fd, path, mask)
	if err != nil {
		return nil, fmt.Errorf("cannot watch %q: %w", path, err)
	}
	one.descriptor = int32(n)
	if w.dirs[one.descriptor] == nil {
		w.dirs[one.descriptor] = map[*watch]struct{}{}
	}
	w.dirs[one.descriptor][one] = struct{}{}
	return one, nil
}

func (w *watches) remove(one *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.dirs[one.descriptor], one)
	if len(w.dirs[one.descriptor]) == 0 {
		delete(w.dirs, one.descriptor)
		_, _ = unix.InotifyRmWatch(w.fd, uint32(one.descriptor)) // fails if the directory is gone
	}
}

// read tells those whose directory had news; all, when the kernel lost some.
func (w *watches) read() {
	var buffer [16 << 10]byte
	n, _ := unix.Read(w.fd, buffer[:]) // nothing to read: nothing to tell
	w.mu.Lock()
	defer w.mu.Unlock()
	for data := buffer[:max(n, 0)]; len(data) >= unix.SizeofInotifyEvent; {
		descriptor := int32(binary.NativeEndian.Uint32(data))
		length := binary.NativeEndian.Uint32(data[12:])
		data = data[unix.SizeofInotifyEvent+int(length):]
		for known, interested := range w.dirs {
			if known == descriptor || descriptor == -1 { // -1: IN_Q_OVERFLOW
				tell(interested)
			}
		}
	}
}

func tell(interested map[*watch]struct{}) {
	for one := range interested {
		if one.changed != nil {
			one.changed()
			continue
		}
		select {
		case one.C <- struct{}{}:
		default: // told already
		}
	}
}

func (w *watches) close() { unix.Close(w.fd) }
