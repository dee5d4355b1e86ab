package conf

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestLimits_ATenantsOwnTakeThePlaceOfTheServices(t *testing.T) {
	s := &Service{MemoryLimitMB: 128, PidsLimit: 50, CPUShares: 100, Health: "/up"}
	own := s.With(Limits{"memory_limit_mb": 512, "cpu_limit": 0.5, "cpu_shares": 20000, "io_weight": 7, "open_files": 99, "storage_quota_mb": 3})
	want := &Service{MemoryLimitMB: 512, CPULimit: 0.5, CPUShares: 10000, PidsLimit: 50, IOWeight: 7, OpenFiles: 99, StorageQuotaMB: 3, Health: "/up"}
	if !reflect.DeepEqual(own, want) {
		t.Errorf("%+v\nwant %+v", own, want)
	}
	if s.MemoryLimitMB != 128 || s.CPUShares != 100 {
		t.Errorf("the service itself was changed: %+v", s)
	}
	if s.With(nil) != s {
		t.Error("a tenant without limits of its own costs a copy")
	}
}

func TestLimits_AreRefusedInTheWordsOfTheFile(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{"memory_limit_mb": 512, "pids_limit": 4}, ""},
		{Limits{"memory_limit_mb": 0}, "memory_limit_mb: must be at least 1, not 0"},
		{Limits{"memory_limit_mb": 0.5}, "memory_limit_mb: must be a whole number, not a decimal number"},
		{Limits{"pids_limit": 3}, "pids_limit: must be at least 4, not 3"},
		{Limits{"cpu_limit": -1}, "cpu_limit: must be at least 0.01 cores, not -1"},
		{Limits{"cpu_limit": math.NaN()}, "cpu_limit: must be at least 0.01 cores, not NaN"},
		{Limits{"io_weight": 1e300}, "io_weight: must be a whole number, not a decimal number"},
		{Limits{"memory_limit": 1}, `"memory_limit" is no limit of a tenant's`},
		{Limits{"idle_timeout": 1}, `"idle_timeout" is no limit of a tenant's`},
	} {
		err := c.limits.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.limits, err, c.want)
		}
	}
}

// Every key that a tenant may have is one of a service's and changes it.
func TestLimits_EveryNameIsAKeyOfTheFile(t *testing.T) {
	for _, name := range LimitNames() {
		got := (&Service{}).With(Limits{name: 17})
		if reflect.DeepEqual(got, &Service{}) || got.Limits()[name] != 17 {
			t.Errorf("%s changes nothing: %v", name, got.Limits())
		}
	}
}

func TestLimits_AsTheyAreTyped(t *testing.T) {
	half := 0.5
	for _, c := range []struct {
		text string
		name string
		n    *float64
		want string
	}{
		{"cpu_limit=0.5", "cpu_limit", &half, ""},
		{"cpu_limit=", "cpu_limit", nil, ""},
		{"cpu_limit", "", nil, `"cpu_limit": KEY=VALUE is expected`},
		{"cpu_limit=half", "", nil, `cpu_limit: "half" is no number`},
		{"cpu_limit=inf", "", nil, `cpu_limit: "inf" is no number`},
		{"cpu=1", "", nil, `"cpu" is no limit of a tenant's`},
		{"cpu=", "", nil, `"cpu" is no limit of a tenant's`},
		{"pids_limit=1", "", nil, "pids_limit: must be at least 4, not 1"},
	} {
		name, n, err := ParseLimit(c.text)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.text, err, c.want)
			}
			continue
		}
		if err != nil || name != c.name || !reflect.DeepEqual(n, c.n) {
			t.Errorf("%s: %s, %v, %v", c.text, name, n, err)
		}
	}
}

func TestVariable_WhatNoProcessCanBeGivenIsRefusedWithoutItsValue(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"KEY", "any = value\n", ""},
		{"spring.datasource.url", "x", ""},
		{"KEY", "", ""},
		{"", "s3cret", "cannot name a variable"},
		{"A=B", "s3cret", "cannot name a variable"},
		{"A B", "s3cret", "cannot name a variable"},
		{"SCHLÜSSEL", "s3cret", "cannot name a variable"},
		{"A\x1b[2J", "s3cret", "cannot name a variable"},
		{"KEY", "s3cret\x00", "KEY: its value contains a NUL byte"},
		{"KEY", "s3cret\xff", "KEY: its value is not UTF-8"},
		{"TENEMENT_RUN", "s3cret", "TENEMENT_RUN is tenement's own"},
		{"LISTEN_FDS", "s3cret", "LISTEN_FDS is tenement's own"},
	} {
		err := CheckVariable(c.name, c.value)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%q=%q: %v, want %q", c.name, c.value, err, c.want)
		}
	}
}
