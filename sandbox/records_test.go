package sandbox

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// sampleRecord is sound, and describes nobody.
func sampleRecord(t *testing.T, boot string) Record {
	t.Helper()
	dir := filepath.Join(shortDir(t), "run")
	return Record{
		Name: "notes:alice", Generation: 1, Pid: 1 << 22, Start: 1 << 60, Boot: boot, Marker: marker(dir, 1), RunDir: dir,
		Stdout: dir + "/1.out", Stderr: dir + "/1.err", Listen: ListenUnix, Socket: dir + "/1.sock",
		Endpoint: Endpoint{Network: "unix", Address: dir + "/1.sock"},
	}
}

func TestRecords_AreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "records")
	if read, errs := ReadRecords(dir); read != nil || errs != nil {
		t.Errorf("before the first: %v %v", read, errs)
	}
	first, second := sampleRecord(t, "boot"), sampleRecord(t, "boot")
	second.Name = "../no/path:x" // even a name that no tenant can have stays inside
	for _, r := range []Record{first, second, first} {
		if err := WriteRecord(dir, r); err != nil {
			t.Fatal(err)
		}
	}
	read, errs := ReadRecords(dir)
	if len(errs) > 0 || len(read) != 2 || !reflect.DeepEqual(map[string]Record{read[0].Name: read[0], read[1].Name: read[1]},
		map[string]Record{first.Name: first, second.Name: second}) {
		t.Errorf("%v %v", read, errs)
	}
	if info, err := os.Stat(filepath.Join(dir, recordFile(first.Name))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	for range 2 {
		if err := RemoveRecord(dir, first); err != nil {
			t.Fatal(err)
		}
	}
	if read, _ := ReadRecords(dir); len(read) != 1 || read[0].Name != second.Name {
		t.Errorf("%v", read)
	}
}

func TestRemoveRecord_SparesANewerGenerations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	older := sampleRecord(t, "boot")
	newer := older
	newer.Generation, newer.Marker = 2, marker(older.RunDir, 2)
	newer.Stdout, newer.Stderr = older.RunDir+"/2.out", older.RunDir+"/2.err"
	if err := WriteRecord(dir, newer); err != nil {
		t.Fatal(err)
	}
	if err := RemoveRecord(dir, older); err != nil {
		t.Fatal(err)
	}
	if read, errs := ReadRecords(dir); len(read) != 1 || len(errs) != 0 {
		t.Errorf("%v %v", read, errs)
	}
}

func TestReadRecords_ATruncatedFileIsPutAsideAtEveryLength(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := sampleRecord(t, "boot")
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, recordFile(whole.Name))
	for n := range len(data) {
		if err := os.WriteFile(file, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		read, errs := ReadRecords(dir)
		if len(read) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), file) {
			t.Fatalf("%d bytes: %v %v", n, read, errs)
		}
		if read, errs := ReadRecords(dir); len(read) != 0 || len(errs) != 0 {
			t.Fatalf("%d bytes, the second time: %v %v", n, read, errs)
		}
	}
}

func TestReadRecords_WhatIsNoRecordIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := sampleRecord(t, "boot")
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"notes:bob.json":   string(data), // another tenant's name
		"empty.json":       "",
		"null.json":        "null",
		"array.json":       "[]",
		"types.json":       `{"name":"types","pid":"1"}`,
		"huge.json":        strings.Repeat(" ", maxRecord+1),
		"not-a-record.txt": "is passed over",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	if read, errs := ReadRecords(dir); len(read) != 0 || len(errs) != 8 {
		t.Errorf("%v %v", read, errs)
	}
	if _, errs := ReadRecords(filepath.Join(dir, "not-a-record.txt")); len(errs) != 1 {
		t.Errorf("a file for a directory: %v", errs)
	}
}

func TestWriteRecord_FailsWithAReason(t *testing.T) {
	t.Parallel()
	if err := WriteRecord(t.TempDir(), Record{Name: "notes:alice"}); err == nil || !strings.Contains(err.Error(), "makes no sense: pid") {
		t.Error(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := sampleRecord(t, "boot")
	if err := WriteRecord(file, r); err == nil || !strings.Contains(err.Error(), "cannot write the record of notes:alice") {
		t.Error(err)
	}
	if err := os.Mkdir(filepath.Join(dir, recordFile(r.Name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile(r.Name), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteRecord(dir, r); err == nil {
		t.Error("wrote over a directory")
	}
	if err := RemoveRecord(dir, r); err == nil || !strings.Contains(err.Error(), "cannot remove the record of notes:alice") {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("a half-written file was left: %v", entries)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"name":"notes:alice","generation":1,"pid":7,"start":9,"boot":"b","marker":"TENEMENT_RUN=/r/1","run_dir":"/r","stdout":"/r/1.out","stderr":"/r/1.err"}`))
	f.Add([]byte(`{"pid":-1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err == nil && (r.Pid <= 1 || r.Start == 0 || r.Boot == "" || r.Marker != marker(r.RunDir, r.Generation) || r.RunDir == "/") {
			t.Errorf("accepted %+v", r)
		}
	})
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) b) (c) S 1 12 13 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"))
	f.Add([]byte(") ("))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = parseStat(data) })
}

func TestParseStat_AProgramsNameCannotForgeFields(t *testing.T) {
	t.Parallel()
	s, err := parseStat([]byte("12 (x) S 9 9 9) R 1 12 13 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n"))
	if err != nil || s != (stat{pid: 12, parent: 1, session: 13, state: 'R', start: 4711}) {
		t.Errorf("%+v %v", s, err)
	}
	for _, bad := range []string{"", "12", "12 (x) R 1", "x (y) R 1 12 13 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFindCgroup_KnowsPureHybridAndNested(t *testing.T) {
	t.Parallel()
	const hybrid = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	for _, row := range []struct{ mounts, own, want string }{
		{"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/system.slice/tenement.service\n", "/sys/fs/cgroup/system.slice/tenement.service"},
		{hybrid, "9:name=systemd:/x\n0::/\n", "/sys/fs/cgroup/unified"},
		{"30 23 0:26 /docker/abc /sys/fs/my\\040cgroup ro shared:1 - cgroup2 cgroup2 rw\n", "0::/docker/abc/sub\n", "/sys/fs/my cgroup/sub"},
		{"30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/elsewhere\n", ""},
		{hybrid, "0::/../escaped\n", ""},
		{hybrid, "9:name=systemd:/x\n", ""},
		{"30 23 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu\nshort\n", "0::/\n", ""},
	} {
		got, err := findCgroup([]byte(row.mounts), []byte(row.own))
		if got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("%q in %q: %q %v", row.own, row.mounts, got, err)
		}
	}
}
