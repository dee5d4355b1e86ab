package actors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tenement/conf"
)

// Imported is what became of an import.
type Imported struct {
	Names   []conf.Instance // whose directories are there, known before or not
	Added   int             // of them, those that were not known before
	Skipped []string        // what lies beside them and is nobody's, one sentence each
}

// Import registers tenants whose directories lie in the data directory already: all
// of the services named, and those named themselves. Nothing is started, and nothing
// of the directories is touched before a tenant's first start, which gives them to
// its user. One that is not there is an error, and then nobody is registered.
func (h *Host) Import(ctx context.Context, services []string, names []conf.Instance) (Imported, error) {
	var all Imported
	for _, service := range services {
		if h.service(service) == nil {
			return Imported{}, fmt.Errorf("%s: %w", service, ErrUnknownService)
		}
		found, skipped, err := h.directories(service)
		if err != nil {
			return Imported{}, err
		}
		all.Names, all.Skipped = append(all.Names, found...), append(all.Skipped, skipped...)
	}
	for _, name := range names {
		if h.service(name.Service) == nil {
			return Imported{}, fmt.Errorf("%s: %w", name, ErrUnknownService)
		}
		dir := h.instanceDir(name)
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			return Imported{}, &OverrideError{fmt.Errorf("%s has no directory: put its data into %s first", name, dir)}
		}
		all.Names = append(all.Names, name)
	}
	var err error
	all.Added, err = h.Register(ctx, all.Names)
	return all, err
}

// directories finds the tenants of a service whose data is there, and says what else
// is.
func (h *Host) directories(service string) (names []conf.Instance, skipped []string, err error) {
	dir := filepath.Join(h.o.DataDir, service)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("cannot look for tenants: %w", err)
	}
	for _, e := range entries {
		name, err := conf.NewInstance(service, e.Name())
		switch {
		case !e.IsDir():
			skipped = append(skipped, filepath.Join(dir, e.Name())+" is not a directory")
		case err != nil:
			skipped = append(skipped, fmt.Sprintf("%s: %v", dir, err))
		case name.ID != e.Name():
			skipped = append(skipped, fmt.Sprintf("%s: ids are lower-case: rename it to %s", filepath.Join(dir, e.Name()), name.ID))
		default:
			names = append(names, name)
		}
	}
	return names, skipped, nil
}
