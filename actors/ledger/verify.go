package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt trusts the pages that it has mapped: a file cut short is a SIGBUS, a bad
// offset a wild read, a page that leads to itself a stack overflow, and none of
// them can be recovered from everywhere. So every page that can be reached is
// read and checked here, by plain reads, before bbolt sees the file.
//
//	page     | id u64 | flags u16 | count u16 | overflow u32 | elements | keys and values |
//	meta     | magic u32 | version u32 | page size u32 | flags u32 | root: page u64, sequence u64 |
//	         | freelist u64 | pages u64 | txid u64 | FNV-1a of the 56 bytes before u64 |
//	branch   | pos u32 | key size u32 | page u64 |         pos counts from its own element
//	leaf     | flags u32 | pos u32 | key size u32 | value size u32 |
//	bucket   | root page u64, 0 = the page follows | sequence u64 |      a leaf's value, flags 1
//
// Numbers are in the machine's order; bbolt writes keys and values right behind
// the elements and each other, so that most flipped bits show as a gap.
const (
	headerSize  = 16
	elementSize = 16
	metaSize    = 64
	bucketSize  = 16

	branchFlag = 0x01
	leafFlag   = 0x02

	magic       = 0xED0CDAED
	version     = 2
	minPageSize = 1 << 10
	maxPageSize = 1 << 24
	noFreelist  = 1<<64 - 1
)

var order = binary.NativeEndian

// meta is a valid meta page.
type meta struct {
	pageSize              uint64
	root, freelist, pages uint64
	txid                  uint64
}

// verifier walks one file.
type verifier struct {
	file io.ReaderAt
	meta
	seen map[uint64]bool // pages, so that none is reached twice
}

// verify checks a registry of this many bytes. The errors wrap errDamaged.
func verify(f io.ReaderAt, size int64) error {
	m, found := newestMeta(f, size)
	switch {
	case !found:
		return fmt.Errorf("%w: no valid header in its %d bytes", errDamaged, size)
	case m.pages < 3 || m.pages > (1<<62)/m.pageSize:
		return fmt.Errorf("%w: its header says %d pages", errDamaged, m.pages)
	case uint64(size) < m.pages*m.pageSize:
		return fmt.Errorf("%w: truncated (%d bytes, its header says %d)", errDamaged, size, m.pages*m.pageSize)
	case m.freelist != noFreelist: // bbolt's state before our first transaction
		return fmt.Errorf("%w: it holds no registry yet", errDamaged)
	}
	v := &verifier{file: f, meta: m, seen: map[uint64]bool{}}
	return v.tree(m.root, nil, nil, true)
}

// newestMeta finds the meta page that bbolt will go by: of the two, the valid
// one with the higher transaction; the other belongs to the transaction before.
func newestMeta(f io.ReaderAt, size int64) (newest meta, found bool) {
	newest, found = metaAt(f, 0)
	for at := uint64(minPageSize); at <= maxPageSize && int64(at) < size; at <<= 1 {
		second, ok := metaAt(f, int64(at))
		if !ok || second.pageSize != at || found && newest.pageSize != at {
			continue
		}
		if !found || second.txid > newest.txid {
			return second, true
		}
	}
	return newest, found
}

func metaAt(f io.ReaderAt, at int64) (meta, bool) {
	var page [headerSize + metaSize]byte
	if _, err := f.ReadAt(page[:], at); err != nil {
		return meta{}, false
	}
	b := page[headerSize:]
	sum := fnv.New64a()
	sum.Write(b[:56])
	m := meta{
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]), // and 8 bytes of a sequence
		freelist: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}
	ok := order.Uint32(b) == magic && order.Uint32(b[4:]) == version && order.Uint64(b[56:]) == sum.Sum64() &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
	return m, ok
}

// tree checks the pages from id down, whose keys must lie in [low, high); nil is
// no bound. Only the top tree, the list of buckets, may hold buckets.
func (v *verifier) tree(id uint64, low, high []byte, top bool) error {
	page, err := v.page(id)
	if err != nil {
		return err
	}
	if order.Uint16(page[8:]) == branchFlag {
		return v.branch(id, page, low, high, top)
	}
	return v.leaf(id, page, low, high, top)
}

