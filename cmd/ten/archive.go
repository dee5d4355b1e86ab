package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A backup is a gzipped tar:
//
//	backup.json     what it is of
//	registry.db     } of the state
//	api_token       }
//	tenement.toml   }
//	acme/…          }
//	data/…          of a tenant: its directory
//
// Owners are left out: whom files belong to is settled where they are restored.
const (
	manifestName = "backup.json"
	dataPrefix   = "data"
	acmePrefix   = "acme"
	configName   = "tenement.toml"
)

// manifest is backup.json.
type manifest struct {
	Format  int       `json:"format"`
	Of      string    `json:"of"` // ofState, or the tenant
	Made    time.Time `json:"made"`
	Version string    `json:"version"`          // of the ten that made it
	Config  string    `json:"config,omitempty"` // where tenement.toml was
}

const (
	archiveFormat = 1
	ofState       = "state"
)

// archive is a backup that is being written, to a sibling of its file until finish.
type archive struct {
	path string
	file *os.File
	gzip *gzip.Writer
	tar  *tar.Writer
	made time.Time

	files, skipped int
	changed        int // files that went or shrank meanwhile
	databases      int // that were held still
}

// newArchive begins a file that is not there yet; give it back by finish or drop.
func newArchive(path string, m manifest) (*archive, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s is there already: a backup overwrites nothing", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600: it holds secrets
	if err != nil {
		return nil, fmt.Errorf("cannot write the backup: %w", err)
	}
	a := &archive{path: path, file: f, gzip: gzip.NewWriter(f), made: m.Made}
	a.tar = tar.NewWriter(a.gzip)
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = a.add(manifestName, append(text, '\n'), 0o600)
	}
	if err != nil {
		a.drop()
		return nil, err
	}
	a.files = 0
	return a, nil
}

// finish puts the backup in place.
func (a *archive) finish() error {
	err := errors.Join(a.tar.Close(), a.gzip.Close(), a.file.Sync(), a.file.Close())
	if err == nil {
		err = os.Rename(a.file.Name(), a.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(a.path))
	}
	if err != nil {
		os.Remove(a.file.Name())
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	return nil
}

// notes are what whoever restores it should know.
func (a *archive) notes() (all []string) {
	if a.databases > 0 {
		all = append(all, fmt.Sprintf("Held still meanwhile: %d SQLite database(s), one after another", a.databases))
	}
	if a.changed > 0 {
		all = append(all, fmt.Sprintf("Changed meanwhile: %d file(s) went or shrank", a.changed))
	}
	if a.skipped > 0 {
		all = append(all, fmt.Sprintf("Left out: %d socket(s), pipe(s) or device(s)", a.skipped))
	}
	return all
}

// drop leaves nothing of it.
func (a *archive) drop() {
	a.file.Close()
	os.Remove(a.file.Name())
}

// add writes one file of ours.
func (a *archive) add(name string, data []byte, mode fs.FileMode) error {
	err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: int64(mode), Size: int64(len(data)), ModTime: a.made})
	if err == nil {
		_, err = a.tar.Write(data)
	}
	if err != nil {
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	a.files++
	return nil
}

// opened is a backup that is being read.
type opened struct {
	file *os.File
	gzip *gzip.Reader
	tar  *tar.Reader
	manifest
}

// openArchive reads what a backup is of, and leaves the rest to be read.
func openArchive(path string) (*opened, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the backup: %w", err)
	}
	o := &opened{file: f}
	if err := o.begin(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is no backup of tenement's: %w", path, err)
	}
	if o.Format != archiveFormat {
		f.Close()
		return nil, fmt.Errorf("%s has format %d, this ten reads %d: restore it with ten %s", path, o.Format, archiveFormat, o.Version)
	}
	return o, nil
}

func (o *opened) begin() error {
	var err error
	if o.gzip, err = gzip.NewReader(o.file); err != nil {
		return err
	}
	o.tar = tar.NewReader(o.gzip)
	h, err := o.tar.Next()
	if err != nil {
		return err
	}
	if h.Name != manifestName {
		return fmt.Errorf("it begins with %q", h.Name)
	}
	return json.NewDecoder(io.LimitReader(o.tar, 1<<20)).Decode(&o.manifest)
}

// each gives every entry to f, until the end, which has to be a proper one.
func (o *opened) each(f func(h *tar.Header, r io.Reader) error) error {
	for {
		h, err := o.tar.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, o.gzip) // to its checksum
		} else if err == nil {
			if err := f(h, o.tar); err != nil {
				return fmt.Errorf("cannot restore %q: %w", h.Name, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("the backup is damaged: %w", err)
		}
		return nil
	}
}

// unpack writes one entry below root, by the name it has there. No name and no
// link leads out of it; nothing but plain rights is taken over.
func unpack(root *os.Root, name string, h *tar.Header, r io.Reader) error {
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return root.Chmod(name, mode|0o700) // what is below has to get there
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
		if err == nil {
			err = root.Chtimes(name, h.ModTime, h.ModTime)
		}
		return err
	}
	return fmt.Errorf("a tar entry of type %q is in no backup of ours", h.Typeflag)
}
