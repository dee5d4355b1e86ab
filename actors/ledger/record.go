package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	bolt "go.etcd.io/bbolt"
)

// maxRecord bounds one record, in bytes: all of them are read at every start.
const maxRecord = 64 << 10

// castagnoli has hardware support on every machine we run on.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A record is the CRC-32C of its key and JSON, then the JSON. bbolt checks its
// meta pages only: without this a flipped bit could change a uid unseen.
//
//	| crc32c, 4 bytes big-endian | {"uid":1900000000,"weight":100,…} |

// put stores value under key.
func put(b *bolt.Bucket, key []byte, value any) error {
	text, err := encode(value)
	if err != nil {
		return err
	}
	record := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)), sum(key, text))
	return b.Put(key, append(record, text...))
}

// encode is a record's JSON.
func encode(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err == nil && len(text) > maxRecord {
		err = fmt.Errorf("its record is %d bytes long, at most %d fit", len(text), maxRecord)
	}
	return text, err
}

// get reads the record under key into value; false when there is none.
func get(b *bolt.Bucket, key []byte, value any) (bool, error) {
	record := b.Get(key)
	if record == nil {
		return false, nil
	}
	return true, decode(key, record, value)
}

// decode reads one record into value.
func decode(key, record []byte, value any) error {
	if err := intact(key, record); err != nil {
		return err
	}
	if err := json.Unmarshal(record[4:], value); err != nil {
		return fmt.Errorf("%w: the record of %q: %w", errDamaged, key, err)
	}
	return nil
}

// intact checks that key and record are as they were written.
func intact(key, record []byte) error {
	if len(record) < 4 || binary.BigEndian.Uint32(record) != sum(key, record[4:]) {
		return fmt.Errorf("%w: the record of %q does not match its checksum", errDamaged, key)
	}
	return nil
}

// errDamaged is wrapped by whatever finds that the file is not as it was written.
var errDamaged = errors.New("damaged")

func sum(key, text []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, text)
}
