package ledger

import (
	"bytes"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"syscall"
	"testing"
)

// twoStates makes a registry of some pages and gives its bytes, the tenants in
// it, and those that were in it before its last transaction.
func twoStates(t testing.TB) (file []byte, before, after []Tenant) {
	t.Helper()
	s := newStore(t)
	fill(t, s, 200)
	_, admin := NewToken()
	apply(t, s, ReplaceAdmin{Token{Hash: admin, Scope: ScopeAdmin}}, DeleteTenant{Name: name("t00007"), KeepUID: true})
	before, _ = load(t, s)
	apply(t, s, PutTenant{tenant("zz", base+900)}, DeleteTenant{Name: name("t00100")})
	after, _ = load(t, s)
	s.Close()
	file, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return file, before, after
}

// openBytes opens a registry of these bytes and reads it.
func openBytes(t *testing.T, path string, file []byte) ([]Tenant, error) {
	t.Helper()
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	tenants, _, err := s.Load()
	return tenants, err
}

func TestVerify_AFileCutShortIsWholeOrRefused(t *testing.T) {
	file, _, after := twoStates(t)
	path := filepath.Join(t.TempDir(), "registry.db")
	page := os.Getpagesize()
	var cuts []int
	for at := page; at < len(file); at += page {
		cuts = append(cuts, at-1, at, at+1)
	}
	for range 200 {
		cuts = append(cuts, 1+rand.IntN(len(file)-1))
	}
	cutShort := 0
	for _, n := range cuts {
		tenants, err := openBytes(t, path, file[:n])
		switch {
		case err != nil:
			refused(t, err, "cannot open the registry "+path+": damaged", "restore it from a backup, or move it away", "directories under "+filepath.Dir(path))
			cutShort++
		case !reflect.DeepEqual(tenants, after): // only unused space is gone
			t.Fatalf("cut to %d of %d bytes it opens with %d tenants, not %d", n, len(file), len(tenants), len(after))
		}
	}
	if cutShort == 0 {
		t.Error("no cut was refused")
	}
	if got, err := os.ReadFile(path); err != nil || len(got) == 0 {
		t.Errorf("the file was not left as it was: %d bytes, %v", len(got), err)
	}
}

func TestVerify_ATruncatedFileIsRefusedWithBothSizes(t *testing.T) {
	file, _, _ := twoStates(t)
	m, _ := newestMeta(bytes.NewReader(file), int64(len(file)))
	n := int(m.pages*m.pageSize) - 1
	_, err := openBytes(t, filepath.Join(t.TempDir(), "r.db"), file[:n])
	refused(t, err, "truncated", strconv.Itoa(n)+" bytes", "its header says "+strconv.Itoa(n+1))
}

func TestVerify_AnyCutIsCaughtBeforeBboltSeesIt(t *testing.T) {
	file, _, _ := twoStates(t)
	m, _ := newestMeta(bytes.NewReader(file), int64(len(file)))
	for n := 1; n < len(file); n += 29 {
		err := verify(bytes.NewReader(file[:n]), int64(n))
		if whole := uint64(n) >= m.pages*m.pageSize; (err == nil) != whole {
			t.Fatalf("cut to %d of %d bytes in use: %v", n, m.pages*m.pageSize, err)
		}
	}
}

func TestVerify_AFlippedBitNeverChangesWhatIsRead(t *testing.T) {
	file, before, after := twoStates(t)
	path := filepath.Join(t.TempDir(), "registry.db")
	refusals := 0
	for range 700 {
		bad := bytes.Clone(file)
		at, bit := rand.IntN(len(bad)), byte(1)<<rand.IntN(8)
		bad[at] ^= bit
		tenants, err := openBytes(t, path, bad)
		switch {
		case err != nil:
			refused(t, err, "cannot open the registry "+path, "damaged")
			refusals++
		case !reflect.DeepEqual(tenants, after) && !reflect.DeepEqual(tenants, before):
			t.Fatalf("bit %#x of byte %d flipped: %d tenants, and not those of either state", bit, at, len(tenants))
		}
	}
	if refusals == 0 {
		t.Error("no flipped bit was noticed")
	}
}

func TestVerify_ManyBadBytesAreRefusedOrHarmless(t *testing.T) {
	file, _, _ := twoStates(t)
	path := filepath.Join(t.TempDir(), "registry.db")
	for range 300 {
		bad := bytes.Clone(file)
		for range 1 + rand.IntN(64) {
			bad[2*os.Getpagesize()+rand.IntN(len(bad)-2*os.Getpagesize())] = byte(rand.Uint32())
		}
		if _, err := openBytes(t, path, bad); err != nil {
			refused(t, err, "damaged")
		}
	}
}

func TestVerify_WhatIsNoRegistryIsRefused(t *testing.T) {
	file, _, _ := twoStates(t)
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for what, content := range map[string][]byte{
		"one byte":    {1},
		"text":        []byte("[settings]\n"),
		"zeros":       make([]byte, 1<<16),
		"noise":       noise,
		"no headers":  append(make([]byte, 2*os.Getpagesize()), file[2*os.Getpagesize():]...),
		"only a page": file[:os.Getpagesize()],
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "registry.db")
			_, err := openBytes(t, path, content)
			refused(t, err, "cannot open the registry "+path+": damaged", "move it away")
			if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
				t.Error("the refused file was written to")
			}
		})
	}
}

// reseal gives a changed meta page a valid checksum again.
func reseal(file []byte, at int) {
	b := file[at+headerSize:]
	sum := fnv.New64a()
	sum.Write(b[:56])
	order.PutUint64(b[56:], sum.Sum64())
}

