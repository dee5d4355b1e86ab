package ledger

import (
	"encoding/binary"
	"fmt"
	"math"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

// A uid has one owner, for as long as there is data of the owner's, and is never
// given to anybody else afterwards:
//
//	uids       uid, 4 bytes big-endian → name   who has or had it
//	forgotten  name → uid                       unregistered, the data is still there
//	about      "last uid"                       the highest ever given

// UID gives the uid to register a tenant with: the one it has, or had when its
// data was kept, else one from base upwards that nobody ever had. It is the
// tenant's once Apply has stored it, and no other tenant's in the meantime.
func (s *Store) UID(name conf.Instance, base uint32) (uint32, error) {
	var uid, last uint32
	err := s.view(func(tx *bolt.Tx) (err error) {
		if uid, err = owned(tx, name); err == nil {
			_, err = get(tx.Bucket(about), lastUID, &last)
		}
		return err
	})
	if err != nil || uid != 0 {
		return uid, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := max(uint64(base), uint64(last)+1, uint64(s.reserved)+1)
	if next >= math.MaxUint32 { // the kernel's "no uid" is (uid_t)-1
		return 0, fmt.Errorf("cannot give %s a uid: none is left above %d", name, uint32(next-1))
	}
	s.reserved = uint32(next)
	return s.reserved, nil
}

// owned is the uid that a tenant has or had; 0 when there is none.
func owned(tx *bolt.Tx, name conf.Instance) (uint32, error) {
	var t Tenant
	if found, err := get(tx.Bucket(tenants), key(name), &t); found {
		return t.UID, err
	}
	var uid uint32
	_, err := get(tx.Bucket(forgotten), key(name), &uid)
	return uid, err
}

// own makes the uid this tenant's, or says why it cannot be.
func own(tx *bolt.Tx, name conf.Instance, uid uint32) error {
	had, err := owned(tx, name)
	if err != nil {
		return err
	}
	if had != 0 && had != uid {
		return fmt.Errorf("its uid is %d and cannot become %d", had, uid)
	}
	var owner string
	if _, err := get(tx.Bucket(uids), uidKey(uid), &owner); err != nil {
		return err
	}
	if owner != "" && owner != name.String() {
		return fmt.Errorf("uid %d is that of %s", uid, owner)
	}
	if owner != "" {
		return tx.Bucket(forgotten).Delete(key(name))
	}
	if err := raise(tx, uid); err != nil {
		return err
	}
	return put(tx.Bucket(uids), uidKey(uid), name.String())
}

// raise remembers that uids up to this one were given.
func raise(tx *bolt.Tx, uid uint32) error {
	var last uint32
	if _, err := get(tx.Bucket(about), lastUID, &last); err != nil || last >= uid {
		return err
	}
	return put(tx.Bucket(about), lastUID, uid)
}

// disown ends the ownership of a tenant's uid, or keeps it for a return.
func disown(tx *bolt.Tx, name conf.Instance, keep bool) error {
	uid, err := owned(tx, name)
	if err != nil || uid == 0 {
		return err
	}
	if keep {
		return put(tx.Bucket(forgotten), key(name), uid)
	}
	if err := tx.Bucket(forgotten).Delete(key(name)); err != nil {
		return err
	}
	return tx.Bucket(uids).Delete(uidKey(uid))
}

func uidKey(uid uint32) []byte { return binary.BigEndian.AppendUint32(nil, uid) }
