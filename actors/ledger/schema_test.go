package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// edit changes a closed registry behind the store's back.
func edit(t *testing.T, path string, f func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func closedStore(t *testing.T) (path string) {
	t.Helper()
	s := newStore(t)
	apply(t, s, PutTenant{tenant("alice", base)})
	s.Close()
	return s.path
}

func TestSchema_ANewerOneIsRefusedUntouched(t *testing.T) {
	path := closedStore(t)
	edit(t, path, func(tx *bolt.Tx) error { return put(tx.Bucket(about), schemaKey, 2) })
	before, _ := os.ReadFile(path)
	_, err := Open(path)
	refused(t, err, "cannot open the registry "+path, "a newer tenement wrote it (schema 2, this one knows up to 1)", "run that version")
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the newer registry was written to")
	}
}

func TestSchema_WhatIsMissingOrBadIsNamed(t *testing.T) {
	for says, harm := range map[string]func(tx *bolt.Tx) error{
		"it is a bbolt file, but no registry": func(tx *bolt.Tx) error { return tx.DeleteBucket(about) },
		"its tokens are missing":              func(tx *bolt.Tx) error { return tx.DeleteBucket(tokens) },
		"it has no schema number":             func(tx *bolt.Tx) error { return tx.Bucket(about).Delete(schemaKey) },
		`the record of "schema" does not match its checksum`: func(tx *bolt.Tx) error {
			return tx.Bucket(about).Put(schemaKey, []byte("1"))
		},
		`the record of "schema": json`: func(tx *bolt.Tx) error { return put(tx.Bucket(about), schemaKey, "one") },
		"not a valid name":             func(tx *bolt.Tx) error { return put(tx.Bucket(tenants), []byte("../x:y"), Tenant{}) },
		`the record of "y"`:            func(tx *bolt.Tx) error { return tx.Bucket(forgotten).Put([]byte("y"), []byte("12345")) },
		`the record of "x"`:            func(tx *bolt.Tx) error { return tx.Bucket(tokens).Put([]byte("x"), nil) },
	} {
		path := closedStore(t)
		edit(t, path, harm)
		_, err := Open(path)
		refused(t, err, says, "damaged", "move it away")
	}
}

func TestMigrate_KeepsACopyOfWhatItWas(t *testing.T) {
	path := closedStore(t)
	hold := func(tx *bolt.Tx) error {
		return PutTenant{Tenant{Name: name("alice"), UID: base, Held: true}}.apply(tx)
	}
	for range 2 { // the second time there is nothing to do
		s, err := open(path, []migration{hold})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := load(t, s); len(got) != 1 || !got[0].Held {
			t.Errorf("after the migration: %+v", got)
		}
		s.Close()
	}
	_, err := Open(path)
	refused(t, err, "schema 2")
	old := openAt(t, path+".schema-1")
	if got, _ := load(t, old); len(got) != 1 || got[0].Held {
		t.Errorf("in the copy: %+v", got)
	}
	if info, err := os.Stat(old.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy's mode: %v, %v", info.Mode(), err)
	}
}

func TestMigrate_AFailedStepLeavesTheOldSchema(t *testing.T) {
	path := closedStore(t)
	_, err := open(path, []migration{func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket(tenants), errors.New("no luck"))
	}})
	refused(t, err, "cannot migrate from schema 1: no luck")
	if got, _ := load(t, openAt(t, path)); len(got) != 1 {
		t.Errorf("after the failed migration: %+v", got)
	}
}

func TestMigrate_WithoutACopyNothingIsMigrated(t *testing.T) {
	path := closedStore(t)
	if err := os.Mkdir(path+".schema-1.new", 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := open(path, []migration{func(*bolt.Tx) error { t.Error("migrated without a copy"); return nil }})
	refused(t, err, "cannot keep a copy before its migration", "is a directory")

	if err := os.Remove(path + ".schema-1.new"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+".schema-1", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = open(path, []migration{func(*bolt.Tx) error { t.Error("migrated without a copy"); return nil }})
	refused(t, err, "cannot keep a copy before its migration", "rename")
	openAt(t, path)
}