func TestVerify_AHeaderThatLiesIsRefused(t *testing.T) {
	file, _, _ := twoStates(t)
	m, _ := newestMeta(bytes.NewReader(file), int64(len(file)))
	at := int(m.txid%2) * int(m.pageSize)
	for field, says := range map[int]string{
		16: "page 18446744073709551615", // root
		32: "it holds no registry yet",  // freelist: a page number
		40: "pages",                     // pages
	} {
		bad := bytes.Clone(file)
		value := uint64(1<<64 - 1)
		if field == 32 {
			value = 2
		}
		order.PutUint64(bad[at+headerSize+field:], value)
		reseal(bad, at)
		err := verify(bytes.NewReader(bad), int64(len(bad)))
		if !errors.Is(err, errDamaged) {
			t.Errorf("field %d: %v is no damage", field, err)
		}
		refused(t, err, says)
	}
}

func TestVerify_PagesThatBreakTheTreeAreRefused(t *testing.T) {
	file, _, _ := twoStates(t)
	m, _ := newestMeta(bytes.NewReader(file), int64(len(file)))
	size := int(m.pageSize)
	branch := size // the one branch page in use: that of the tenants
	for order.Uint16(file[branch+8:]) != branchFlag || !leads(file, branch, m) {
		branch += size
	}
	first := branch + headerSize // its first element
	leaf := int(order.Uint64(file[first+8:])) * size
	for says, harm := range map[string]func(b []byte){
		"page 0 of":                 func(b []byte) { order.PutUint64(b[first+8:], 0) },
		"page 99999 of":             func(b []byte) { order.PutUint64(b[first+8:], 99999) },
		"its header":                func(b []byte) { order.PutUint64(b[leaf:], 1) },
		": its header":              func(b []byte) { order.PutUint32(b[leaf+12:], 1<<31) },
		"header":                    func(b []byte) { order.PutUint16(b[leaf+10:], 65535) },
		"an element's flags":        func(b []byte) { order.PutUint32(b[leaf+headerSize:], 2) },
		"a bucket among records":    func(b []byte) { order.PutUint32(b[leaf+headerSize:], 1) },
		"an element's place":        func(b []byte) { order.PutUint32(b[leaf+headerSize+8:], 0) },
		"element's place":           func(b []byte) { order.PutUint32(b[leaf+headerSize+12:], 1<<31) },
		"the order of its keys":     func(b []byte) { b[leaf+headerSize+int(order.Uint32(b[leaf+headerSize+4:]))] = 0xff },
		"order of its keys":         func(b []byte) { b[first+int(order.Uint32(b[first:]))] = 0xff },
		"a branch without elements": func(b []byte) { order.PutUint16(b[branch+10:], 0) },
	} {
		bad := bytes.Clone(file)
		harm(bad)
		err := verify(bytes.NewReader(bad), int64(len(bad)))
		refused(t, err, says)
		if !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v is no damage", says, err)
		}
	}
}

// leads reports that a branch page belongs to the state that meta describes: its
// tree is sound, and a page that was freed since leads to a page of another id.
func leads(file []byte, at int, m meta) bool {
	v := &verifier{file: bytes.NewReader(file), meta: m, seen: map[uint64]bool{}}
	if v.tree(m.root, nil, nil, true) != nil {
		return false
	}
	return v.seen[uint64(at)/m.pageSize]
}

func TestVerify_APageThatIsReachedTwiceIsRefused(t *testing.T) {
	file, _, _ := twoStates(t)
	m, _ := newestMeta(bytes.NewReader(file), int64(len(file)))
	v := &verifier{file: bytes.NewReader(file), meta: m, seen: map[uint64]bool{}}
	if err := v.tree(m.root, nil, nil, true); err != nil {
		t.Fatal(err)
	}
	refused(t, v.tree(m.root, nil, nil, true), "is used twice")
}

func TestVerify_ABucketThatIsTooShortIsRefused(t *testing.T) {
	v := &verifier{seen: map[uint64]bool{}}
	refused(t, v.bucket(5, make([]byte, bucketSize-1)), "page 5: a bucket's root")
	refused(t, v.bucket(5, make([]byte, bucketSize+headerSize-1)), "page 5: a bucket's inline page")
}

// failing is a disk that cannot be read beyond its headers.
type failing struct{ *bytes.Reader }

func (f failing) ReadAt(b []byte, at int64) (int, error) {
	if at >= 2*int64(os.Getpagesize()) {
		return 0, syscall.EIO
	}
	return f.Reader.ReadAt(b, at)
}

func TestVerify_ADiskThatCannotBeReadIsNoDamage(t *testing.T) {
	file, _, _ := twoStates(t)
	err := verify(failing{bytes.NewReader(file)}, int64(len(file)))
	if !errors.Is(err, syscall.EIO) || errors.Is(err, errDamaged) {
		t.Errorf("error %v, want EIO and no talk of damage", err)
	}
}

func FuzzVerify(f *testing.F) {
	file, _, _ := twoStates(f)
	f.Add(1, uint64(0))
	f.Add(2*os.Getpagesize()+10, uint64(1)<<60)
	f.Add(3*os.Getpagesize()+16, uint64(1)<<33)
	f.Fuzz(func(t *testing.T, at int, value uint64) {
		bad := bytes.Clone(file)
		order.PutUint64(bad[uint(at)%uint(len(bad)-8):], value)
		if err := verify(bytes.NewReader(bad), int64(len(bad))); err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("%v is no damage", err)
		}
		if _, err := openBytes(t, filepath.Join(t.TempDir(), "r.db"), bad); err != nil {
			refused(t, err, "cannot open the registry")
		}
	})
}
