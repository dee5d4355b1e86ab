package main

import (
	"fmt"
	"runtime"
	"strings"
	"unicode"
)

// benchfmt is the report as benchstat reads it: a line for each sample, or for
// the value where there are none.
func (r *report) benchfmt() string {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: linux\ngoarch: %s\ncpu: %s\ncommit: %s\nkernel: %s\ngo: %s\nload: %s\n\n", runtime.GOARCH, r.Machine.CPU, r.Machine.Commit, r.Machine.Kernel, r.Machine.Go, r.Noise.LoadBefore)
	for _, one := range r.Results {
		samples := one.Samples
		if len(samples) == 0 && one.Runs > 0 {
			samples = []float64{float64(one.Value)}
		}
		for _, v := range samples {
			fmt.Fprintf(&b, "Benchmark%s 1 %s\n", benchName(r.Suite, one), benchValue(v, one.Unit))
		}
	}
	return b.String()
}

// benchName has no spaces, which end a name, and no slashes but our own, which
// begin a part of it.
func benchName(suite string, one result) string {
	name := "Suite/suite=" + benchWord(suite) + "/what=" + benchWord(one.Name)
	if one.Subject != "" {
		name += "/subject=" + benchWord(one.Subject)
	}
	return name
}

func benchWord(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.IsLetter(c), unicode.IsDigit(c), strings.ContainsRune("._%<>+", c):
			return c
		}
		return '_'
	}, s)
}

// benchValue gives times in ns/op, which benchstat scales, and keeps all else.
func benchValue(v float64, unit string) string {
	switch unit {
	case "s":
		return fmt.Sprintf("%.0f ns/op", v*1e9)
	case "ms":
		return fmt.Sprintf("%.0f ns/op", v*1e6)
	case "us":
		return fmt.Sprintf("%.0f ns/op", v*1e3)
	case "":
		unit = "count"
	}
	return fmt.Sprintf("%g %s", v, strings.ReplaceAll(unit, " ", "-"))
}
