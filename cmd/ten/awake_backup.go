package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"tenement/conf"
)

// sqliteMark begins every SQLite database (https://sqlite.org/fileformat.html).
var sqliteMark = []byte("SQLite format 3\x00")

// mostDatabases of one tenant are held still: each takes a process.
const mostDatabases = 1000

// errMoved: a tenant fell asleep or woke up while it was copied.
var errMoved = errors.New("it woke up or fell asleep meanwhile")

// copyOnline copies a tenant and leaves it as it is. One that sleeps is copied as
// it lies, and once more if it woke up meanwhile; of one that is awake the SQLite
// databases are held still one after another, and the rest is copied as it is found.
func (a *app) copyOnline(ctx context.Context, p place, name conf.Instance, t *tree, out *archive) error {
	control := filepath.Join(p.runDir, controlName)
	if !answers(control) {
		return p.whileAsleep(ctx, name, func() error { return out.addRest(ctx, t) })
	}
	c := controlClient(control, control)
	before, err := c.why(ctx, name)
	if err != nil {
		return err
	}
	awake := before.Pid != 0
	t.hold = func(ctx context.Context, path string) (func(context.Context) error, error) {
		if !awake {
			return func(context.Context) error { return nil }, nil
		}
		if out.databases++; out.databases > mostDatabases {
			return nil, fmt.Errorf("there are more than %d SQLite databases: leave out --online", mostDatabases)
		}
		return a.hold(ctx, p, name, filepath.Join(t.dir, path))
	}
	if err := out.addRest(ctx, t); err != nil || awake {
		return err
	}
	after, err := c.why(ctx, name)
	if err == nil && (after.Pid != 0 || after.Generation != before.Generation) {
		err = errMoved
	}
	return err
}

// hold has a database of a tenant that is awake keep still.
func (a *app) hold(ctx context.Context, p place, name conf.Instance, path string) (func(context.Context) error, error) {
	if p.config.Services[name.Service].Isolation == conf.IsolationSandbox {
		return nil, fmt.Errorf("it is a SQLite database, and locks at isolation = %q do not hold outside of it: leave out --online", conf.IsolationSandbox)
	}
	s, err := a.holdStill(ctx, name, path)
	if err != nil {
		return nil, fmt.Errorf("%w: --online needs the program %s where the tenant runs (apt install sqlite3); without it, leave out --online", err, sqliteShell)
	}
	return s.letGo, nil
}

// isDatabase is false for what cannot be read: copying it will say why.
func (t *tree) isDatabase(path string) bool {
	f, _, err := t.open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begins := make([]byte, len(sqliteMark))
	_, err = io.ReadFull(f, begins)
	return err == nil && bytes.Equal(begins, sqliteMark)
}

// addDatabase copies a database, then its log, while SQLite holds both still. A
// rollback journal holds nothing that counts while somebody reads, and shared
// memory is made anew by whoever opens the database. All three come behind it in
// the order of names.
func (a *archive) addDatabase(ctx context.Context, t *tree, path string) error {
	letGo, err := t.hold(ctx, path)
	if err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-journal", "-shm"} {
		t.left[path+suffix] = true
	}
	err = a.addFile(ctx, t, path)
	if err == nil {
		err = a.addPart(ctx, t, path+"-wal", liveLog)
	}
	if errors.Is(err, fs.ErrNotExist) { // it has no log, or is gone by now
		err = nil
	}
	if lost := letGo(ctx); err == nil {
		err = lost
	}
	return err
}
