package ledger

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"tenement/conf"
)

// Tenant is what the registry knows of one tenant.
type Tenant struct {
	Name     conf.Instance     `json:"-"` // the record's key
	UID      uint32            `json:"uid"`
	Weight   int               `json:"weight,omitempty"`   // 0..100
	Weighted bool              `json:"weighted,omitempty"` // takes part in the apex's choice by weight
	Held     bool              `json:"held,omitempty"`     // kept asleep by hand
	Release  string            `json:"release,omitempty"`  // "" = the service as configured
	Former   string            `json:"former,omitempty"`   // the release before its newest rollout
	Rollout  uint64            `json:"rollout,omitempty"`  // number of the rollout that moved it; 0 = none
	Env      map[string]string `json:"env,omitempty"`      // overrides of the service's; nil = none
	Secrets  map[string]string `json:"secrets,omitempty"`  // like Env, and never shown
	Limits   conf.Limits       `json:"limits,omitempty"`   // in place of the service's; nil = none
	Created  time.Time         `json:"created,omitzero"`
}

// check refuses what could not be read back as it was written.
func (t Tenant) check() error {
	if _, err := conf.ParseInstance(t.Name.String()); err != nil {
		return err
	}
	if t.UID == 0 {
		return errors.New("it has no uid yet (Store.UID gives one)")
	}
	if t.Weight < 0 || t.Weight > 100 {
		return fmt.Errorf("its weight is %d, not 0 to 100", t.Weight)
	}
	for _, release := range []string{t.Release, t.Former} {
		if !utf8.ValidString(release) {
			return fmt.Errorf("its release %q is not UTF-8", release)
		}
	}
	for _, variables := range []map[string]string{t.Env, t.Secrets} {
		for name, value := range variables { // JSON would change such bytes silently
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return fmt.Errorf("its environment variable %q is not UTF-8", name)
			}
		}
	}
	return nil
}

// Fits refuses a record that the registry would not store, before others' changes
// are in one transaction with it.
func (t Tenant) Fits() error {
	if err := t.check(); err != nil {
		return err
	}
	_, err := encode(t)
	return err
}
