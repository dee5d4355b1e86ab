package main

import (
	"strings"
	"testing"

	"tenement/edge"
)

const usageHead = "INSTANCE     CPU s  MEMORY GB*s  AWAKE  REQUESTS  IN      OUT      WAKES\n"

func TestUsage_IsATableCSVOrJSON(t *testing.T) {
	w := newWorld(t)
	w.wants(1, "", "cannot reach tenement at http://127.0.0.1:1", "usage", "--server", "http://127.0.0.1:1")
	w.daemon()
	alice := "notes:alice  12.3   3600.0       2h     1500      2.0 kB  5.2 MB   4\n"
	w.wants(0, usageHead+alice+strings.Replace(alice, "alice", "bob  ", 1)+
		"total        24.7   7200.0       4h     3000      4.1 kB  10.5 MB  8\n", "", "usage")
	w.wants(0, strings.Replace(usageHead, "OUT      ", "OUT     ", 1)+strings.Replace(alice, "MB   ", "MB  ", 1), "", "usage", "Notes:Alice", "--since", "2026-11-01", "--until", "2026-11-30")
	if got := w.host.all(); !strings.Contains(got, "usage 2026-11-01 2026-11-30") {
		t.Errorf("the daemon was asked %q", got)
	}
	w.wants(0, "day,instance,cpu_seconds,memory_gb_seconds,awake_seconds,requests,bytes_in,bytes_out,wakes\n"+
		"2026-11-01,notes:bob,12.346,3600,7200,1500,2048,5242880,4\n", "", "usage", "notes:bob", "--csv")
	if code, out, _ := w.ten("usage", "notes", "--json"); code != 0 || strings.Count(out, `"day": "2026-11-01"`) != 2 || !strings.Contains(out, `"cpu_seconds": 12.346`) {
		t.Errorf("%d %s", code, out)
	}
	w.wants(0, "Nothing was used\n", "", "usage", "shop")
}

func TestUsage_BadInputIsNamed(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(1, "", `since="yesterday": a day like 2026-11-01`, "usage", "--since", "yesterday")
	w.wants(1, "", "is after until=2026-11-01", "usage", "--since", "2026-11-02", "--until", "2026-11-01")
	w.wants(1, "", "not a valid name", "usage", "no/tes")
	w.wants(1, "", "not a valid name", "usage", "notes:..")
	w.wants(1, "", "--csv and --json: take one", "usage", "--csv", "--json")
	w.wants(2, "", "at most 1 arg", "usage", "notes:alice", "notes:bob")
}

func TestUsage_DaysOfATenantAreAddedUp(t *testing.T) {
	rows := usageTable([]edge.UsageJSON{{Day: "1", Instance: "a:b", CPUSeconds: 1, Wakes: 1}, {Day: "2", Instance: "a:b", CPUSeconds: 2, Wakes: 2}})
	if len(rows) != 2 || strings.Join(rows[1], " ") != "a:b 3.0 0.0 0s 0 0 B 0 B 3" {
		t.Errorf("%q", rows)
	}
}

func TestSize_HasOneUnit(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_999: "1.0 MB", 64e6: "64.0 MB", 1 << 63: "9.2 EB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
