package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// copyTries is how often a copy is begun again because the daemon wrote meanwhile:
// a try takes milliseconds, a transaction as long.
const copyTries = 100

// Copy gives the registry at path as it was after one of its transactions, also
// while a daemon writes to it. It takes no lock and changes nothing.
//
// bbolt never writes to a page that its last transaction can reach: what the
// next one replaces is free to be used by the one after. So what was read between
// two looks at the header that show the same transaction is that transaction.
func Copy(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot copy the registry: %w", err)
	}
	defer f.Close()
	for range copyTries {
		data, err := copyOnce(f)
		if err != nil {
			return nil, fmt.Errorf("cannot copy the registry %s: %w", path, advise(err, path))
		}
		if data != nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("cannot copy the registry %s: it is written to all the time; try again", path)
}

// copyOnce is nil when a transaction came in between.
func copyOnce(f *os.File) ([]byte, error) {
	before, err := headOf(f)
	if err != nil {
		return nil, err
	}
	data := make([]byte, before.pages*before.pageSize)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, int64(len(data))), data); err != nil {
		return nil, err
	}
	after, err := headOf(f)
	if err != nil || after.txid != before.txid {
		return nil, err
	}
	return data, Verify(data)
}

// headOf is the newest header of a registry of a sane size.
func headOf(f *os.File) (meta, error) {
	info, err := f.Stat()
	if err != nil {
		return meta{}, err
	}
	m, found := newestMeta(f, info.Size())
	if !found || m.pages*m.pageSize > uint64(info.Size()) {
		return meta{}, fmt.Errorf("%w: no valid header in its %d bytes", errDamaged, info.Size())
	}
	return m, nil
}

// Verify says what is wrong with a registry that was read whole; nil = it can be
// put in place.
func Verify(registry []byte) error {
	if len(registry) == 0 {
		return errors.New("the registry is empty")
	}
	return verify(bytes.NewReader(registry), int64(len(registry)))
}
