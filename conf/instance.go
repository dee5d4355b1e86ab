package conf

import (
	"errors"
	"fmt"
	"strings"
)

// ErrName is wrapped by every refusal of a service name or a tenant id.
var ErrName = errors.New("not a valid name")

// maxName is the longest service name or id, in bytes: the longest DNS label.
const maxName = 63

// Instance names a tenant: "service:id". Both parts are lower-case and valid
// (see Name); the zero value names nothing.
type Instance struct {
	Service string
	ID      string
}

// String gives the form that users type: "service:id".
func (i Instance) String() string { return i.Service + ":" + i.ID }

// ParseInstance reads "service:id", split at the first colon and lower-cased.
// Its error wraps ErrName and quotes the offending part.
func ParseInstance(s string) (Instance, error) {
	service, id, found := strings.Cut(s, ":")
	if !found {
		return Instance{}, fmt.Errorf("%q: %w: expected SERVICE:ID", clip(s), ErrName)
	}
	return NewInstance(service, id)
}

// NewInstance joins a service name and an id that came separately, checking
// and lower-casing both.
func NewInstance(service, id string) (Instance, error) {
	s, err := Name(service)
	if err != nil {
		return Instance{}, fmt.Errorf("service %w", err)
	}
	i, err := Name(id)
	if err != nil {
		return Instance{}, fmt.Errorf("id %w", err)
	}
	return Instance{Service: s, ID: i}, nil
}

// Name lower-cases one part of an instance's name and accepts it when it then
// matches ^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$. Nothing else may ever reach a
// lookup, a path or a process.
func Name(s string) (string, error) {
	if len(s) == 0 || len(s) > maxName {
		return "", fmt.Errorf("%q: %w: 1 to %d characters", clip(s), ErrName, maxName)
	}
	upper := false
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z':
			upper = true
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case (c == '-' || c == '_') && i > 0 && i < len(s)-1:
		default:
			return "", fmt.Errorf("%q: %w: only a-z, 0-9 and, inside, - and _", s, ErrName)
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, nil
}

// clip shortens what a stranger sent before it is quoted in an error.
func clip(s string) string {
	if len(s) > maxName {
		return s[:maxName] + "…"
	}
	return s
}