// page reads a page with its overflow, once.
func (v *verifier) page(id uint64) ([]byte, error) {
	if id < 2 || id >= v.pages {
		return nil, fmt.Errorf("%w: page %d of %d", errDamaged, id, v.pages)
	}
	header := make([]byte, headerSize)
	if _, err := v.file.ReadAt(header, int64(id*v.pageSize)); err != nil {
		return nil, fmt.Errorf("cannot read page %d: %w", id, err)
	}
	overflow := uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || id+overflow >= v.pages {
		return nil, broken(id, "its header")
	}
	for n := id; n <= id+overflow; n++ {
		if v.seen[n] {
			return nil, fmt.Errorf("%w: page %d is used twice", errDamaged, n)
		}
		v.seen[n] = true
	}
	page := make([]byte, (overflow+1)*v.pageSize)
	if _, err := v.file.ReadAt(page, int64(id*v.pageSize)); err != nil {
		return nil, fmt.Errorf("cannot read page %d: %w", id, err)
	}
	return page, nil
}

func (v *verifier) branch(id uint64, page, low, high []byte, top bool) error {
	keys, err := elements(id, page, branchFlag)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return broken(id, "a branch without elements")
	}
	for i, e := range keys {
		end := high
		if i+1 < len(keys) {
			end = keys[i+1].key
		}
		if !between(e.key, low, end) {
			return broken(id, "the order of its keys")
		}
		if err := v.tree(e.child, e.key, end, top); err != nil {
			return err
		}
		low = e.key
	}
	return nil
}

func (v *verifier) leaf(id uint64, page, low, high []byte, top bool) error {
	keys, err := elements(id, page, leafFlag)
	if err != nil {
		return err
	}
	for i, e := range keys {
		if !between(e.key, low, high) || i > 0 && bytes.Equal(e.key, low) {
			return broken(id, "the order of its keys")
		}
		low = e.key
		if !e.bucket {
			continue
		}
		if !top {
			return broken(id, "a bucket among records")
		}
		if err := v.bucket(id, e.value); err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket: a tree of its own, or one small leaf in the value.
func (v *verifier) bucket(id uint64, value []byte) error {
	if len(value) < bucketSize {
		return broken(id, "a bucket's root")
	}
	if root := order.Uint64(value); root != 0 {
		return v.tree(root, nil, nil, false)
	}
	inline := value[bucketSize:]
	if len(inline) < headerSize {
		return broken(id, "a bucket's inline page")
	}
	return v.leaf(id, inline, nil, nil, false)
}

// element is one element of a page: a child of a branch, a record of a leaf.
type element struct {
	key, value []byte
	child      uint64
	bucket     bool
}

// elements reads the elements of a page of this kind.
func elements(id uint64, page []byte, kind uint16) ([]element, error) {
	count := int(order.Uint16(page[10:]))
	next := headerSize + count*elementSize // where the next key must begin
	if order.Uint16(page[8:]) != kind || next > len(page) {
		return nil, broken(id, "its header")
	}
	list := make([]element, 0, count)
	for at := headerSize; len(list) < count; at += elementSize {
		e := page[at : at+elementSize]
		pos, keySize, valueSize := order.Uint32(e), order.Uint32(e[4:]), uint32(0)
		if kind == leafFlag {
			pos, keySize, valueSize = order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
			if order.Uint32(e) > 1 {
				return nil, broken(id, "an element's flags")
			}
		}
		keyEnd := uint64(next) + uint64(keySize)
		end := keyEnd + uint64(valueSize)
		if uint64(at)+uint64(pos) != uint64(next) || keySize == 0 || end > uint64(len(page)) {
			return nil, broken(id, "an element's place")
		}
		el := element{key: page[next:keyEnd], value: page[keyEnd:end]}
		if kind == branchFlag {
			el.child = order.Uint64(e[8:])
		} else {
			el.bucket = order.Uint32(e) == 1
		}
		list = append(list, el)
		next = int(end)
	}
	return list, nil
}

// between reports low <= key < high; nil is no bound.
func between(key, low, high []byte) bool {
	return (low == nil || bytes.Compare(low, key) <= 0) && (high == nil || bytes.Compare(key, high) < 0)
}

func broken(id uint64, what string) error {
	return fmt.Errorf("%w: page %d: %s", errDamaged, id, what)
}
