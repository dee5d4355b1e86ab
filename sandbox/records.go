package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// One small JSON file per running process, in a directory that does not outlive
// a boot: nothing is forced to disk, but nothing is seen half written either.
const (
	recordSuffix = ".json"
	brokenSuffix = ".broken"
	maxRecord    = 64 << 10 // bytes; a real one has 1 KB
)

func recordFile(name string) string { return url.PathEscape(name) + recordSuffix }

// WriteRecord writes or replaces a tenant's record in dir, which it makes (0700)
// if need be.
func WriteRecord(dir string, r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("cannot write the record of %s: %w", r.Name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot write the record of %s: %w", r.Name, err)
	}
	file := filepath.Join(dir, recordFile(r.Name))
	err = os.WriteFile(file+"~", append(data, '\n'), 0o600)
	if err == nil {
		err = os.Rename(file+"~", file)
	}
	if err != nil {
		_ = os.Remove(file + "~") // the first error says more
		return fmt.Errorf("cannot write the record of %s: %w", r.Name, err)
	}
	return nil
}

// ReadRecords reads all records of dir. A file that is no sound record gives an
// error that names it, is put aside under ".broken" and is never acted upon. No
// directory is no record.
func ReadRecords(dir string) ([]Record, []error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("cannot read the records of running tenants: %w", err)}
	}
	var records []Record
	var errs []error
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if !strings.HasSuffix(file, recordSuffix) {
			continue
		}
		r, err := readRecord(file)
		if err == nil {
			records = append(records, r)
			continue
		}
		errs = append(errs, fmt.Errorf("cannot read %q, which is put aside: %w", file, errors.Join(err, os.Rename(file, file+brokenSuffix))))
	}
	return records, errs
}

func readRecord(file string) (Record, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return Record{}, reason(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRecord {
		return Record{}, errors.New("it is not a small file")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Record{}, reason(err)
	}
	r, err := parseRecord(data)
	if err == nil && filepath.Base(file) != recordFile(r.Name) {
		err = fmt.Errorf("it speaks of %q", r.Name)
	}
	return r, err
}

func parseRecord(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, err
	}
	return r, r.check()
}

// RemoveRecord removes a tenant's record, unless a newer generation of the
// tenant has replaced it. It is no error if there is none.
func RemoveRecord(dir string, r Record) error {
	file := filepath.Join(dir, recordFile(r.Name))
	if newer, err := readRecord(file); err == nil && newer.Generation > r.Generation && newer.Boot == r.Boot {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the record of %s: %w", r.Name, err)
	}
	return nil
}
