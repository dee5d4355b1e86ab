package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// tree is a directory that goes into a backup. No link leads out of it, and
// nothing in it can make the copying wait or go on without end: not a pipe that
// was a file when it was looked at, not a file that grows.
type tree struct {
	root   *os.Root
	dir    string
	prefix string          // of its names in the backup
	left   map[string]bool // out: it is in already, or holds nothing

	// hold has a database keep still until it is let go. Where it is set the tenant
	// may be awake and go on writing.
	hold func(ctx context.Context, path string) (letGo func(context.Context) error, err error)
}

func openTree(dir, prefix string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	return &tree{root: root, dir: dir, prefix: prefix, left: map[string]bool{}}, nil
}

func (t *tree) close() { t.root.Close() }

// open opens a file to read, if it is one.
func (t *tree) open(path string) (*os.File, fs.FileInfo, error) {
	f, err := t.root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

var errNoFile = errors.New("it is no file")

// addTree writes a directory with all that is below it.
func (a *archive) addTree(ctx context.Context, dir, prefix string) error {
	t, err := openTree(dir, prefix)
	if err != nil {
		return err
	}
	defer t.close()
	return a.addRest(ctx, t)
}

// addRest writes what is not in yet. What is neither file, directory nor link
// holds no data and is counted only, and so is what an awake tenant took away.
func (a *archive) addRest(ctx context.Context, t *tree) error {
	return fs.WalkDir(t.root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !t.left[path] {
			err = a.addEntry(ctx, t, path, e)
		}
		switch {
		case t.hold != nil && path != "." && errors.Is(err, fs.ErrNotExist):
			a.changed++
			return nil
		case err != nil:
			return fmt.Errorf("cannot copy %s of %s: %w", path, t.dir, err)
		}
		return nil
	})
}

func (a *archive) addEntry(ctx context.Context, t *tree, path string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case 0:
		if t.hold != nil && t.isDatabase(path) {
			return a.addDatabase(ctx, t, path)
		}
		return a.addFile(ctx, t, path)
	case fs.ModeDir:
		return a.addHeader(t, path, info, "", 0)
	case fs.ModeSymlink:
		link, err := t.root.Readlink(path)
		if err != nil {
			return err
		}
		return a.addHeader(t, path, info, link, 0)
	}
	a.skipped++
	return nil
}

// addHeader announces an entry, and of a file its bytes.
func (a *archive) addHeader(t *tree, path string, info fs.FileInfo, link string, size int64) error {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Size = size
	h.Format = tar.FormatPAX // keeps the nanoseconds
	h.Name = strings.TrimSuffix(t.prefix+"/"+path, "/.")
	if info.IsDir() {
		h.Name += "/"
	}
	h.Uid, h.Gid, h.Uname, h.Gname, h.Mode = 0, 0, "", "", int64(info.Mode().Perm())
	return a.tar.WriteHeader(h)
}

// addFile writes as much of a file as it had when it was opened; the rest of one
// that shrank is zeros.
func (a *archive) addFile(ctx context.Context, t *tree, path string) error {
	return a.addPart(ctx, t, path, func(_ io.ReaderAt, size int64) int64 { return size })
}

// addPart writes the first bytes of a file, as many as part says.
func (a *archive) addPart(ctx context.Context, t *tree, path string, part func(file io.ReaderAt, size int64) int64) error {
	f, info, err := t.open(path)
	if errors.Is(err, errNoFile) || errors.Is(err, syscall.ENXIO) { // a pipe, a socket by now
		a.skipped++
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	size := part(f, info.Size())
	if err := a.addHeader(t, path, info, "", size); err != nil {
		return err
	}
	a.files++
	n, err := io.Copy(a.tar, io.LimitReader(&interruptible{ctx, f}, size))
	if err != nil || n == size {
		return err
	}
	if t.hold == nil {
		return io.ErrUnexpectedEOF
	}
	a.changed++
	_, err = io.CopyN(a.tar, zeros{}, size-n)
	return err
}

// interruptible is a reader that ends with a context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// zeros are read without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
