package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"tenement/conf"
)

// segmentForm makes names that sort by age.
const segmentForm = "%010d.log"

// dir is a tenant's directory. Nothing in it leads out of it: os.Root.
type dir struct{ *os.Root }

// segment is one file of a log.
type segment struct {
	number uint64
	size   int64
}

func (s segment) String() string { return fmt.Sprintf(segmentForm, s.number) }

// openDir opens a tenant's directory, made before when make is set.
func (j *Journal) openDir(name conf.Instance, make bool) (dir, error) {
	if make {
		if err := os.MkdirAll(j.dir, 0o700); err != nil {
			return dir{}, err
		}
	}
	root, err := os.OpenRoot(j.dir)
	if err != nil {
		return dir{}, err
	}
	defer root.Close()
	at := path.Join(name.Service, name.ID)
	if make {
		if err := root.MkdirAll(at, 0o700); err != nil {
			return dir{}, err
		}
	}
	for _, part := range []string{name.Service, at} { // a link could lead to another tenant's
		if info, err := root.Lstat(part); err != nil || !info.IsDir() {
			return dir{}, cmp.Or(err, error(&fs.PathError{Op: "open", Path: part, Err: syscall.ENOTDIR}))
		}
	}
	own, err := root.OpenRoot(at)
	return dir{own}, err
}

// segments lists the regular files that are segments, oldest first.
func (d dir) segments() ([]segment, error) {
	files, err := fs.ReadDir(d.FS(), ".")
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, file := range files {
		digits, isLog := strings.CutSuffix(file.Name(), ".log")
		number, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || !isLog || !file.Type().IsRegular() {
			continue
		}
		info, err := file.Info()
		if s := (segment{number: number}); err == nil && s.String() == file.Name() {
			s.size = info.Size()
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return list, nil
}

// newest opens the segment to write to, which has room for so many bytes, and
// removes the oldest first, so that all together stay within maxBytes. The file
// is nil when it cannot be had.
func (d dir) newest(room, segmentSize, maxBytes int64) (f *os.File, size int64, torn bool) {
	list, err := d.segments()
	if err != nil {
		return nil, 0, false
	}
	last := segment{number: 1}
	if n := len(list); n > 0 {
		if last = list[n-1]; last.size == 0 || last.size+room <= segmentSize {
			list = list[:n-1]
		} else {
			last = segment{number: last.number + 1}
		}
	}
	d.prune(list, maxBytes-segmentSize)
	f, err = d.OpenFile(last.String(), os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, 0, false
	}
	if last.size > 0 { // after a crash it may end in mid-line
		var end [1]byte
		_, err := f.ReadAt(end[:], last.size-1)
		torn = err != nil || end[0] != '\n'
	}
	return f, last.size, torn
}

// prune removes the oldest segments until the others have at most so many bytes.
func (d dir) prune(list []segment, keep int64) {
	for _, s := range slices.Backward(list) {
		if keep -= s.size; keep < 0 {
			d.Remove(s.String()) // if not, then at the next turn
		}
	}
}

// gone reports an error that only says that there is no such log (any more).
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
