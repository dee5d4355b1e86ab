package conf

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits are a tenant's own limits, by their keys in [service.NAME]. What is not
// in it is the service's.
type Limits map[string]float64

// limitNames are the keys that a tenant may have a value of its own of.
var limitNames = []string{"memory_limit_mb", "cpu_limit", "cpu_shares", "pids_limit", "io_weight", "open_files", "storage_quota_mb"}

// LimitNames lists the keys that Limits may have, in the order of the reference.
func LimitNames() []string { return slices.Clone(limitNames) }

// Check refuses what the file would refuse, in the same words.
func (l Limits) Check() error {
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if !slices.Contains(limitNames, name) {
			return fmt.Errorf("%q is no limit of a tenant's%s: there are %s", clip(name), didYouMean(name, limitNames), strings.Join(limitNames, ", "))
		}
		if err := readLimit(&Service{}, name, l[name]); err != nil {
			return err
		}
	}
	return nil
}

// With is the service with a tenant's limits in place of its own.
func (s *Service) With(l Limits) *Service {
	if len(l) == 0 {
		return s
	}
	own := *s
	for name, n := range l {
		_ = readLimit(&own, name, n) // was checked when it was stored; what this version refuses stays the service's
	}
	return &own
}

// readLimit reads a limit as if the file had it.
func readLimit(s *Service, name string, n float64) error {
	var raw any = n
	if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
		raw = int64(n)
	}
	v := value{raw: raw, name: name, path: name, at: &node{}, report: &report{}}
	for _, k := range serviceKeys {
		if k.name == name {
			k.read(s, v)
		}
	}
	if len(v.problems) > 0 {
		return fmt.Errorf("%s: %s", name, v.problems[0].Text)
	}
	return nil
}

// ParseLimit reads KEY=VALUE; an empty value, which is nil, means the service's own.
func ParseLimit(text string) (name string, n *float64, err error) {
	name, value, found := strings.Cut(text, "=")
	if !found {
		return "", nil, fmt.Errorf("%q: KEY=VALUE is expected, like memory_limit_mb=512; KEY= is the service's own again", clip(text))
	}
	l := Limits{name: 1}
	if value != "" {
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
			return "", nil, fmt.Errorf("%s: %q is no number", clip(name), clip(value))
		}
		l[name], n = x, &x
	}
	if value == "" && slices.Contains(limitNames, name) {
		return name, nil, nil
	}
	return name, n, l.Check()
}

// Limits are the service's, by their keys; 0 is none.
func (s *Service) Limits() Limits {
	return Limits{
		"memory_limit_mb": float64(s.MemoryLimitMB), "cpu_limit": s.CPULimit, "cpu_shares": float64(s.CPUShares), "pids_limit": float64(s.PidsLimit),
		"io_weight": float64(s.IOWeight), "open_files": float64(s.OpenFiles), "storage_quota_mb": float64(s.StorageQuotaMB),
	}
}

// CheckVariable refuses a variable that no process can be given. Its error names
// the variable, never the value.
func CheckVariable(name, value string) error {
	switch {
	case isVariable(name) != "":
		return errors.New(isVariable(name))
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("%q cannot name a variable: letters, digits and the like of ASCII are expected", clip(name))
	case strings.Contains(value, "\x00"):
		return fmt.Errorf("%s: its value contains a NUL byte", clip(name))
	case !utf8.ValidString(value):
		return fmt.Errorf("%s: its value is not UTF-8", clip(name))
	case reserved(name):
		return fmt.Errorf("%s is tenement's own and cannot be set", clip(name))
	}
	return nil
}

// reserved are the variables by which tenement knows its processes and hands
// sockets on: one that lied would be believed.
func reserved(name string) bool {
	return strings.HasPrefix(name, "TENEMENT_") || strings.HasPrefix(name, "LISTEN_")
}
