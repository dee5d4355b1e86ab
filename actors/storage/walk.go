package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A tenant decides what lies in its directory: a walk is bounded in files, in
// depth (each level holds a file descriptor) and, by its context, in time.
const (
	maxWalkEntries = 1_000_000
	maxWalkDepth   = 64
	walkBatch      = 256
)

// usedBytes adds up the sizes of the regular files below dir; one that does not
// exist holds nothing. No symbolic link is followed, dir itself included: a
// tenant can turn any part of its tree into one at any time.
func usedBytes(ctx context.Context, dir string) (int64, error) {
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer parent.Close()
	w := storageWalk{ctx: ctx}
	if err := w.enter(parent, filepath.Base(dir), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return w.bytes, nil
}

// storageWalk is one measurement under way.
type storageWalk struct {
	ctx     context.Context
	bytes   int64
	entries int
}

// enter adds up the directory of this name in parent.
func (w *storageWalk) enter(parent *os.Root, name string, depth int) error {
	if depth > maxWalkDepth {
		return fmt.Errorf("directories are nested more than %d deep", maxWalkDepth)
	}
	root, err := openDir(parent, name)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(walkBatch)
		for _, entry := range entries {
			if err := w.add(root, entry, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// add counts one entry. What vanishes meanwhile counts nothing.
func (w *storageWalk) add(root *os.Root, entry fs.DirEntry, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.entries++; w.entries > maxWalkEntries {
		return fmt.Errorf("more than %d files", maxWalkEntries)
	}
	var err error
	switch {
	case entry.IsDir():
		err = w.enter(root, entry.Name(), depth+1)
	case entry.Type().IsRegular():
		var info fs.FileInfo
		if info, err = root.Lstat(entry.Name()); err == nil {
			w.bytes += info.Size()
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// openDir opens a directory that is not a symbolic link, before and after: Root
// follows links that stay inside the parent.
func openDir(parent *os.Root, name string) (*os.Root, error) {
	before, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, fmt.Errorf("%q is not a directory", name)
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := root.Stat(".")
	if err != nil || !os.SameFile(before, after) {
		root.Close()
		return nil, fmt.Errorf("%q was replaced while it was measured", name)
	}
	return root, nil
}
